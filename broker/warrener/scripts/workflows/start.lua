-- A plan that is written in whole begins, or began before. Answers lost | ok, and what is due.
if not get('n0') then return {'lost'} end
if is_open() then begin(0) end
return answer('ok')
