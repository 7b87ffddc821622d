-- A beat wants to lead, or goes on leading.
-- KEYS 1 lease. ARGV 1 token, 2 who it is, 3 milliseconds. Answers lead | follow, who leads.
local token = redis.call('HGET', KEYS[1], 'token')
if token and token ~= ARGV[1] then return {'follow', redis.call('HGET', KEYS[1], 'who') or ''} end
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'who', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {'lead'}
