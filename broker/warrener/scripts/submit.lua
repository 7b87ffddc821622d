-- After the confirmed publish: the record of a job that waits. A worker may have been quicker: then
-- only what it could not know is added, and no state is lowered.
-- KEYS 1 job. ARGV 1 task, 2 queue, 3 created, 4 due (or ''), 5 fingerprint (or ''),
-- 6 which part of which workflow it is (or '').
-- Answers ok, and late if the job had a state before.
local unconfirmed = redis.call('HGET', KEYS[1], 'unconfirmed')
if unconfirmed then
  redis.call('HDEL', KEYS[1], 'unconfirmed')
  redis.call('PERSIST', KEYS[1])
end
redis.call('HSETNX', KEYS[1], 'task', ARGV[1])
redis.call('HSETNX', KEYS[1], 'queue', ARGV[2])
redis.call('HSETNX', KEYS[1], 'created', ARGV[3])
if ARGV[4] ~= '' then redis.call('HSETNX', KEYS[1], 'due', ARGV[4]) end
if ARGV[5] ~= '' then redis.call('HSETNX', KEYS[1], 'fingerprint', ARGV[5]) end
if ARGV[6] ~= '' then redis.call('HSETNX', KEYS[1], 'workflow', ARGV[6]) end
if redis.call('HSETNX', KEYS[1], 'state', ARGV[4] ~= '' and 'SCHEDULED' or 'PENDING') == 1 then
  redis.call('HSET', KEYS[1], 'v', 1, 'generation', 0, 'attempt', 1)
  return {'ok'}
elseif unconfirmed and ARGV[4] ~= '' and redis.call('HGET', KEYS[1], 'state') == 'PENDING' then
  redis.call('HSET', KEYS[1], 'state', 'SCHEDULED')
end
return unconfirmed and {'ok'} or {'ok', 'late'}
