-- Renew the lease, and leave word of oneself.
-- ARGV: worker, number of tasks begun, job|index, epoch, ..., number of pairs, name, value, ...,
--       number of totals, name, how much more, ...
-- Returns {0} if the worker is not known any more, else {1, command, number of tasks held, cancelled job, ...}
drain_even_if_full()
local worker = arg()
if not renew(worker) then return { 0 } end
mark(worker)
local fields = {}
for _ = 1, 2 * num() do fields[#fields + 1] = arg() end
call('HSET', P .. 'w:' .. worker, unpack(fields))
for _ = 1, num() do
  local what, by = arg(), num()
  note('', what, by)
end
write_counts()
local key = P .. 'run:' .. worker
local answer = { 1, call('HGET', P .. 'w:' .. worker, 'command') or '', call('HLEN', key) }
local seen = {}
for _, id in ipairs(call('HKEYS', key)) do
  local name = split_id(id)
  if not seen[name] then
    seen[name] = true
    local j = job(name)
    if j and j.state == 'cancelling' then answer[#answer + 1] = name end
  end
end
return answer
