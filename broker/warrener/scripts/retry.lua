-- The run of this token failed, and the job owes its next attempt.
-- KEYS 1 job. ARGV 1 token, 2 now, 3 error (JSON), 4 history entry (JSON), 5 owed (JSON), 6 due.
-- Answers ok | superseded | forgotten (nobody holds a claim: the store has lost it).
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

local found = redis.call('HMGET', KEYS[1], 'state', 'token', 'attempts')
if not found[2] then return {'forgotten'} end
if found[2] ~= ARGV[1] then return {'superseded'} end
if found[1] == 'RETRY' then return {'ok'} end
if found[1] ~= 'STARTED' then return {'superseded'} end
local attempts = history(found[3], ARGV[4])
redis.call('HSET', KEYS[1], 'state', 'RETRY', 'error', ARGV[3], 'attempts', attempts,
  'owed', ARGV[5], 'due', ARGV[6], 'finished', ARGV[2])
return {'ok'}
