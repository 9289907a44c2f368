-- Take the tasks of one worker whose lease has ended. Anybody may call it, nobody has to be alone.
-- Returns {} if there is none, else {worker, tasks put back, tasks given up}
drain_even_if_full()
local beat, lease, after = unpack(call('HMGET', P .. 'ctl', 'beat', 'lease', 'after'))
if not beat or NOW < tonumber(after or '0') or NOW - beat > SILENCE * lease then return {} end
local worker = call('ZRANGEBYSCORE', P .. 'w', '-inf', NOW, 'LIMIT', 0, 1)[1]
if not worker then return {} end
local name_of_worker = call('HGET', P .. 'w:' .. worker, 'name') or worker
local held, touched = call('HGETALL', P .. 'run:' .. worker), {}
local back, lost = 0, 0
for i = #held - 1, 1, -2 do -- the first that was taken becomes the first again
  local name, index = split_id(held[i])
  local begun, record = string.match(held[i + 1], '^%d+|(%d)|(.*)$')
  local j = job(name)
  if j then
    count(name, 'running', -1)
    touched[name] = true
    if is_settled(name, index) then
      count(name, 'duplicates', 1)
    elseif is_open(j.state) then
      local of, attempts, losses, deliveries, rest = split_record(record)
      losses, deliveries = losses + begun, deliveries + 1
      count(name, 'losses', tonumber(begun))
      count(name, 'deliveries', 1)
      record = table.concat({ of, attempts, losses, deliveries, rest }, '|')
      if deliveries >= j.max_deliveries or (begun == '1' and losses >= j.max_losses) then
        give_up(name, j, index, record, 'lost', WORKERS_DIED, '', name_of_worker)
        lost = lost + 1
      else
        if losses >= SUSPECT then push_tail(name, j, { record }) else put_back(name, j, index, record) end
        note(j.needs, 'requeued', 1)
        back = back + 1
      end
    end
  end
end
call('ZREM', P .. 'w', worker)
call('HDEL', P .. 'idle', worker)
call('DEL', P .. 'run:' .. worker, P .. 'bell:' .. worker, P .. 'unfit:' .. worker)
call('HSET', P .. 'w:' .. worker, 'beat', NOW)
call('EXPIRE', P .. 'w:' .. worker, LOST_SECONDS)
call('ZADD', P .. 'lost', NOW, worker)
call('ZREMRANGEBYSCORE', P .. 'lost', '-inf', NOW - 1000 * LOST_SECONDS)
note('', 'lost_workers', 1)
write_counts()
for name in pairs(touched) do conclude(name) end
count_slots()
return { worker, back, lost }
