-- Return results by their number.
-- ARGV: job, number of the first that is wanted, how many
-- Returns {number of the first that is returned, how many were dropped, {index|verdict|result, ...}}
local name, start, most = arg(), num(), num()
local v = call('HMGET', P .. 'j:' .. name, 'first', 'dropped')
local first = tonumber(v[1] or 0)
local skip = math.max(start - first, 0)
local records = call('LRANGE', P .. 'res:' .. name, skip, skip + most - 1)
return { first + skip, tonumber(v[2] or 0), records }
