-- The job of a task in a plan has ended. Asked again, it answers the same until what it owes is done.
-- ARGV 5 node, 6 round, 7 S, F, R or X, 8 result or error (JSON).
-- Answers lost | stale (another round's) | late (its error was taken as a value before) | ok, and what is due:
-- `t node round facts` a task, `g node count` a group to be opened, `x node count` that many nodes of which those
-- that wait shall not begin, `r count` so many nodes of which some may go on.
local k, outcome, value = tonumber(ARGV[5]), ARGV[7], ARGV[8]
if not get('n' .. k) then return {'lost'} end
if tonumber(ARGV[6]) < round_of(k) then return {'stale'} end
local state = get('s' .. k)
local ended = state and state ~= 'D'

-- True if a group above has taken an error for a value, and gone on.
local function taken_as_value(it)
  local at, child = it.parent, k
  while at >= 0 do
    local up = node(at)
    if up.kind == 'g' and up.mode == 'c' then return get('s' .. at) == 'S' end
    at = up.parent
  end
  return false
end

-- What failed by this node alone is open again. True if there are groups among it, of which more may go on than
-- what follows from this node.
local function recover(at)
  local it = node(at)
  if it.parent == -1 then
    if get('state') ~= 'FAILURE' then return false end
    set('state', 'STARTED')
    redis.call('HDEL', key, 'finished', 'causes')
    redis.call('PERSIST', key)
    redis.call('DEL', KEYS[2])
    local callback = get('on_error')
    if callback then
      redis.call('HINCRBY', key, 'q' .. callback, 1)
      redis.call('HDEL', key, 's' .. callback, 'z' .. callback, 'e' .. callback, 'r' .. callback)
    end
    return false
  end
  local up = node(it.parent)
  if up.kind == 'g' and up.mode == 'c' then
    redis.call('HINCRBY', key, 'c' .. it.parent, -1)
  elseif redis.call('HINCRBY', key, 'f' .. it.parent, -1) == 0 then
    set('s' .. it.parent, 'D')
    redis.call('HDEL', key, 'e' .. it.parent, 'z' .. it.parent)
    return recover(it.parent) or up.kind == 'g'
  end
  return false
end

local function count_it(it)
  if it.parent ~= -2 then redis.call('HINCRBY', key, 'done', 1) end
end

local it = node(k)
if outcome == 'S' then
  if state == 'F' or state == 'R' then
    if taken_as_value(it) then return {'late'} end
    if it.parent ~= -2 and recover(k) then set('resumes' .. k, 1) end
  end
  if state ~= 'S' then
    if not ended then count_it(it) end
    redis.call('HDEL', key, 'e' .. k)
    set('s' .. k, 'S', 'r' .. k, value, 'z' .. k, now)
  end
  follow(k, state ~= 'S')
  if get('resumes' .. k) then due[#due + 1] = 'r ' .. get('nodes') end
elseif outcome == 'X' then
  if ended then return answer('ok') end
  if closed(it) then
    count_it(it)
    set('s' .. k, 'X', 'e' .. k, value, 'z' .. k, now)
  else
    -- What had failed has recovered meanwhile.
    set('q' .. k, round_of(k) + 1)
    owe_task(k)
  end
elseif state ~= 'S' and state ~= 'X' then
  local fresh = not ended
  if fresh then
    count_it(it)
    set('s' .. k, outcome, 'e' .. k, value, 'z' .. k, now)
  end
  fail(k, fresh, fresh and k)
end
return answer('ok')
