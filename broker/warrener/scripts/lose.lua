-- The process that ran this claim died while it ran nothing else: the loss is charged to the job.
-- KEYS 1 job. ARGV 1 token, 2 losses with this one, so that asking twice charges once.
-- Answers ok, losses | superseded.
local found = redis.call('HMGET', KEYS[1], 'state', 'token', 'losses')
if found[1] ~= 'STARTED' or found[2] ~= ARGV[1] then return {'superseded'} end
local losses = math.max(tonumber(found[3] or 0), tonumber(ARGV[2]))
redis.call('HSET', KEYS[1], 'losses', losses)
return {'ok', losses}
