-- Something that had failed has recovered: what may go on is begun, or submitted anew in its next round.
-- ARGV 5 from which node on, 6 how many. Answers lost | ok, and what is due, as advance says it.
local from, count = tonumber(ARGV[5]), tonumber(ARGV[6])
local total = tonumber(get('nodes') or 0)
if total == 0 then return {'lost'} end
for k = from, math.min(total, from + count) - 1 do
  local it, state = node(k), get('s' .. k)
  if it.parent >= 0 and get('s' .. it.parent) == 'D' and not closed(it) then
    if state == 'X' then
      redis.call('HINCRBY', key, 'done', -1)
      redis.call('HDEL', key, 'e' .. k, 'z' .. k)
      set('s' .. k, 'D', 'd' .. k, now, 'q' .. k, round_of(k) + 1)
      owe_task(k)
    elseif state == 'D' and it.kind == 't' and round_of(k) > 0 then
      owe_task(k)
    elseif not state then
      local up = node(it.parent)
      if up.kind == 'g' or k == up.first or get('s' .. (k - 1)) == 'S' then begin(k) end
    end
  end
end
return answer('ok')
