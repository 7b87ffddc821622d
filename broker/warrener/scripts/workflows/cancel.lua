-- Somebody wants a workflow to end. Answers lost | ended, state | ok.
local state = get('state')
if not state then return {'lost'} end
if state == 'REVOKED' then return {'ok'} end
if not is_open() then return {'ended', state} end
set('state', 'REVOKED', 'finished', now)
redis.call('EXPIRE', key, ARGV[2])
redis.call('SET', KEYS[2], 'REVOKED', 'EX', ARGV[2])
redis.call('PUBLISH', ARGV[4], 'REVOKED')
return {'ok'}
