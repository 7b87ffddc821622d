-- Pause or resume a schedule. KEYS 1 schedule. ARGV 1 paused: 1 or 0, 2 now. Answers ok | unknown.
local found = redis.call('HMGET', KEYS[1], 'source', 'paused', 'last')
if not found[1] then return {'unknown'} end
if ARGV[1] == '1' then
  redis.call('HSET', KEYS[1], 'paused', 1)
elseif found[2] == '1' then
  redis.call('HDEL', KEYS[1], 'paused', 'held')
  if tonumber(ARGV[2]) > tonumber(found[3]) then redis.call('HSET', KEYS[1], 'last', ARGV[2]) end
end
return {'ok'}
