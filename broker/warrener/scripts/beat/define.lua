-- Somebody makes a schedule, changes it, or has it in code.
-- KEYS 1 schedule, 2 set of all names. ARGV 1 name, 2 definition, 3 timing, 4 now, 5 add | change | code.
-- Answers ok | exists | unknown | in code.
local found = redis.call('HMGET', KEYS[1], 'source', 'timing', 'last', 'definition')
if found[1] == 'code' and ARGV[5] == 'change' then return {'in code'} end
-- The same again is no other schedule: whoever repeats the call after a lost answer gets the same.
if ARGV[5] == 'add' and found[1] and (found[1] == 'code' or found[4] ~= ARGV[2]) then return {'exists'} end
if ARGV[5] == 'change' and not found[1] then return {'unknown'} end
if found[2] ~= ARGV[3] then
  -- Ticks count from the moment at which the timing is known: those before would be none of its own.
  if tonumber(ARGV[4]) > tonumber(found[3] or 0) then redis.call('HSET', KEYS[1], 'last', ARGV[4]) end
  redis.call('HDEL', KEYS[1], 'held')
end
redis.call('HSET', KEYS[1], 'definition', ARGV[2], 'timing', ARGV[3],
  'source', ARGV[5] == 'code' and 'code' or 'store')
redis.call('SADD', KEYS[2], ARGV[1])
return {'ok'}
