-- All letters between two times, counted by cause.
-- KEYS 1 order, 2 lines, 3 causes. ARGV 1 upper and 2 lower bound of the order, 3 lower bound of the causes, 4 how
-- many causes to look at.
-- Answers the cause to go on behind, or '', then facts of each cause as letters/tally does.
local names = redis.call('ZRANGEBYLEX', KEYS[3], ARGV[3], '+', 'LIMIT', 0, ARGV[4])
local answer = {#names == tonumber(ARGV[4]) and names[#names] or ''}
for _, name in ipairs(names) do
  local order = order_of(KEYS[1], 'c' .. name)
  local count = redis.call('ZLEXCOUNT', order, ARGV[2], ARGV[1])
  if count > 0 then
    local newest = redis.call('ZREVRANGEBYLEX', order, ARGV[1], ARGV[2], 'LIMIT', 0, 1)[1]
    local oldest = redis.call('ZRANGEBYLEX', order, ARGV[2], ARGV[1], 'LIMIT', 0, 1)[1]
    local line = redis.call('HGET', KEYS[2], id_of(newest))
    for _, fact in ipairs({name, tostring(count), oldest, newest, line}) do answer[#answer + 1] = fact end
  end
end
return answer
