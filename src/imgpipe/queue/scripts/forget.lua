-- Forget results. It can be said again: they are counted from the first that there ever was.
-- ARGV: job, number of the first result to keep
drain_even_if_full()
local name, before = arg(), num()
local first = tonumber(call('HGET', P .. 'j:' .. name, 'first') or '0')
local length = call('LLEN', P .. 'res:' .. name)
local gone = math.min(before - first, length)
if gone > 0 then
  call('LTRIM', P .. 'res:' .. name, gone, -1)
  call('HINCRBY', P .. 'j:' .. name, 'first', gone)
end
return 1
