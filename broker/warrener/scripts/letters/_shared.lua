-- The list of a queue's dead letters. Of each letter it has a line (letter_lines.py), of which characters 3 to
-- 12 name its cause and 15 to 26 are its time of death; its place in the order is that time and its id. Beside
-- the order of all there is one for each cause, task, type of exception and reason, and a list of the causes.

local function cause_of(line) return string.sub(line, 3, 12) end
local function place_of(line, id) return string.sub(line, 15, 26) .. id end
local function id_of(place) return string.sub(place, 13) end

-- The order of the letters whose lines have this piece, and all such orders that a line stands in.
local function order_of(order, piece) return order .. ':' .. piece end
local function orders_of(order, line)
  local orders = {}
  for piece in string.gmatch(line, '[^\31]+') do
    local tag = string.sub(piece, 1, 1)
    if tag == 'm' then break end
    if string.find('ctenr', tag, 1, true) then orders[#orders + 1] = order_of(order, piece) end
  end
  return orders
end

-- Take a letter out of every order that it stands in. Answers whether it was listed.
local function unlist(order, lines, causes, id)
  local line = redis.call('HGET', lines, id)
  if not line then return false end
  local place = place_of(line, id)
  redis.call('ZREM', order, place)
  for _, one in ipairs(orders_of(order, line)) do redis.call('ZREM', one, place) end
  local cause = cause_of(line)
  if redis.call('EXISTS', order_of(order, 'c' .. cause)) == 0 then redis.call('ZREM', causes, cause) end
  return true
end

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

-- Answers a function that tells whether a letter fits, and the shortest order in which all that fit are. ARGV from `first` on are a text to be in its message or
-- arguments (in lower case, or ''), the least and most attempts and replays, a number of ids and these (its
-- own or its job's must be one of them, if there are any), and pieces that its line must have.
local function conditions(first, order)
  local text, bounds, ids, pieces = ARGV[first], {}, {}, {}
  for i = 1, 4 do bounds[i] = tonumber(ARGV[first + i]) end
  local named = tonumber(ARGV[first + 5])
  for i = first + 6, first + 5 + named do ids[ARGV[i]] = true end
  for i = first + 6 + named, #ARGV do pieces[#pieces + 1] = ARGV[i] end
  local shortest, least = order, pieces[1] and redis.call('ZCARD', order)
  for _, piece in ipairs(pieces) do
    local one = order_of(order, string.sub(piece, 2, -2))
    local length = redis.call('ZCARD', one)
    if length < least then shortest, least = one, length end
  end
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
  end, shortest
end
