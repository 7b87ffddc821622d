-- Which of these cannot be read yet, as their places.
-- KEYS: results. ARGV[1]: 1 if they are records with a state.
local left = {}
for place, key in ipairs(KEYS) do
  local done
  if ARGV[1] == '1' then
    done = redis.call('HGET', key, 'state') == 'SUCCESS'
  else
    done = redis.call('EXISTS', key) == 1
  end
  if not done then
    left[#left + 1] = place
  end
end
return left
