-- How far the run of this token has come. KEYS 1 job. ARGV 1 token, 2 progress (JSON).
-- Answers ok | superseded.
local found = redis.call('HMGET', KEYS[1], 'state', 'token')
if found[1] ~= 'STARTED' or found[2] ~= ARGV[1] then return {'superseded'} end
redis.call('HSET', KEYS[1], 'progress', ARGV[2])
return {'ok'}
