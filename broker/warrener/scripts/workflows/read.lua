-- Fields of a plan. ARGV 5 and following their names. Answers lost | ok, values ('' where there is none).
if not get('state') then return {'lost'} end
local found = {'ok'}
for at = 5, #ARGV do found[#found + 1] = get(ARGV[at]) or '' end
return found
