-- What the scripts on a workflow's plan share; it stands before each of them.
-- KEYS 1 plan, 2 what is left of it once it has expired. ARGV 1 now, 2 seconds that a plan is kept after its
-- end, 3 seconds that what it came to is kept, 4 channel that waiters listen to. Arguments of their own follow.
--
-- The plan is one hash. Of a node K: nK "kind parent first count mode" (kind t, c or g; its children are the
-- `count` nodes from `first`; mode c if errors of its members are values), sK its state (D due, S ended well, F
-- failed, R revoked, X revoked because something above it had ended), qK its round (0), rK result, eK error, cK
-- children that count as ended, fK children that failed, dK and zK when it was due and when it ended. Of a task
-- also tK its facts, bK its arguments, iK whence its input comes. `parent` is -1 for the root, -2 for callbacks.
local key, now = KEYS[1], ARGV[1]
local due = {}

local function get(field) return redis.call('HGET', key, field) end

local function set(...) redis.call('HSET', key, ...) end

local function node(k)
  local text = get('n' .. k)
  local kind, parent, first, count, mode = string.match(text, '^(%a) (-?%d+) (%d+) (%d+) (%a)$')
  return {kind = kind, parent = tonumber(parent), first = tonumber(first), count = tonumber(count),
    mode = mode}
end

local function round_of(k) return tonumber(get('q' .. k) or 0) end

local function is_open()
  local state = get('state')
  return state == 'PENDING' or state == 'STARTED'
end

-- True if nothing under this node's parents may begin: one of them has failed, or the whole has ended.
local function closed(it)
  if it.parent == -2 then return get('state') == 'REVOKED' end
  if not is_open() then return true end
  local k = it.parent
  while k >= 0 do
    if get('s' .. k) == 'F' then return true end
    k = node(k).parent
  end
  return false
end

local function owe_task(k)
  due[#due + 1] = 't ' .. k .. ' ' .. round_of(k) .. ' ' .. get('t' .. k)
end

local follow

-- A node's time has come; asked again, the same is due again until it has ended.
local function begin(k)
  local it, state = node(k), get('s' .. k)
  if not state then
    set('s' .. k, 'D', 'd' .. k, now)
  elseif state ~= 'D' then
    return
  end
  if it.kind == 't' then
    owe_task(k)
  elseif it.kind == 'c' then
    begin(it.first)
  elseif it.count > 0 then
    due[#due + 1] = 'g ' .. k .. ' ' .. it.count
  else
    set('s' .. k, 'S', 'z' .. k, now)
    follow(k, true)
  end
end

local function whole(state, cause)
  local was = get('state')
  if was == 'REVOKED' then return end
  if cause then
    local causes = get('causes') or ''
    if #causes < 400 then set('causes', causes .. cause .. ' ') end
  end
  if was ~= state then
    set('state', state, 'finished', now)
    redis.call('EXPIRE', key, state == 'SUCCESS' and ARGV[3] or ARGV[2])
    redis.call('SET', KEYS[2], state, 'EX', ARGV[2])
    redis.call('PUBLISH', ARGV[4], state)
  end
  local callback = get(state == 'SUCCESS' and 'on_success' or 'on_error')
  if callback then begin(tonumber(callback)) end
end

-- Counts a child, if it ends now, and says whether its group is complete.
local function complete(up, k, fresh)
  if fresh then redis.call('HINCRBY', key, 'c' .. up, 1) end
  return tonumber(get('c' .. up) or 0) >= node(up).count
end

-- Node k has ended well, now if `fresh`: what is due by that.
follow = function(k, fresh)
  local it = node(k)
  if it.parent == -2 then return end
  if it.parent == -1 then return whole('SUCCESS') end
  local up = node(it.parent)
  if up.kind == 'c' and k < up.first + up.count - 1 then
    if not closed(it) then begin(k + 1) end
    return
  end
  if up.kind == 'g' and not complete(it.parent, k, fresh) then return end
  local state = get('s' .. it.parent)
  if state == 'F' then return end
  if state ~= 'S' then set('s' .. it.parent, 'S', 'z' .. it.parent, now) end
  return follow(it.parent, state ~= 'S')
end

-- Node k has failed, now if `fresh`, because task `cause` did: what is due by that. A group whose errors are
-- values takes them as such.
local function fail(k, fresh, cause)
  local it = node(k)
  if it.parent == -2 then return end
  if it.parent == -1 then return whole('FAILURE', cause) end
  local up, parent = node(it.parent), it.parent
  if up.kind == 'g' and up.mode == 'c' then
    if complete(parent, k, fresh) then
      local state = get('s' .. parent)
      if state ~= 'S' then set('s' .. parent, 'S', 'z' .. parent, now) end
      follow(parent, state ~= 'S')
    end
    return
  end
  if fresh then redis.call('HINCRBY', key, 'f' .. parent, 1) end
  local first = get('s' .. parent) ~= 'F'
  if first then
    set('s' .. parent, 'F', 'z' .. parent, now, 'e' .. parent, get('e' .. k) or '{}')
    if up.kind == 'g' then due[#due + 1] = 'x ' .. up.first .. ' ' .. up.count end
  end
  return fail(parent, first, cause)
end

local function answer(word)
  table.insert(due, 1, word)
  return due
end
