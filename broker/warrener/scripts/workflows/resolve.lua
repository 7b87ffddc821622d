-- The job of a task is about to run: with which arguments? ARGV 5 node, 6 round.
-- Answers lost | stale | closed | done, result | run, arguments, whence its input comes ('' for nowhere), and
-- that input if a task gave it.
local k = tonumber(ARGV[5])
if not get('n' .. k) then return {'lost'} end
if tonumber(ARGV[6]) ~= round_of(k) then return {'stale'} end
local state = get('s' .. k)
if state == 'S' then return {'done', get('r' .. k)} end
-- One that has failed itself is replayed.
if state ~= 'F' and state ~= 'R' and (state == 'X' or closed(node(k))) then return {'closed'} end
local source = get('i' .. k) or ''
local input = ''
if string.sub(source, 1, 1) == 't' then input = get('r' .. string.sub(source, 2)) or 'null' end
return {'run', get('b' .. k), source, input}
