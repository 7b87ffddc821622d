-- What several scripts do; it stands before each of them.

-- Who waits for the job's end listens on a channel of its own: `channels`, and its id.
local function announce(key, channels, state)
  redis.call('PUBLISH', channels .. key:sub(key:find('{', 1, true) + 1, -2), state)
end

-- The job shall not run: no worker holds it, or the run that does has ended.
-- The record lives `ttl` seconds, and for as long as its message may still wait in the ladder: that would run
-- if nobody knew any more that it must not.
local function end_revoked(key, now, reason, ttl, channels)
  local due = tonumber(redis.call('HGET', key, 'due') or now)
  redis.call('HSET', key, 'state', 'REVOKED', 'finished', now, 'reason', reason)
  redis.call('HDEL', key, 'owed', 'due', 'unconfirmed', 'revoke')
  redis.call('EXPIRE', key, ttl + math.ceil(math.max(0, due - now)))
  announce(key, channels, 'REVOKED')
end

