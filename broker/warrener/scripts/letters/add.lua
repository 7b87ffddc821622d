-- List these letters; one that is listed already is listed as it is given now.
-- KEYS 1 order, 2 lines, 3 details. ARGV id, line, detail, and so on.
for i = 1, #ARGV, 3 do
  local id, line = ARGV[i], ARGV[i + 1]
  local before = redis.call('HGET', KEYS[2], id)
  if before then redis.call('ZREM', KEYS[1], place_of(before, id)) end
  redis.call('ZADD', KEYS[1], 0, place_of(line, id))
  redis.call('HSET', KEYS[2], id, line)
  redis.call('HSET', KEYS[3], id, ARGV[i + 2])
end
return {'ok'}
