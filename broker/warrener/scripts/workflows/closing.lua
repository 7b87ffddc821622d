-- Which tasks have jobs that shall not begin any more? ARGV 5 from which node on, 6 how many.
-- Answers lost | ok, and `node round` of each.
local from, count = tonumber(ARGV[5]), tonumber(ARGV[6])
local total = tonumber(get('nodes') or 0)
if total == 0 then return {'lost'} end
local found = {'ok'}
for k = from, math.min(total, from + count) - 1 do
  if get('s' .. k) == 'D' then
    local it = node(k)
    if it.kind == 't' and closed(it) then found[#found + 1] = k .. ' ' .. round_of(k) end
  end
end
return found
