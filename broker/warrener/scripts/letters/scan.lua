-- The newest letters that fit.
-- KEYS 1 order, 2 lines. ARGV 1 upper and 2 lower bound of the order, 3 how many to look at, 4 how many to
-- find, 5 and further as conditions() takes them.
-- Answers the place to go on from, or '', then the place and the line of each letter found.
local found = {}
local wanted = 2 * tonumber(ARGV[4])
local fits, order = conditions(5, KEYS[1])
local last = each(order, KEYS[2], ARGV[1], ARGV[2], ARGV[3], function(place, line)
  if fits(place, line) then
    found[#found + 1] = place
    found[#found + 1] = line
  end
  return #found >= wanted
end)
table.insert(found, 1, last)
return found
