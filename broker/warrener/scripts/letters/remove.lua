-- List these letters no longer, and count those that were listed.
-- KEYS 1 order, 2 lines, 3 details, 4 causes, 5 counts. ARGV 1 what became of them, or '' to count nothing,
-- then ids. Answers how many were listed.
local gone = 0
for i = 2, #ARGV do
  if unlist(KEYS[1], KEYS[2], KEYS[4], ARGV[i]) then
    gone = gone + 1
    redis.call('HDEL', KEYS[2], ARGV[i])
    redis.call('HDEL', KEYS[3], ARGV[i])
  end
end
if gone > 0 and ARGV[1] ~= '' then redis.call('HINCRBY', KEYS[5], ARGV[1], gone) end
return {tostring(gone)}
