-- The dead letter of generation g is given up. The job stays FAILURE, and its record lives as long as that of
-- any job that has ended.
-- KEYS 1 job. ARGV 1 g, 2 who, when and why (JSON), 3 seconds that the record lives.
-- Answers ok (also without a record) | again (it was given up before) | beyond (the record has left generation
-- g, or ended well in it) | open (the record says that the job has not ended in generation g).
local found = redis.call('HMGET', KEYS[1], 'state', 'generation', 'discarded')
if not found[1] then return {'ok'} end
if tonumber(found[2]) > tonumber(ARGV[1]) then return {'beyond'} end
if tonumber(found[2]) < tonumber(ARGV[1]) then return {'ok'} end
if found[1] == 'SUCCESS' or found[1] == 'REVOKED' then return {'beyond'} end
if found[1] ~= 'FAILURE' then return {'open'} end
if found[3] then return {'again'} end
redis.call('HSET', KEYS[1], 'discarded', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return {'ok'}
