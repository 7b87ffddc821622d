-- The list of a queue's dead letters. Of each letter it has a line (letter_lines.py), of which characters 3 to
-- 12 name its cause and 15 to 26 are its time of death; its place is that time and its id. The order of all
-- has, behind each place, the line as searches look at it: read with its place, it costs no look-up of its own.
-- Beside that there is an order of places for each cause, task, type of exception and reason, and a list of
-- the causes.

local TEXTS = '\31\30'

local function cause_of(line) return string.sub(line, 3, 12) end
local function place_of(line, id) return string.sub(line, 15, 26) .. id end
local function id_of(place) return string.sub(place, 13) end

-- A line as searches look at it: its texts in lower case.
local function searched(line)
  local texts = string.find(line, TEXTS, 1, true)
  return string.sub(line, 1, texts - 1) .. string.lower(string.sub(line, texts))
end
-- In the order of all: the place, which has no such character, and what is searched.
local function entry_of(line, id) return place_of(line, id) .. searched(line) end
local function place_in(entry) return string.match(entry, '^[^\31]*') end

-- The order of the letters whose lines have this piece, and all such orders that a line stands in.
local function order_of(order, piece) return order .. ':' .. piece end
local function orders_of(order, line)
  local orders = {}
  for piece in string.gmatch(line, '[^\31]+') do
    local tag = string.sub(piece, 1, 1)
    if tag == '\30' then break end
    if string.find('ctenr', tag, 1, true) then orders[#orders + 1] = order_of(order, piece) end
  end
  return orders
end

-- Take a letter out of every order that it stands in. Answers whether it was listed.
local function unlist(order, lines, causes, id)
  local line = redis.call('HGET', lines, id)
  if not line then return false end
  local place = place_of(line, id)
  redis.call('ZREM', order, entry_of(line, id))
  for _, one in ipairs(orders_of(order, line)) do redis.call('ZREM', one, place) end
  local cause = cause_of(line)
  if redis.call('EXISTS', order_of(order, 'c' .. cause)) == 0 then redis.call('ZREM', causes, cause) end
  return true
end

local function lines_of(lines, places)
  local found = {}
  for start = 1, #places, 1000 do
    local ids = {}
    for i = start, math.min(start + 999, #places) do ids[#ids + 1] = id_of(places[i]) end
    for i, line in ipairs(redis.call('HMGET', lines, unpack(ids))) do found[start + i - 1] = line end
  end
  return found
end

-- Whether a letter fits, by its place and what is searched of it. ARGV from `first` on are a text to be in its
-- message or arguments (in lower case, or ''), the least and most attempts and replays, whether these are to be
-- looked at, a number of ids and these (its own or its job's must be one of them, if there are any), and pieces
-- that its line must have.
local function conditions(first)
  local text, counted, named = ARGV[first], ARGV[first + 5] == '1', tonumber(ARGV[first + 6])
  local bounds, ids, pieces = {}, {}, {}
  for i = 1, 4 do bounds[i] = tonumber(ARGV[first + i]) end
  for i = first + 7, first + 6 + named do ids[ARGV[i]] = true end
  for i = first + 7 + named, #ARGV do pieces[#pieces + 1] = ARGV[i] end
  local find, match, fit = string.find, string.match, {}
  return function(entry)
    -- What few letters have comes first.
    if text ~= '' then
      local at = find(entry, text, 1, true)
      if not at then return false end
      local texts = find(entry, TEXTS, 1, true)
      if at < texts and not find(entry, text, texts, true) then return false end
    end
    for _, piece in ipairs(pieces) do
      if not find(entry, piece, 1, true) then return false end
    end
    if named > 0 and not ids[id_of(place_in(entry))] and not ids[match(entry, '\31j([^\31]*)')] then
      return false
    end
    if not counted then return true end
    local counts = match(entry, '\31#([^\31]*)')
    if fit[counts] == nil then
      local attempt, replays = match(counts, '(%d+):(%d+)')
      attempt, replays = tonumber(attempt), tonumber(replays)
      fit[counts] = bounds[1] <= attempt and attempt <= bounds[2]
        and bounds[3] <= replays and replays <= bounds[4]
    end
    return fit[counts]
  end, pieces, text ~= ''
end

-- The places of the letters that fit, the newest first: of at most `most` between two bounds, at most `wanted`.
-- Answers the place to go on from, or '' if none is left, these, and their causes.
local function fitting(order, lines, first, wanted)
  local high, low, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
  local fits, pieces, texts = conditions(first)
  -- To look up the lines of a shorter order one by one takes several times as long for each.
  local read, least = order, redis.call('ZCARD', order) / 4
  for _, piece in ipairs(pieces) do
    local one = order_of(order, string.sub(piece, 2, -2))
    local length = redis.call('ZCARD', one)
    if length < least then read, least = one, length end
  end
  local places, causes, last = {}, {}, ''
  while most > 0 do
    local some = math.min(most, 1000)
    local entries = redis.call('ZREVRANGEBYLEX', read, high, low, 'LIMIT', 0, some)
    local found = read ~= order and lines_of(lines, entries)
    for i, entry in ipairs(entries) do
      local place = found and entry or place_in(entry)
      if found then entry = found[i] and place .. (texts and searched(found[i]) or found[i]) end
      last = place
      if entry and fits(entry) then
        places[#places + 1] = place
        causes[#causes + 1] = cause_of(string.sub(entry, #place + 1))
        if #places == wanted then return last, places, causes end
      end
    end
    if #entries < some then return '', places, causes end
    most, high = most - some, '(' .. last
  end
  return last, places, causes
end
