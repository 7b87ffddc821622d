-- How far the operation is, from the holder of its lease, who holds it on.
-- KEYS 1 operation, 2 lease. ARGV 1 who, 2 milliseconds that the lease lives, then fields and values.
-- Answers ok | cancel (somebody wants it to end) | lost (the lease is no longer theirs, or the operation has
-- ended: nothing is noted).
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return {'lost'} end
local found = redis.call('HMGET', KEYS[1], 'state', 'cancel')
if not found[1] or has_ended(found[1]) then return {'lost'} end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
if #ARGV > 2 then redis.call('HSET', KEYS[1], unpack(ARGV, 3)) end
return {found[2] and 'cancel' or 'ok'}
