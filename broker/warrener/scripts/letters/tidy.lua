-- Take out of the order what no line stands behind, such as what an older version wrote there.
-- KEYS 1 order, 2 lines. ARGV 1 lower bound of the order, 2 how many to look at.
-- Answers the entry to go on behind, or '', and how many were taken out.
local entries = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2])
local places, gone = {}, 0
for i, entry in ipairs(entries) do places[i] = place_in(entry) end
local lines = lines_of(KEYS[2], places)
for i, entry in ipairs(entries) do
  if not lines[i] or entry ~= entry_of(lines[i], id_of(places[i])) then
    redis.call('ZREM', KEYS[1], entry)
    gone = gone + 1
  end
end
return {#entries == tonumber(ARGV[2]) and entries[#entries] or '', tostring(gone)}
