-- A worker hands a claimed job back before it ended, uncharged.
-- KEYS 1 job. ARGV 1 token. Answers ok | superseded | forgotten (nobody holds a claim).
local found = redis.call('HMGET', KEYS[1], 'state', 'token')
if not found[2] then return {'forgotten'} end
if found[1] ~= 'STARTED' or found[2] ~= ARGV[1] then return {'superseded'} end
redis.call('HSET', KEYS[1], 'state', 'PENDING')
redis.call('HDEL', KEYS[1], 'token', 'owner', 'claimed', 'worker')
return {'ok'}
