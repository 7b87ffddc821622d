-- A piece of a list of jobs, behind a place in it.
-- KEYS 1 list. ARGV 1 'up' or 'down', 2 score and 3 member of the place (or ''), 4 queue or '', 5 task or '',
-- 6 how many are wanted, 7 how many to look at, at most.
-- Answers the last place looked at, as score and member ('' for both: the list has ended), then member and
-- score of each that fits.
local up, at, from = ARGV[1] == 'up', ARGV[2], ARGV[3]
local wanted, left = tonumber(ARGV[6]), tonumber(ARGV[7])
local skip, found, score, member = 0, {}, '', ''
local ending = ' ' .. ARGV[5]
local command = up and 'ZRANGEBYSCORE' or 'ZREVRANGEBYSCORE'
local first = at ~= '' and at or (up and '-inf' or '+inf')
local last = up and '+inf' or '-inf'
while left > 0 and #found < 2 * wanted do
  local chunk = math.min(left, 1000)
  local some = redis.call(command, KEYS[1], first, last, 'WITHSCORES', 'LIMIT', skip, chunk)
  if #some == 0 then return {'', '', unpack(found)} end
  for i = 1, #some, 2 do
    member, score = some[i], some[i + 1]
    -- Members of one score are in the order of their bytes.
    local beyond = score ~= at or (up and member > from) or (not up and member < from)
    if beyond then
      local fits = true
      if ARGV[5] ~= '' then fits = string.sub(member, -#ending) == ending end
      -- A task's name may hold the queue's: only what looks right is read.
      if fits and ARGV[4] ~= '' then
        fits = string.find(member, ' ' .. ARGV[4] .. ' ', 1, true) ~= nil
      end
      if fits and (ARGV[4] ~= '' or ARGV[5] ~= '') then
        local queue, task = string.match(member, '^%S+ %S+ (%S+) (.*)$')
        fits = queue and (ARGV[4] == '' or queue == ARGV[4]) and (ARGV[5] == '' or task == ARGV[5])
      end
      if fits then
        found[#found + 1] = member
        found[#found + 1] = score
      end
    end
    if #found >= 2 * wanted then break end
  end
  skip, left = skip + chunk, left - chunk
end
return {score, member, unpack(found)}
