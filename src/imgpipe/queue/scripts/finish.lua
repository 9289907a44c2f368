-- Settle tasks, then claim others.
-- ARGV: worker, want, starting, number of tasks begun, job|index, epoch, ...,
--       number of words, each: job, index, epoch, verdict, code, busy in ms, delay in ms, result
-- Returns {receipts, claims}: receipts 'accepted', 'late' or 'stale', one for each word; claims as from claim.lua
drain_even_if_full()
local worker, want, starting = arg(), num(), num()
local w = renew(worker)
local key = P .. 'run:' .. worker
mark(worker)

local function judge(name, j, index, record, verdict, code, delay, result)
  local of, attempts, losses, deliveries, rest = split_record(record)
  if is_settled(name, index) then
    count(name, 'duplicates', 1)
    return 'stale'
  elseif verdict == 'done' then
    succeed(name, j, index, result)
  elseif verdict == 'retry' and attempts + 1 < j.max_attempts then
    count(name, 'attempts', 1)
    if is_open(j.state) then
      record = table.concat({ of, attempts + 1, losses, deliveries, rest }, '|')
      call('HSET', P .. 'rt:' .. name, index, record)
      call('ZADD', P .. 'retry', NOW + delay, name .. '|' .. index)
    end
  else
    if verdict == 'retry' then
      record = table.concat({ of, attempts + 1, losses, deliveries, rest }, '|')
    end
    give_up(name, j, index, record, verdict == 'lost' and 'lost' or 'failed', code, result, w and w.name or '')
  end
  return 'accepted'
end

-- refuse(name, j): have this worker get no more of a job. Beyond what is reasonable it is asked about all of them anew.
local function refuse(name, j)
  local unfit = P .. 'unfit:' .. worker
  if call('HLEN', unfit) >= MOST_UNFIT then call('DEL', unfit) end
  count(name, 'refused', call('HSET', unfit, name, j.created))
end

local receipts, touched = {}, {}
for n = 1, num() do
  local name, index, epoch, verdict, code, busy, delay, result =
    arg(), arg(), arg(), arg(), arg(), num(), num(), arg()
  local id = name .. '|' .. index
  local of, begun, record = string.match(call('HGET', key, id) or '', '^(%d+)|(%d)|(.*)$')
  local j = job(name)
  local receipt = 'stale'
  if of ~= epoch then
    if verdict == 'done' and j and j.pure and (is_open(j.state) or j.state == 'cancelling')
      and call('GETBIT', P .. 'in:' .. name, index) == 1 and not is_settled(name, index) then
      succeed(name, j, index, result)
      count(name, 'late', 1)
      count(name, 'busy', busy)
      note_time(j.needs, 'busy', 'd', DURATIONS, busy)
      receipt = 'late'
    elseif j and (verdict == 'done' or verdict == 'failed' or verdict == 'lost') then
      count(name, 'duplicates', 1)
    end
  else
    call('HDEL', key, id)
    if j then
      count(name, 'running', -1)
      if verdict == 'release' or verdict == 'unfit' then
        if verdict == 'unfit' then refuse(name, j) end
        count(name, 'interrupted', tonumber(begun))
        put_back(name, j, index, record)
        receipt = 'accepted'
      else
        count(name, 'busy', busy)
        note_time(j.needs, 'busy', 'd', DURATIONS, busy)
        receipt = judge(name, j, index, record, verdict, code, delay, result)
      end
    end
  end
  receipts[n] = receipt
  if j then touched[name] = true end
end
write_counts()
for name in pairs(touched) do
  call('HSET', P .. 'j:' .. name, 'touched', NOW)
  conclude(name)
end
if not w then return { receipts, { 0 } } end
local taken = claim(worker, w, want, starting)
write_counts()
return { receipts, { 1, NOW, unpack(taken) } }
