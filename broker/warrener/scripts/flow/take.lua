-- A worker asks for what one job needs to start: a place and, where there is a rate, a start, in all of its
-- scopes or in none. A place is a member of a sorted set, whose score says when it lapses unless renewed; a
-- rate is one number, the time at which the next start were due if all came evenly (GCRA).
-- All times are Redis's own, in milliseconds, so that workers' clocks need not agree.
-- KEYS 1 scopes that refused a job lately, 2 why this job waits; then of each scope its places, its rate,
-- and who has its next place booked.
-- ARGV 1 token, 2 job, 3 how often it was parked, 4 now, or '' for Redis's time, 5 ms that a place lives,
-- 6 1 if lapsed places are to be freed, 7 1 to take, 0 only to look, 8 parks from which on a job books;
-- then of each scope its name, the most places, or '', the ms between two starts, or '', and the burst.
-- Answers granted | refused, name of the scope, rate or in_flight, ms until it may be worth asking again,
-- 1 if the job has booked.
local now = tonumber(ARGV[4])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + time[2] / 1000
end
local lease, taking = tonumber(ARGV[5]), ARGV[7] == '1'
local scopes = (#KEYS - 2) / 3

local function exactly(number)
  return string.format('%.3f', number)
end

-- The place kept for a job that has waited for long: 1 if it is somebody else's.
local function kept_for_another(key)
  local holder = redis.call('HMGET', key, 'job', 'until')
  return holder[1] and holder[1] ~= ARGV[2] and tonumber(holder[2]) > now and 1 or 0
end

-- The next place is kept for whoever was parked most often, as long as it keeps asking.
local function book(key, until_then)
  local holder = redis.call('HMGET', key, 'job', 'until', 'parks')
  local live = holder[1] and tonumber(holder[2]) > now
  if live and holder[1] ~= ARGV[2] and tonumber(holder[3]) >= tonumber(ARGV[3]) then return 0 end
  redis.call('HSET', key, 'job', ARGV[2], 'parks', ARGV[3], 'until', exactly(until_then))
  redis.call('PEXPIRE', key, math.ceil(until_then - now))
  return 1
end

local function refuse(name, what, wait, booking)
  if not taking then return {'refused', name, what, math.ceil(wait), 0} end
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', exactly(now))
  redis.call('ZADD', KEYS[1], exactly(now + 30000), name)
  redis.call('SET', KEYS[2], what .. ' ' .. name, 'PX', math.ceil(wait) + 60000)
  local booked = 0
  -- What a queue refuses goes back there, and comes again in its turn.
  if string.sub(name, 1, 6) ~= 'queue:' and tonumber(ARGV[3]) >= tonumber(ARGV[8]) then
    booked = book(booking, now + wait + 5000)
  end
  return {'refused', name, what, math.ceil(wait), booked}
end

-- Asked again, because the answer was lost.
if taking and redis.call('ZSCORE', KEYS[3], ARGV[1]) then return {'granted'} end

local next_starts = {}
for i = 1, scopes do
  local places, rate, booking = KEYS[3 * i], KEYS[3 * i + 1], KEYS[3 * i + 2]
  local name, most = ARGV[4 * i + 5], tonumber(ARGV[4 * i + 6])
  local interval, burst = tonumber(ARGV[4 * i + 7]), tonumber(ARGV[4 * i + 8])
  local kept = kept_for_another(booking)
  if ARGV[6] == '1' then redis.call('ZREMRANGEBYSCORE', places, '-inf', exactly(now)) end
  if most and redis.call('ZCARD', places) + kept >= most then
    return refuse(name, 'in_flight', 0, booking)
  end
  if interval then
    local start = math.max(now, tonumber(redis.call('GET', rate) or 0))
    local wait = start + (kept - burst + 1) * interval - now
    if wait > 0 then return refuse(name, 'rate', wait, booking) end
    next_starts[i] = start + interval
  end
end
if not taking then return {'granted'} end

for i = 1, scopes do
  redis.call('ZADD', KEYS[3 * i], exactly(now + lease), ARGV[1])
  redis.call('PEXPIRE', KEYS[3 * i], lease + 3600000)
  if next_starts[i] then
    redis.call('SET', KEYS[3 * i + 1], exactly(next_starts[i]), 'PX',
      math.ceil(next_starts[i] - now) + 1000)
  end
  if redis.call('HGET', KEYS[3 * i + 2], 'job') == ARGV[2] then redis.call('DEL', KEYS[3 * i + 2]) end
end
redis.call('DEL', KEYS[2])
return {'granted'}
