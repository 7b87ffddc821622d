-- What several scripts do; it stands before each of them.

-- The job shall not run: no worker holds it, or the run that does has ended.
local function end_revoked(key, now, reason, ttl, channel)
  redis.call('HSET', key, 'state', 'REVOKED', 'finished', now, 'reason', reason)
  redis.call('HDEL', key, 'owed', 'due', 'unconfirmed', 'revoke')
  redis.call('EXPIRE', key, ttl)
  redis.call('PUBLISH', channel, 'REVOKED')
end

