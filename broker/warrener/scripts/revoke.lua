-- Somebody wants attempt (generation, attempt), which waits, not to run.
-- KEYS 1 job. ARGV 1 now, 2 reason, 3 seconds that the record lives, 4 generation, 5 attempt,
-- 6 what the channels of waiters begin with.
-- Answers revoked | stale | unchanged, state.
local found = redis.call('HMGET', KEYS[1], 'state', 'generation', 'attempt')
local state = found[1]
local g, a = tonumber(ARGV[4]), tonumber(ARGV[5])
if not state then
  -- Nobody has recorded it yet. Without a record, a second copy of the message would run.
  redis.call('HSET', KEYS[1], 'v', 1, 'generation', g, 'attempt', a)
  state, found[2], found[3] = 'PENDING', g, a
end
local rg, ra = tonumber(found[2]), tonumber(found[3])
if g < rg or (g == rg and a < ra) then return {'stale'} end
if state ~= 'PENDING' and state ~= 'SCHEDULED' and state ~= 'RETRY' then return {'unchanged', state} end
end_revoked(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[6])
return {'revoked'}
