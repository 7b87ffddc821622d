-- A job keeps its places; one that has lapsed under it, because its worker was away, is taken anew.
-- KEYS the places of its scopes. ARGV 1 token, 2 now, or '' for Redis's time, 3 ms that a place lives.
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + time[2] / 1000
end
for _, places in ipairs(KEYS) do
  redis.call('ZADD', places, string.format('%.3f', now + tonumber(ARGV[3])), ARGV[1])
  redis.call('PEXPIRE', places, tonumber(ARGV[3]) + 3600000)
end
return {'ok'}
