-- Count anew what a job's counts say, and put it right. It looks at all that workers hold.
-- ARGV: job
-- Returns {what, was, is, ...} for each count that was wrong
drain_even_if_full()
local name = arg()
local key = P .. 'j:' .. name
if call('EXISTS', key) == 0 then return {} end
local running = 0
for _, worker in ipairs(call('ZRANGE', P .. 'w', 0, -1)) do
  for _, id in ipairs(call('HKEYS', P .. 'run:' .. worker)) do
    if split_id(id) == name then running = running + 1 end
  end
end
local lost = tonumber(call('HGET', key, 'lost'))
local counts = {
  running = running,
  submitted = call('BITCOUNT', P .. 'in:' .. name),
  done = call('BITCOUNT', P .. 'done:' .. name),
  failed = call('BITCOUNT', P .. 'failed:' .. name) - lost,
}
local wrong = {}
for what, is in pairs(counts) do
  local was = tonumber(call('HGET', key, what))
  if was ~= is then
    wrong[#wrong + 1], wrong[#wrong + 2], wrong[#wrong + 3] = what, was, is
    call('HSET', key, what, is)
  end
end
local state, needs, routing = unpack(call('HMGET', key, 'state', 'needs', 'routing'))
if state == 'running' and routing == 'labels' and call('LLEN', P .. 'q:' .. name) > 0
  and not call('ZSCORE', P .. 'r:' .. needs, name) then
  wrong[#wrong + 1], wrong[#wrong + 2], wrong[#wrong + 3] = 'offered', 0, 1
  offer(name, job(name))
end
conclude(name)
return wrong
