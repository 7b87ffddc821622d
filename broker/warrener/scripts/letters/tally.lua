-- The letters that fit, counted by cause.
-- KEYS 1 order, 2 lines. ARGV 1 upper and 2 lower bound of the order, 3 how many to look at, 4 and further as
-- conditions() takes them.
-- Answers the place to go on from, or '', then for each cause its name, the number of letters, the place of
-- its oldest letter, and place and line of its newest.
local found, names = {}, {}
local fits, order = conditions(4, KEYS[1])
local last = each(order, KEYS[2], ARGV[1], ARGV[2], ARGV[3], function(place, line)
  if not fits(place, line) then return false end
  local name = cause_of(line)
  local one = found[name]
  if not one then
    one = {count = 0, newest = place, line = line}
    found[name] = one
    names[#names + 1] = name
  end
  one.count = one.count + 1
  one.oldest = place
  return false
end)
local answer = {last}
for _, name in ipairs(names) do
  local one = found[name]
  for _, fact in ipairs({name, tostring(one.count), one.oldest, one.newest, one.line}) do
    answer[#answer + 1] = fact
  end
end
return answer
