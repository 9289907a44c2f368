-- Take leave: what the worker holds goes back, uncharged.
-- ARGV: worker
drain_even_if_full()
local worker = arg()
local held, touched = call('HGETALL', P .. 'run:' .. worker), {}
for i = #held - 1, 1, -2 do -- the first that was taken becomes the first again
  local name, index = split_id(held[i])
  local j = job(name)
  if j then
    local begun, record = string.match(held[i + 1], '^%d+|(%d)|(.*)$')
    count(name, 'running', -1)
    count(name, 'interrupted', tonumber(begun))
    put_back(name, j, index, record)
    touched[name] = true
  end
end
-- One that was taken for dead in the meantime stays in the list of the dead.
if call('ZREM', P .. 'w', worker) == 1 then call('DEL', P .. 'w:' .. worker) end
call('HDEL', P .. 'idle', worker)
call('DEL', P .. 'run:' .. worker, P .. 'bell:' .. worker, P .. 'unfit:' .. worker)
write_counts()
for name in pairs(touched) do conclude(name) end
count_slots()
return #held / 2
