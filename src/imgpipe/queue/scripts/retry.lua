-- Put failed and lost tasks back into the queue as if they were new. At most 500 in one call.
-- ARGV: job, number of indexes, index, ...
-- Returns how many there were
drain_even_if_full()
local name = arg()
local j = job(name)
if not j or j.state == 'cancelled' or j.state == 'cancelling' then return 0 end
local records = {}
for _ = 1, num() do
  local index = arg()
  local detail = call('HGET', P .. 'f:' .. name, index)
  if detail then
    local verdict, code, length, rest = string.match(detail, '^(%a+)|([^|]*)|[^|]*|(%d+)|(.*)$')
    local payload = string.match(string.sub(rest, 1, length), '^%d+|%d+|%d+|%d+|%d+|(.*)$')
    records[#records + 1] = index .. '|0|0|0|' .. NOW .. '|' .. payload
    call('HDEL', P .. 'f:' .. name, index)
    call('SETBIT', P .. 'failed:' .. name, index, 0)
    call('HINCRBY', P .. 'c:' .. name, code, -1)
    count(name, verdict, -1)
  end
end
if #records == 0 then return 0 end
note(j.needs, 'enqueued', #records)
write_counts()
if j.state == 'finished' then
  j.state = 'running'
  call('HSET', P .. 'j:' .. name, 'state', 'running')
  call('HDEL', P .. 'j:' .. name, 'finished')
  for _, kind in ipairs(KINDS) do call('PERSIST', P .. kind .. name) end
  if call('HINCRBY', P .. 'classes', j.needs, 1) == 1 then count_slots() end
end
push_tail(name, j, records)
return #records
