-- Somebody wants the operation to end. One that nobody carries out ends now.
-- KEYS 1 operation, 2 lease. ARGV 1 now, 2 seconds that it can still be looked up.
-- Answers asked | cancelled | ended | unknown.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {'unknown'} end
if has_ended(state) then return {'ended'} end
redis.call('HSET', KEYS[1], 'cancel', 1)
if redis.call('EXISTS', KEYS[2]) == 1 then return {'asked'} end
redis.call('HSET', KEYS[1], 'state', 'cancelled', 'finished', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return {'cancelled'}
