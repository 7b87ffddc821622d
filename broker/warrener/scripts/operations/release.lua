-- The holder of the lease lets go of it: another may carry on at once.
-- KEYS 1 operation, 2 lease. ARGV 1 who, then fields and values.
-- Answers ok | lost.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return {'lost'} end
redis.call('DEL', KEYS[2])
if #ARGV > 1 then redis.call('HSET', KEYS[1], unpack(ARGV, 2)) end
return {'ok'}
