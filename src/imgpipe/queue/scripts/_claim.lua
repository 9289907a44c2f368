-- claim(worker, w, want, starting): returns a flat list of job and epoch|begun|record; some that were due for another
-- try are put to the end of their queue first.
local function claim(worker, w, want, starting)
  for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'retry', '-inf', NOW, 'LIMIT', 0, PROMOTED)) do
    call('ZREM', P .. 'retry', id)
    local name, index = split_id(id)
    local record = call('HGET', P .. 'rt:' .. name, index)
    if record then
      call('HDEL', P .. 'rt:' .. name, index)
      local j = job(name)
      if j and is_open(j.state) then
        push_tail(name, j, { record })
        note(j.needs, 'retried', 1)
      end
    end
  end

  local key = P .. 'run:' .. worker
  want = math.min(want, MOST_CLAIMS, MOST_HELD - call('HLEN', key))
  local taken, held = {}, {}
  if want <= 0 then return taken end
  local refused = call('HLEN', P .. 'unfit:' .. worker)
  local function cannot_run(name, j) return refused > 0 and is_unfit(worker, name, j) end
  local epoch = call('INCR', P .. 'epoch')
  if epoch == 1 then -- a server that has forgotten everything must not give the numbers of before
    epoch = NOW
    call('SET', P .. 'epoch', epoch)
  end

  -- Settled copies vanish here: of tasks that were done by a worker that was taken for dead.
  local function take(name, most)
    local records = call('LPOP', P .. 'q:' .. name, most)
    if not records then return 0 end
    local class = job(name).needs
    for _, record in ipairs(records) do
      local index, queued = string.match(record, '^(%d+)|%d+|%d+|%d+|(%d+)|')
      if not index or tonumber(index) >= MOST_INDEX or #queued > 15 then
        -- Somebody else has written into the list: it is no task, and nobody waits for it.
      elseif is_settled(name, index) then
        count(name, 'duplicates', 1)
      else
        local begun = (#held / 2 < starting) and '1' or '0'
        local value = epoch .. '|' .. begun .. '|' .. record
        taken[#taken + 1], taken[#taken + 2] = name, value
        held[#held + 1], held[#held + 2] = name .. '|' .. index, value
        count(name, 'running', 1)
        note(class, 'claimed', 1)
        note_time(class, 'waited', 'w', WAITS, NOW - queued)
        want = want - 1
      end
    end
    return #records
  end

  -- Fewer at a time towards the end, so that all workers are done together; free slots are always filled. Jobs take
  -- turns.
  local function hand_out(class, slots)
    local ready, total, jobs, looked = P .. 'r:' .. class, 0, {}, 0
    for _, name in ipairs(call('ZRANGE', ready, 0, LOOKED_AT + refused - 1)) do
      local j = job(name)
      if looked == LOOKED_AT then break end
      if not (j and cannot_run(name, j)) then
        looked = looked + 1
        local waiting = call('LLEN', P .. 'q:' .. name)
        if waiting == 0 or not j or j.state ~= 'running' then
          call('ZREM', ready, name)
        else
          jobs[#jobs + 1] = { name, waiting }
          total = total + waiting
        end
      end
    end
    local share = math.max(math.ceil(total / (2 * math.max(slots, 1))), 1, starting - #held / 2)
    local budget = math.min(want, share)
    while budget > 0 and total > 0 do
      for i, entry in ipairs(jobs) do
        local name, waiting = entry[1], entry[2]
        local most = math.min(math.ceil(budget / (#jobs - i + 1)), waiting)
        if most > 0 then
          local popped = take(name, most)
          entry[2], total, budget = waiting - popped, total - popped, budget - popped
          if popped == waiting then
            call('ZREM', ready, name)
          else
            call('ZINCRBY', ready, popped, name)
          end
        end
      end
    end
  end

  if w.routing == 'fifo' then
    local aside = {}
    for _ = 1, MOST_CLAIMS do
      local name = want > 0 and call('RPOP', FIFO)
      if not name then break end
      local j = job(name)
      if j and (j.state == 'paused' or cannot_run(name, j)) then
        aside[#aside + 1] = name
      elseif j and j.state == 'running' then
        take(name, 1)
      end
    end
    for i = #aside, 1, -1 do call('RPUSH', FIFO, aside[i]) end
  else
    local classes = {}
    for _, class in ipairs(call('HKEYS', P .. 'classes')) do
      if fits(w.labels, class) then
        classes[#classes + 1] = { class, tonumber(call('HGET', P .. 'slots', class) or '0') }
      end
    end
    -- What few others can do comes first.
    table.sort(classes, function(a, b) return a[2] < b[2] or (a[2] == b[2] and a[1] < b[1]) end)
    for _, class in ipairs(classes) do
      if want <= 0 then break end
      hand_out(class[1], class[2])
    end
  end
  if #held > 0 then call('HSET', key, unpack(held)) end
  if #held / 2 < math.max(starting, 1) then call('HSET', P .. 'idle', worker, w.routing .. w.labels) end
  return taken
end
