-- Forget a schedule; one that is in code only if beat itself says so.
-- KEYS 1 schedule, 2 set of all names. ARGV 1 name, 2 'code' or ''. Answers ok | unknown | in code.
local source = redis.call('HGET', KEYS[1], 'source')
if not source then return {'unknown'} end
if source == 'code' and ARGV[2] ~= 'code' then return {'in code'} end
redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[2], ARGV[1])
return {'ok'}
