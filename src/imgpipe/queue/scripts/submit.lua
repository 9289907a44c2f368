-- Hand over items. Those that are in already are ignored, so it can be said again when the answer was lost.
-- ARGV: job, after, last (0 or 1), how many will follow or '', number of items, index, payload, ...
-- Returns {'accepted' | 'full' | 'gap' | 'closed', next, room, added}
-- With items, it begins with a write that a full Redis refuses, so nothing is half done then.
local name, after, last, more, items = arg(), num(), arg(), arg(), num()
local j = job(name)
if not j or not is_open(j.state) then return { 'closed', 0, 0, 0 } end
local key, bits = P .. 'j:' .. name, P .. 'in:' .. name
local settings = call('HMGET', key, 'next', 'window')
local next, window = tonumber(settings[1]), tonumber(settings[2])
local room = math.max(window - call('LLEN', P .. 'q:' .. name), 0)
if after > next then return { 'gap', next, room, 0 } end
if items == 0 then drain_even_if_full() end
local records = {}
for _ = 1, items do
  local index, payload = arg(), arg()
  if call('GETBIT', bits, index) == 0 then
    records[#records + 1] = index .. '|0|0|0|' .. NOW .. '|' .. payload
  end
end
if #records > room then return { 'full', next, room, 0 } end
if #records > 0 then
  push_tail(name, j, records)
  for _, record in ipairs(records) do
    local index = string.match(record, '^%d+')
    call('SETBIT', bits, index, 1)
    next = math.max(next, index + 1)
  end
  call('HINCRBY', key, 'submitted', #records)
  note(j.needs, 'enqueued', #records)
  write_counts()
end
call('HSET', key, 'touched', NOW, 'next', next)
if more ~= '' then call('HSET', key, 'expected', call('HGET', key, 'submitted') + more) end
if last == '1' then call('HSET', key, 'sealed', 1) end
conclude(name)
return { 'accepted', next, room - #records, #records }
