-- The run of this token failed, and the job owes its next attempt.
-- KEYS 1 job. ARGV 1 token, 2 now, 3 error (JSON), 4 history entry (JSON), 5 owed (JSON), 6 due.
-- Answers ok | superseded | forgotten (nobody holds a claim: the store has lost it).
local found = redis.call('HMGET', KEYS[1], 'state', 'token', 'attempts')
if not found[2] then return {'forgotten'} end
if found[2] ~= ARGV[1] then return {'superseded'} end
if found[1] == 'RETRY' then return {'ok'} end
if found[1] ~= 'STARTED' then return {'superseded'} end
local attempts = found[3] and (found[3] .. ',' .. ARGV[4]) or ARGV[4]
redis.call('HSET', KEYS[1], 'state', 'RETRY', 'error', ARGV[3], 'attempts', attempts,
  'owed', ARGV[5], 'due', ARGV[6], 'finished', ARGV[2])
return {'ok'}
