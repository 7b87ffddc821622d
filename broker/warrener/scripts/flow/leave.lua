-- A job gives back its places. KEYS the places of its scopes. ARGV 1 token.
for _, places in ipairs(KEYS) do redis.call('ZREM', places, ARGV[1]) end
return {'ok'}
