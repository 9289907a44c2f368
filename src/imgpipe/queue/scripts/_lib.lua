-- What all scripts share: names of keys, the time, jobs, counts, the ways in and out of a job's list. Names in capital
-- letters that are not made here are those of imgpipe/queue/limits.py.
--
-- KEYS[1] <prefix>meta   KEYS[2] the list of the teaching mode
-- ARGV[1] the time in ms, '' for the server's own; the rest belongs to the script, which reads it with arg() and num().
--
-- <prefix>                                                                                             by
--   jobs         ZSET   job -> when it was created
--   j:<job>      HASH   all about a job: its settings, state and counts
--   q:<job>      LIST   records that wait, the next one at the head:  index|attempts|losses|deliveries|queued|payload
--   rt:<job>     HASH   index -> record that waits for another try;   retry ZSET  job|index -> when it is due
--   in: done: failed:<job>  bitmaps, a bit for each index:  was it handed over, is it done, was it given up
--   res:<job>    LIST   results that the submitter has not forgotten:  index|verdict|result;  rbell:<job> its doorbell
--   f:<job>      HASH   index -> verdict|code|worker|length of record|record result;   c:<job> HASH  code -> count
--   file:<job>:<index>:<kind>  STRING  a picture, or what became of it, where there is no shared folder
--   classes      HASH   class -> its jobs that are not over;          slots HASH  class -> live slots that can take it
--   r:<class>    ZSET   jobs with work for this class -> how much they have had
--   w            ZSET   worker -> end of its lease;                   lost ZSET  worker -> when it was found dead
--   w:<worker>   HASH   what it says of itself
--   unfit:<worker> HASH  job that it cannot run -> when the job was created
--   run:<worker> HASH   job|index -> epoch|begun|record:  the only place where it says who has what
--   idle         HASH   worker -> its labels, while it finds nothing; bell:<worker> its doorbell
--   ctl          HASH   beat: when anybody was heard last; lease: whose; after: not before then is anybody taken for dead
--   epoch        STRING goes up with every claim
--   m            HASH   class|what -> how often or how many ms since the queue began;  |what  what workers add up

local P = string.sub(KEYS[1], 1, -5)
local FIFO = KEYS[2]
local call = redis.call

local NOW
if ARGV[1] == '' then
  local time = call('TIME')
  NOW = time[1] * 1000 + math.floor(time[2] / 1000)
else
  NOW = tonumber(ARGV[1])
end

local cursor = 1
local function arg()
  cursor = cursor + 1
  return ARGV[cursor]
end
local function num() return tonumber(arg()) end

-- A Redis that is full refuses a script whose first write could make it fuller. Work must go on, so ours cannot.
local function drain_even_if_full() call('DEL', P .. 'scratch') end

local known = {}
-- job(name) returns what is needed of a job, read once in each call; nil if there is none.
local function job(name)
  if known[name] == nil then
    local v = call('HMGET', P .. 'j:' .. name, 'state', 'needs', 'routing', 'pure', 'max_attempts', 'max_losses',
      'max_deliveries', 'breaker', 'seen', 'bad', 'keep', 'keep_failed', 'created')
    known[name] = v[1] and {
      state = v[1], needs = v[2], routing = v[3], pure = v[4] == '1', max_attempts = tonumber(v[5]),
      max_losses = tonumber(v[6]), max_deliveries = tonumber(v[7]), breaker = tonumber(v[8]),
      seen = tonumber(v[9]), bad = tonumber(v[10]), keep = v[11], keep_failed = v[12], created = v[13],
    } or false
  end
  return known[name] or nil
end

local function is_open(state) return state == 'running' or state == 'paused' end

local sums = {}
local function count(name, what, by)
  sums[name] = sums[name] or {}
  sums[name][what] = (sums[name][what] or 0) + by
end

-- What happened to tasks of a class, for those who watch: numbers that only go up.
local seen = {}
local function note(class, what, by)
  local field = class .. '|' .. what
  seen[field] = (seen[field] or 0) + by
end
local function note_time(class, what, letter, bounds, ms)
  note(class, what, ms)
  local place = 0
  while bounds[place + 1] and ms > bounds[place + 1] do place = place + 1 end
  note(class, letter .. place, 1)
end
local function write_counts()
  for field, by in pairs(seen) do
    if by ~= 0 then call('HINCRBY', P .. 'm', field, by) end
  end
  seen = {}
  for name, counts in pairs(sums) do
    for what, by in pairs(counts) do
      if by ~= 0 then call('HINCRBY', P .. 'j:' .. name, what, by) end
    end
  end
  sums = {}
end

local function is_settled(name, index)
  return call('GETBIT', P .. 'done:' .. name, index) == 1 or call('GETBIT', P .. 'failed:' .. name, index) == 1
end

-- fits(labels, class): whether a worker with ',cpu,io,' may have tasks of the class 'cpu+io'.
local function fits(labels, class)
  if class == 'any' then return true end
  for label in string.gmatch(class, '[^+]+') do
    if not string.find(labels, ',' .. label .. ',', 1, true) then return false end
  end
  return true
end

local function ring(key)
  if call('LLEN', key) > 0 then return end
  call('LPUSH', key, '1')
  call('EXPIRE', key, 60)
end

-- is_unfit(worker, name, j): whether it has given back this job as one that it cannot run, and not one of its name.
local function is_unfit(worker, name, j) return call('HGET', P .. 'unfit:' .. worker, name) == j.created end

-- wake(name, j, most): ring at most so many workers that found nothing and could take a task of this job.
local function wake(name, j, most)
  if most <= 0 or call('HLEN', P .. 'idle') == 0 then return end
  local idle = call('HGETALL', P .. 'idle')
  for i = 1, #idle, 2 do
    local routing, labels = string.match(idle[i + 1], '^(%a+)(.*)$')
    if routing == j.routing and (routing == 'fifo' or fits(labels, j.needs)) and not is_unfit(idle[i], name, j) then
      call('HDEL', P .. 'idle', idle[i])
      ring(P .. 'bell:' .. idle[i])
      most = most - 1
      if most == 0 then return end
    end
  end
end

-- offer(name, j): let workers find a job, behind nobody and before nobody.
local function offer(name, j)
  if j.routing == 'labels' and j.state == 'running' then
    local key = P .. 'r:' .. j.needs
    local least = call('ZRANGE', key, 0, 0, 'WITHSCORES')
    call('ZADD', key, 'NX', least[2] or 0, name)
  end
end

local function push_tail(name, j, records)
  call('RPUSH', P .. 'q:' .. name, unpack(records))
  if j.routing == 'fifo' then
    for _ = 1, #records do call('LPUSH', FIFO, name) end
  end
  offer(name, j)
  wake(name, j, #records)
end

-- put_back(name, j, index, record): to the head of the queue, if it is still wanted.
local function put_back(name, j, index, record)
  if is_settled(name, index) then
    count(name, 'duplicates', 1)
  elseif is_open(j.state) then
    call('LPUSH', P .. 'q:' .. name, record)
    if j.routing == 'fifo' then call('RPUSH', FIFO, name) end
    offer(name, j)
    wake(name, j, 1)
  end
end

local unread = {}
local function tell(name, index, verdict, result)
  local key = P .. 'res:' .. name
  if not unread[name] then
    unread[name] = call('LLEN', key)
    ring(P .. 'rbell:' .. name)
  end
  if unread[name] < MOST_UNREAD then
    unread[name] = call('RPUSH', key, index .. '|' .. verdict .. '|' .. result)
  else
    count(name, 'dropped', 1)
  end
end

-- look(name, j, bad, code): pause a job that fails as a whole, as far as its first results tell.
local function look(name, j, bad, code)
  if j.seen >= BREAKER_RESULTS then return end
  j.seen = j.seen + 1
  count(name, 'seen', 1)
  if not bad then return end
  j.bad = j.bad + 1
  count(name, 'bad', 1)
  if j.bad == j.breaker and j.state == 'running' then
    j.state = 'paused'
    local why = j.bad .. ' of the first ' .. j.seen .. ' failed, the last with ' .. code
    call('HSET', P .. 'j:' .. name, 'state', 'paused', 'why', why)
    call('ZREM', P .. 'r:' .. j.needs, name)
  end
end

local function succeed(name, j, index, result)
  call('SETBIT', P .. 'done:' .. name, index, 1)
  count(name, 'done', 1)
  note(j.needs, 'done', 1)
  look(name, j, false)
  tell(name, index, 'done', result)
end

-- give_up(...): settle a task as failed or lost; record is what was known of it.
local function give_up(name, j, index, record, verdict, code, result, worker)
  call('SETBIT', P .. 'failed:' .. name, index, 1)
  count(name, verdict, 1)
  note(j.needs, verdict, 1)
  call('HINCRBY', P .. 'c:' .. name, code, 1)
  local key = P .. 'f:' .. name
  if call('HLEN', key) < MOST_DETAILS then
    call('HSET', key, index, verdict .. '|' .. code .. '|' .. worker .. '|' .. #record .. '|' .. record .. result)
  end
  if verdict == 'failed' then look(name, j, true, code) end
  tell(name, index, verdict, result)
end

local KINDS = { 'j:', 'q:', 'rt:', 'in:', 'done:', 'failed:', 'res:', 'rbell:', 'f:', 'c:' }

-- conclude(name): finish a job that is at its end, and give all that is left of it a time to live.
local function conclude(name)
  local v = call('HMGET', P .. 'j:' .. name, 'state', 'sealed', 'submitted', 'done', 'failed', 'lost', 'running',
    'needs', 'keep', 'keep_failed')
  local state = nil
  if v[1] == 'cancelling' and tonumber(v[7]) <= 0 then
    state = 'cancelled'
  elseif is_open(v[1]) and v[2] == '1' and v[4] + v[5] + v[6] == tonumber(v[3]) then
    state = 'finished'
  end
  if not state then return end
  if known[name] then known[name].state = state end
  call('HSET', P .. 'j:' .. name, 'state', state, 'finished', NOW)
  call('UNLINK', P .. 'q:' .. name, P .. 'rt:' .. name)
  call('ZREM', P .. 'r:' .. v[8], name)
  if call('HINCRBY', P .. 'classes', v[8], -1) <= 0 then call('HDEL', P .. 'classes', v[8]) end
  local keep = (v[5] + v[6] > 0) and v[10] or v[9]
  for _, kind in ipairs(KINDS) do call('EXPIRE', P .. kind .. name, keep) end
  ring(P .. 'rbell:' .. name)
end

-- heard(lease): somebody lives. If nobody did for a while, Redis was away, and everybody gets time to come back.
local function heard(lease)
  local last = tonumber(call('HGET', P .. 'ctl', 'beat') or '0')
  if NOW - last > SILENCE * lease or NOW < last then
    call('HSET', P .. 'ctl', 'after', NOW + lease)
    if NOW < last then -- the server's clock was set back, or a lease would end hours after its worker
      for _, worker in ipairs(call('ZRANGE', P .. 'w', 0, -1)) do
        call('ZADD', P .. 'w', NOW + (call('HGET', P .. 'w:' .. worker, 'lease') or lease), worker)
      end
    end
  end
  call('HSET', P .. 'ctl', 'beat', NOW, 'lease', lease)
end

-- renew(worker): returns what is needed of it, nil if it is not known any more.
local function renew(worker)
  if not call('ZSCORE', P .. 'w', worker) then return nil end
  local v = call('HMGET', P .. 'w:' .. worker, 'lease', 'labels', 'routing', 'name')
  if not v[1] then return nil end
  heard(tonumber(v[1]))
  call('ZADD', P .. 'w', NOW + v[1], worker)
  call('HSET', P .. 'w:' .. worker, 'beat', NOW)
  return { labels = v[2], routing = v[3], name = v[4] }
end

-- mark(worker): read from ARGV tasks, each as job|index and epoch, that the worker has begun.
local function mark(worker)
  local key = P .. 'run:' .. worker
  for _ = 1, num() do
    local id, epoch = arg(), arg()
    local value = call('HGET', key, id)
    local of, begun, record = string.match(value or '', '^(%d+)|(%d)|(.*)$')
    if of == epoch and begun == '0' then call('HSET', key, id, of .. '|1|' .. record) end
  end
end

-- count_slots(): how many live slots can take each class of tasks.
local function count_slots()
  local slots = {}
  for _, class in ipairs(call('HKEYS', P .. 'classes')) do slots[class] = 0 end
  for _, worker in ipairs(call('ZRANGE', P .. 'w', 0, -1)) do
    local v = call('HMGET', P .. 'w:' .. worker, 'labels', 'slots', 'routing')
    if v[1] and v[3] == 'labels' then
      for class in pairs(slots) do
        if fits(v[1], class) then slots[class] = slots[class] + v[2] end
      end
    end
  end
  call('DEL', P .. 'slots')
  for class, number in pairs(slots) do call('HSET', P .. 'slots', class, number) end
end

local function split_record(record) return string.match(record, '^(%d+)|(%d+)|(%d+)|(%d+)|(.*)$') end
local function split_id(id) return string.match(id, '^([^|]+)|(%d+)$') end
