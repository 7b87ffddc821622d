-- A part of a group is begun. ARGV 5 group, 6 from which child on, 7 how many.
-- Answers lost | closed | ok, and what is due, as advance says it.
local k, from, count = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
if not get('n' .. k) then return {'lost'} end
local it = node(k)
if get('s' .. k) ~= 'D' or closed(it) then return {'closed'} end
for child = it.first + from, it.first + math.min(it.count, from + count) - 1 do begin(child) end
return answer('ok')
