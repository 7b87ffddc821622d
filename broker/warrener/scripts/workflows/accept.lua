-- All with which a plan begins has been published, with the broker's confirms: it lives until it has ended.
-- Answers lost | ok.
local state = get('state')
if not state then return {'lost'} end
if state == 'PENDING' then
  set('state', 'STARTED')
  redis.call('PERSIST', key)
end
return {'ok'}
