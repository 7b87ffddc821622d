-- A worker wants to run attempt (generation, attempt) of a job.
-- KEYS 1 job. ARGV 1 generation, 2 attempt, 3 token, 4 owner, 5 worker, 6 now, 7 task, 8 queue,
-- 9 the token of an abandoned claim to take over, or '', 10 created, or '' if the producer records it,
-- 11 when the job expires, or '', 12 seconds that the record of a revoked job lives, 13 channel that waiters
-- listen to.
-- Answers run, losses | settled, owed, token (and revoked, if this has ended it) | stale | held, owner, worker, token, claimed.
local key = KEYS[1]
local mine = redis.call('HMGET', key, 'state', 'generation', 'attempt', 'token', 'owner', 'claimed',
  'losses', 'owed', 'unconfirmed', 'worker', 'revoke', 'reason')
local state, losses = mine[1], tonumber(mine[7] or 0)
local g, a = tonumber(ARGV[1]), tonumber(ARGV[2])
local revoked = ARGV[11] ~= '' and tonumber(ARGV[6]) >= tonumber(ARGV[11]) and 'expired'

if state == 'SUCCESS' or state == 'REVOKED' then return {'settled', mine[8] or '', mine[4] or ''} end
if state then
  local rg, ra = tonumber(mine[2]), tonumber(mine[3])
  if g < rg or (g == rg and a < ra) then return {'stale'} end
  if g == rg then
    if state == 'FAILURE' then return {'settled', mine[8] or '', mine[4] or ''} end
    if a == ra then
      if state == 'RETRY' then return {'settled', mine[8] or '', mine[4] or ''} end
      if state == 'STARTED' and mine[4] == ARGV[3] then return {'run', losses} end
      if state == 'STARTED' and mine[4] ~= ARGV[9] then
        return {'held', mine[5], mine[10] or '', mine[4], mine[6]}
      end
      if state == 'STARTED' then losses = losses + 1 end
    end
    -- Asked of a run that was handed back, or lost.
    if mine[11] then revoked = mine[12] end
  else
    losses = 0
  end
  if g > rg or a > tonumber(mine[3]) then redis.call('HDEL', key, 'progress') end
  if g > rg then redis.call('HDEL', key, 'error', 'finished', 'attempts', 'revoke', 'reason') end
end

if revoked then
  redis.call('HSET', key, 'v', 1, 'generation', g, 'attempt', a, 'task', ARGV[7], 'queue', ARGV[8])
  if ARGV[10] ~= '' then redis.call('HSETNX', key, 'created', ARGV[10]) end
  end_revoked(key, ARGV[6], revoked, ARGV[12], ARGV[13])
  return {'settled', '', mine[4] or '', 'revoked'}
end

redis.call('HSET', key, 'v', 1, 'state', 'STARTED', 'generation', g, 'attempt', a, 'token', ARGV[3],
  'owner', ARGV[4], 'worker', ARGV[5], 'claimed', ARGV[6], 'started', ARGV[6], 'task', ARGV[7],
  'queue', ARGV[8], 'losses', losses)
if ARGV[10] ~= '' then redis.call('HSETNX', key, 'created', ARGV[10]) end
if mine[8] then redis.call('HDEL', key, 'owed') end
if mine[9] or state == 'FAILURE' then
  redis.call('HDEL', key, 'unconfirmed')
  redis.call('PERSIST', key)
end
return {'run', losses}
