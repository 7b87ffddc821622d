-- The run of this token failed, and the job owes its next attempt, or, without one, its dead letter.
-- KEYS 1 job. ARGV 1 token, 2 now, 3 error (JSON), 4 history entry (JSON), 5 owed (JSON), 6 when its next
-- attempt is due, or '', 7 seconds that the record of a revoked job lives, 8 what the channels of waiters begin with.
-- Answers ok, attempts, created, losses | revoked (somebody had asked the run to end, so that it owes neither)
-- | superseded | forgotten (nobody holds a claim: the store has
-- lost it). The record of a failed job stays until its dead letter is replayed or discarded, and its
-- waiters hear of it once that letter is in its queue.
-- The last attempts, one a line, in at most 16,000 bytes: a task may go on retrying for months.
local function history(entries, entry)
  entries = entries and (entries .. ',\n' .. entry) or entry
  while #entries > 16000 do
    local line = string.find(entries, '\n', 1, true)
    if not line then break end
    entries = string.sub(entries, line + 1)
  end
  return entries
end

local ending = ARGV[6] == '' and 'FAILURE' or 'RETRY'
local found = redis.call('HMGET', KEYS[1], 'state', 'token', 'attempts', 'created', 'losses', 'revoke',
  'reason')
if not found[2] then return {'forgotten'} end
if found[2] ~= ARGV[1] then return {'superseded'} end
local attempts = found[3]
if found[1] == 'STARTED' then
  attempts = history(attempts, ARGV[4])
  if found[6] then
    redis.call('HSET', KEYS[1], 'attempts', attempts)
    end_revoked(KEYS[1], ARGV[2], found[7], ARGV[7], ARGV[8])
    return {'revoked'}
  end
  redis.call('HSET', KEYS[1], 'state', ending, 'error', ARGV[3], 'attempts', attempts,
    'owed', ARGV[5], 'finished', ARGV[2])
  if ending == 'RETRY' then redis.call('HSET', KEYS[1], 'due', ARGV[6]) end
elseif found[1] == 'REVOKED' then
  return {'revoked'}
elseif found[1] ~= ending then
  return {'superseded'}
end
return {'ok', attempts, found[4] or '', found[5] or '0'}
