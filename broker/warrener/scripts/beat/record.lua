-- Ticks are done with, after the confirmed publish of what runs of them. Never goes back in time.
-- KEYS 1 schedule, 2 lease. ARGV 1 token, 2 last tick, 3 the tick submitted or '', 4 its job or '',
-- 5 the tick that waits for its predecessor or ''. Answers ok | superseded | unknown.
if redis.call('HGET', KEYS[2], 'token') ~= ARGV[1] then return {'superseded'} end
local found = redis.call('HMGET', KEYS[1], 'last', 'fired', 'source')
if not found[3] then return {'unknown'} end
if tonumber(ARGV[2]) > tonumber(found[1]) then redis.call('HSET', KEYS[1], 'last', ARGV[2]) end
if ARGV[3] ~= '' and tonumber(ARGV[3]) > tonumber(found[2] or 0) then
  redis.call('HSET', KEYS[1], 'fired', ARGV[3], 'job', ARGV[4])
end
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[1], 'held', ARGV[5])
else
  redis.call('HDEL', KEYS[1], 'held')
end
return {'ok'}
