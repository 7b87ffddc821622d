-- A beat that stops lets another lead at once. KEYS 1 lease. ARGV 1 token. Answers ok.
if redis.call('HGET', KEYS[1], 'token') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return {'ok'}
