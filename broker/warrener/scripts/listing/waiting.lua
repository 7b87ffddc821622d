-- How many jobs of each queue wait for their time, and since when those are due that have not begun.
-- KEYS 1 the list of what waits, by when it is due. ARGV 1 now, 2 how many to pass over, 3 how many to look at.
-- Answers how many were looked at, then for each queue: its name, how many are not due yet, and the earliest
-- time at which one was due ('' for none).
local now, skip, left = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local delayed, due, order, looked = {}, {}, {}, 0
while left > 0 do
  local chunk = math.min(left, 1000)
  local some = redis.call('ZRANGE', KEYS[1], skip, skip + chunk - 1, 'WITHSCORES')
  for i = 1, #some, 2 do
    local queue, score = string.match(some[i], '^%S+ %S+ (%S+) '), tonumber(some[i + 1])
    if queue then
      if not delayed[queue] then
        delayed[queue] = 0
        order[#order + 1] = queue
      end
      if score > now then
        delayed[queue] = delayed[queue] + 1
      elseif not due[queue] then
        due[queue] = some[i + 1]
      end
    end
  end
  looked = looked + #some / 2
  if #some < 2 * chunk then break end
  skip, left = skip + chunk, left - chunk
end
local answer = { tostring(looked) }
for _, queue in ipairs(order) do
  answer[#answer + 1] = queue
  answer[#answer + 1] = tostring(delayed[queue])
  answer[#answer + 1] = due[queue] or ''
end
return answer
