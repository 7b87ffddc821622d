-- What the job owed has been published, with the broker's confirm.
-- KEYS 1 job. ARGV 1 token of the run that owed it.
if redis.call('HGET', KEYS[1], 'token') == ARGV[1] then redis.call('HDEL', KEYS[1], 'owed') end
return {'ok'}
