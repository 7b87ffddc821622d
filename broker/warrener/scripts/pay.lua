-- What the job owed has been published, with the broker's confirm.
-- KEYS 1 job. ARGV 1 token of the run that owed it, 2 what the channels of waiters begin with.
local found = redis.call('HMGET', KEYS[1], 'token', 'state')
if found[1] ~= ARGV[1] then return {'ok'} end
if redis.call('HDEL', KEYS[1], 'owed') == 1 and found[2] == 'FAILURE' then
  announce(KEYS[1], ARGV[2], 'FAILURE')
end
return {'ok'}
