-- List these letters no longer, and count those that were listed.
-- KEYS 1 order, 2 lines, 3 details, 4 counts. ARGV 1 what became of them, or '' to count nothing, then ids.
-- Answers how many were listed.
local gone = 0
for i = 2, #ARGV do
  local id = ARGV[i]
  local line = redis.call('HGET', KEYS[2], id)
  if line then
    gone = gone + 1
    redis.call('ZREM', KEYS[1], place_of(line, id))
    redis.call('HDEL', KEYS[2], id)
    redis.call('HDEL', KEYS[3], id)
  end
end
if gone > 0 and ARGV[1] ~= '' then redis.call('HINCRBY', KEYS[4], ARGV[1], gone) end
return {tostring(gone)}
