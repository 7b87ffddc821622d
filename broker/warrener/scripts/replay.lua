-- A dead letter of generation g was published to its queue again, as generation g + 1.
-- KEYS 1 job. ARGV 1 g, 2 task, 3 queue, 4 what was edited (JSON), or ''.
-- Answers ok | beyond (the record had left generation g before: this replay only sees that the record tells
-- of the edit).
local function note_edit()
  if ARGV[4] == '' then return end
  local edits = redis.call('HGET', KEYS[1], 'edits')
  if edits and string.find(edits, ARGV[4], 1, true) then return end
  redis.call('HSET', KEYS[1], 'edits', edits and (edits .. ',' .. ARGV[4]) or ARGV[4])
end

local found = redis.call('HMGET', KEYS[1], 'state', 'generation')
local g = tonumber(ARGV[1])
if found[1] and (tonumber(found[2]) ~= g or found[1] ~= 'FAILURE') then
  if tonumber(found[2]) == g + 1 then note_edit() end
  return {'beyond'}
end
redis.call('HSET', KEYS[1], 'v', 1, 'state', 'PENDING', 'generation', g + 1, 'attempt', 1, 'losses', 0,
  'task', ARGV[2], 'queue', ARGV[3])
redis.call('HDEL', KEYS[1], 'error', 'finished', 'owed', 'attempts', 'token', 'owner', 'claimed', 'due',
  'revoke', 'reason', 'discarded')
redis.call('PERSIST', KEYS[1])
note_edit()
return {'ok'}
