-- The list of a queue's dead letters. Of each letter it has a line (letter_lines.py), of which characters 3 to
-- 12 name its cause and 15 to 26 are its time of death; its place in the order is that time and its id.

local function cause_of(line) return string.sub(line, 3, 12) end
local function place_of(line, id) return string.sub(line, 15, 26) .. id end
local function id_of(place) return string.sub(place, 13) end

-- Calls look(place, line) for the letters between two bounds, the newest first, at most `most` of them, until
-- it answers true. Answers the place of the last one looked at, or '' if none is left.
local function each(order, lines, high, low, most, look)
  local places = redis.call('ZREVRANGEBYLEX', order, high, low, 'LIMIT', 0, most)
  for start = 1, #places, 1000 do
    local ids = {}
    for i = start, math.min(start + 999, #places) do ids[#ids + 1] = id_of(places[i]) end
    for i, line in ipairs(redis.call('HMGET', lines, unpack(ids))) do
      local place = places[start + i - 1]
      if line and look(place, line) then return place end
    end
  end
  if #places < tonumber(most) then return '' end
  return places[#places]
end

-- Answers a function that tells whether a letter fits. ARGV from `first` on are a text to be in its message or
-- arguments (in lower case, or ''), the least and most attempts and replays, a number of ids and these (its
-- own or its job's must be one of them, if there are any), and pieces that its line must have.
local function conditions(first)
  local text, bounds, ids, pieces = ARGV[first], {}, {}, {}
  for i = 1, 4 do bounds[i] = tonumber(ARGV[first + i]) end
  local named = tonumber(ARGV[first + 5])
  for i = first + 6, first + 5 + named do ids[ARGV[i]] = true end
  for i = first + 6 + named, #ARGV do pieces[#pieces + 1] = ARGV[i] end
  return function(place, line)
    for _, piece in ipairs(pieces) do
      if not string.find(line, piece, 1, true) then return false end
    end
    if named > 0 and not ids[id_of(place)] and not ids[string.match(line, '\31j([^\31]*)')] then
      return false
    end
    local attempt, replays = string.match(line, '\31#(%d+):(%d+)\31')
    attempt, replays = tonumber(attempt), tonumber(replays)
    if attempt < bounds[1] or attempt > bounds[2] then return false end
    if replays < bounds[3] or replays > bounds[4] then return false end
    if text == '' then return true end
    local texts = string.find(line, '\31m', 1, true)
    return string.find(string.lower(line), text, texts, true) ~= nil
  end
end
