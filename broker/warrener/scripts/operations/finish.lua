-- The operation has ended.
-- KEYS 1 operation, 2 lease. ARGV 1 who, 2 seconds that it can still be looked up, then fields and values,
-- among them its state.
-- Answers ok | lost (the lease is no longer theirs: nothing changes).
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return {'lost'} end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('HDEL', KEYS[1], 'reserved', 'counted')
redis.call('EXPIRE', KEYS[1], ARGV[2])
return {'ok'}
