-- The publish under an idempotency key was refused: the key is free again.
-- KEYS 1 job. ARGV 1 fingerprint.
-- Answers ok | kept (it has been confirmed or claimed since, or is another's).
local found = redis.call('HMGET', KEYS[1], 'fingerprint', 'unconfirmed', 'token')
if found[1] ~= ARGV[1] or not found[2] or found[3] then return {'kept'} end
redis.call('DEL', KEYS[1])
return {'ok'}
