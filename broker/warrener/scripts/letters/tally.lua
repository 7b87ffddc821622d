-- The letters that fit, counted by cause.
-- KEYS 1 order, 2 lines. ARGV 1 upper and 2 lower bound of the order, 3 how many to look at, 4 and further as
-- conditions() takes them.
-- Answers the place to go on from, or '', then for each cause its name, the number of letters, the place of
-- its oldest letter, and place and line of its newest.
local found, names = {}, {}
local last, places, causes = fitting(KEYS[1], KEYS[2], 4, 0)
for i, place in ipairs(places) do
  local name = causes[i]
  local one = found[name]
  if not one then
    one = {count = 0, newest = place}
    found[name] = one
    names[#names + 1] = name
  end
  one.count = one.count + 1
  one.oldest = place
end
local answer = {last}
for _, name in ipairs(names) do
  local one = found[name]
  local line = redis.call('HGET', KEYS[2], id_of(one.newest))
  for _, fact in ipairs({name, tostring(one.count), one.oldest, one.newest, line}) do
    answer[#answer + 1] = fact
  end
end
return answer
