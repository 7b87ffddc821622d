-- A worker wants to run attempt (generation, attempt) of a job.
-- KEYS 1 job. ARGV 1 generation, 2 attempt, 3 token, 4 owner, 5 worker, 6 now, 7 task, 8 queue,
-- 9 the token of an abandoned claim to take over, or '', 10 created, or '' if the producer records it,
-- 11 when the job expires, or '', 12 seconds that the record of a revoked job lives, 13 what the channels
-- of waiters begin with.
-- Answers run, losses | settled, owed, token (and revoked, if this has ended it) | stale | held, owner, worker, token, claimed.
local key = KEYS[1]
local mine = redis.call('HMGET', key, 'state', 'generation', 'attempt', 'losses', 'owed', 'unconfirmed', 'revoke')
local state, losses = mine[1], tonumber(mine[4] or 0)
local g, a = tonumber(ARGV[1]), tonumber(ARGV[2])
local rg, ra = tonumber(mine[2]), tonumber(mine[3])
local revoked = ARGV[11] ~= '' and tonumber(ARGV[6]) >= tonumber(ARGV[11]) and 'expired'

local function settled() return {'settled', mine[5] or '', redis.call('HGET', key, 'token') or ''} end

if state == 'SUCCESS' or state == 'REVOKED' then return settled() end
if state then
  if g < rg or (g == rg and a < ra) then return {'stale'} end
  if g == rg then
    if state == 'FAILURE' then return settled() end
    if a == ra then
      if state == 'RETRY' then return settled() end
      if state == 'STARTED' then
        local held = redis.call('HMGET', key, 'owner', 'worker', 'token', 'claimed')
        if held[3] == ARGV[3] then return {'run', losses} end
        if held[3] ~= ARGV[9] then return {'held', held[1], held[2] or '', held[3], held[4]} end
        losses = losses + 1
      end
    end
    -- Asked of a run that was handed back, or lost.
    if mine[7] then revoked = redis.call('HGET', key, 'reason') end
  else
    losses = 0
  end
  if g > rg or a > ra then redis.call('HDEL', key, 'progress') end
  if g > rg then redis.call('HDEL', key, 'error', 'finished', 'attempts', 'revoke', 'reason') end
end

if revoked then
  redis.call('HSET', key, 'v', 1, 'generation', g, 'attempt', a, 'task', ARGV[7], 'queue', ARGV[8])
  if ARGV[10] ~= '' then redis.call('HSETNX', key, 'created', ARGV[10]) end
  end_revoked(key, ARGV[6], revoked, ARGV[12], ARGV[13])
  return {'settled', '', redis.call('HGET', key, 'token') or '', 'revoked'}
end

redis.call('HSET', key, 'state', 'STARTED', 'token', ARGV[3], 'owner', ARGV[4], 'worker', ARGV[5],
  'claimed', ARGV[6], 'started', ARGV[6], 'losses', losses)
if not state or g ~= rg or a ~= ra then
  redis.call('HSET', key, 'v', 1, 'generation', g, 'attempt', a, 'task', ARGV[7], 'queue', ARGV[8])
end
if ARGV[10] ~= '' then redis.call('HSETNX', key, 'created', ARGV[10]) end
if mine[5] then redis.call('HDEL', key, 'owed') end
if mine[6] or state == 'FAILURE' then
  redis.call('HDEL', key, 'unconfirmed')
  redis.call('PERSIST', key)
end
return {'run', losses}
