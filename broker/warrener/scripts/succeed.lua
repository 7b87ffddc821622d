-- The run of this token ended well.
-- KEYS 1 job, 2 result. ARGV 1 token, 2 now, 3 result ('' if it is null), 4 seconds that the result
-- lives, 5 seconds that the record lives, 6 owed ('' for nothing), 7 what the channels of waiters begin with.
-- Answers ok | superseded | forgotten (nobody holds a claim: the store has lost it).
local found = redis.call('HMGET', KEYS[1], 'state', 'token')
if not found[2] then return {'forgotten'} end
if found[2] ~= ARGV[1] then return {'superseded'} end
if found[1] == 'SUCCESS' then return {'ok'} end
if found[1] ~= 'STARTED' then return {'superseded'} end
redis.call('HSET', KEYS[1], 'state', 'SUCCESS', 'finished', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[5])
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'owed', ARGV[6]) end
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], 'has_result', 1)
  redis.call('SET', KEYS[2], ARGV[3], 'EX', ARGV[4])
end
announce(KEYS[1], ARGV[7], 'SUCCESS')
return {'ok'}
