-- The newest letters that fit.
-- KEYS 1 order, 2 lines. ARGV 1 upper and 2 lower bound of the order, 3 how many to look at, 4 how many to
-- find, 5 and further as conditions() takes them.
-- Answers the place to go on from, or '', then the place and the line of each letter found.
local last, places = fitting(KEYS[1], KEYS[2], 5, tonumber(ARGV[4]))
local answer = {last}
for i, line in ipairs(lines_of(KEYS[2], places)) do
  if line then
    answer[#answer + 1] = places[i]
    answer[#answer + 1] = line
  end
end
return answer
