-- List these letters; one that is listed already is listed as it is given now.
-- KEYS 1 order, 2 lines, 3 details, 4 causes. ARGV id, line, detail, and so on.
for i = 1, #ARGV, 3 do
  local id, line = ARGV[i], ARGV[i + 1]
  unlist(KEYS[1], KEYS[2], KEYS[4], id)
  local place = place_of(line, id)
  redis.call('ZADD', KEYS[1], 0, entry_of(line, id))
  for _, order in ipairs(orders_of(KEYS[1], line)) do redis.call('ZADD', order, 0, place) end
  redis.call('ZADD', KEYS[4], 0, cause_of(line))
  redis.call('HSET', KEYS[2], id, line)
  redis.call('HSET', KEYS[3], id, ARGV[i + 2])
end
return {'ok'}
