-- Present a worker.
-- ARGV: worker, lease in ms, its other fields as number of pairs, name, value, ...
drain_even_if_full()
local worker, lease = arg(), num()
heard(lease)
local fields = { 'lease', lease, 'since', NOW, 'beat', NOW, 'state', 'ready' }
for _ = 1, 2 * num() do fields[#fields + 1] = arg() end
call('HSET', P .. 'w:' .. worker, unpack(fields))
call('PERSIST', P .. 'w:' .. worker)
call('DEL', P .. 'unfit:' .. worker)
call('ZADD', P .. 'w', NOW + lease, worker)
call('ZREM', P .. 'lost', worker)
count_slots()
return 1
