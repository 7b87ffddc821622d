-- A submission wants to be the only job under its key.
-- KEYS 1 who has the key. ARGV 1 its job, 2 ms that the key is kept, 3 a job that has ended, or ''.
-- Answers taken | held, job.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and holder ~= ARGV[3] then return {'held', holder} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {'taken'}
