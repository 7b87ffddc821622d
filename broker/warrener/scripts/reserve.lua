-- Before the publish of a job with an idempotency key: who has this id?
-- KEYS 1 job. ARGV 1 fingerprint, 2 task, 3 queue, 4 now, 5 seconds that an unconfirmed record lives.
-- Answers new | unconfirmed (publish again under the same id) | exists | conflict.
local found = redis.call('HMGET', KEYS[1], 'fingerprint', 'unconfirmed', 'state')
if not found[3] then
  redis.call('HSET', KEYS[1], 'v', 1, 'state', 'PENDING', 'generation', 0, 'attempt', 1,
    'fingerprint', ARGV[1], 'task', ARGV[2], 'queue', ARGV[3], 'created', ARGV[4], 'unconfirmed', 1)
  redis.call('EXPIRE', KEYS[1], ARGV[5])
  return {'new'}
end
if found[1] and found[1] ~= ARGV[1] then return {'conflict'} end
if found[2] then return {'unconfirmed'} end
return {'exists'}
