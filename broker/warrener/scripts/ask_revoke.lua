-- Somebody wants a job not to run, or to end. What waits is revoked at once; a run is asked, and writes how
-- it ended itself.
-- KEYS 1 job. ARGV 1 now, 2 reason, 3 seconds that the record lives, 4 cancel or terminate, 5 the token of an
-- abandoned claim that ends with this, or '', 6 what the channels of waiters begin with.
-- Answers unknown | revoked, task, queue, which part of which workflow it is (or '') | asked, owner, token |
-- ended, state.
local found = redis.call('HMGET', KEYS[1], 'state', 'unconfirmed', 'task', 'queue', 'owner', 'token', 'workflow')
if not found[1] or found[2] then return {'unknown'} end
if found[1] == 'STARTED' and (ARGV[5] == '' or found[6] ~= ARGV[5]) then
  redis.call('HSET', KEYS[1], 'revoke', ARGV[4], 'reason', ARGV[2])
  return {'asked', found[5] or '', found[6] or ''}
end
if found[1] == 'SUCCESS' or found[1] == 'FAILURE' or found[1] == 'REVOKED' then
  return {'ended', found[1]}
end
end_revoked(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[6])
return {'revoked', found[3] or '', found[4] or '', found[7] or ''}
