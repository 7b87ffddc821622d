-- The process that ran this claim died while it ran nothing else: the loss is charged to the job.
-- KEYS 1 job. ARGV 1 token. Answers ok, losses | superseded.
local found = redis.call('HMGET', KEYS[1], 'state', 'token')
if found[1] ~= 'STARTED' or found[2] ~= ARGV[1] then return {'superseded'} end
return {'ok', redis.call('HINCRBY', KEYS[1], 'losses', 1)}
