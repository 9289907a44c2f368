-- Keep a file: a picture on its way to a worker, or what became of one.
-- ARGV: its name, its kind, seconds to live, data
-- A full Redis refuses pictures; results it takes, or the work on them would be lost.
local name, kind, seconds, data = arg(), arg(), num(), arg()
if kind == 'target' then drain_even_if_full() end
call('SET', P .. 'file:' .. name, data, 'EX', seconds)
return 1
