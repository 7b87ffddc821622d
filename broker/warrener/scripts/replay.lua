-- A dead letter of generation g was published to its queue again, as generation g + 1.
-- KEYS 1 job. ARGV 1 g, 2 task, 3 queue.
-- Answers ok | beyond (the record had left generation g before: this replay changes nothing).
local found = redis.call('HMGET', KEYS[1], 'state', 'generation')
local g = tonumber(ARGV[1])
if found[1] and (tonumber(found[2]) ~= g or found[1] ~= 'FAILURE') then return {'beyond'} end
redis.call('HSET', KEYS[1], 'v', 1, 'state', 'PENDING', 'generation', g + 1, 'attempt', 1, 'losses', 0,
  'task', ARGV[2], 'queue', ARGV[3])
redis.call('HDEL', KEYS[1], 'error', 'finished', 'owed', 'attempts', 'token', 'owner', 'claimed', 'due',
  'revoke', 'reason')
redis.call('PERSIST', KEYS[1])
return {'ok'}
