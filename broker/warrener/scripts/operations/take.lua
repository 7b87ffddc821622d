-- Somebody wants to carry the operation out.
-- KEYS 1 operation, 2 lease. ARGV 1 who, 2 milliseconds that the lease lives.
-- Answers ok | held (by somebody else) | ended | unknown.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {'unknown'} end
if has_ended(state) then return {'ended'} end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return {'held'} end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {'ok'}
