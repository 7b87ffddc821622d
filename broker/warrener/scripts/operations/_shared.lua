-- An operation is carried out by whoever holds its lease, a key that expires.
local function has_ended(state) return state == 'done' or state == 'cancelled' or state == 'failed' end
