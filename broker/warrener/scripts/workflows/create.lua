-- A part of a new plan is written. ARGV 5 fingerprint, 6 created, 7 seconds that it lives unless it is accepted,
-- 8 tasks, 9 nodes, then fields and values.
-- Answers new | exists, state | conflict.
if redis.call('EXISTS', KEYS[2]) == 1 and redis.call('EXISTS', key) == 0 then
  return {'exists', redis.call('GET', KEYS[2])}
end
local found = redis.call('HMGET', key, 'fingerprint', 'state')
if found[1] and found[1] ~= ARGV[5] then return {'conflict'} end
if found[2] and found[2] ~= 'PENDING' then return {'exists', found[2]} end
set('v', 1, 'state', 'PENDING', 'fingerprint', ARGV[5], 'total', ARGV[8], 'nodes', ARGV[9])
redis.call('HSETNX', key, 'created', ARGV[6])
for at = 10, #ARGV, 2 do set(ARGV[at], ARGV[at + 1]) end
redis.call('EXPIRE', key, ARGV[7])
return {'new'}
