-- Read jobs, workers, classes and counters at one moment, for those who look on.
-- ARGV: most jobs, most workers
-- Returns {now, counters, jobs, lines, workers}, with entries of the form
--         jobs: {name, fields, number that wait, number that wait for another try, codes}, the newest first
--         lines: {class, number that wait, record at the head or ''}, one for each job that is not over
--         workers: {name, whether it is lost, fields, number of tasks held}
local most_jobs, most_workers = num(), num()
local open = 0
for _, number in ipairs(call('HVALS', P .. 'classes')) do open = open + number end

local jobs, lines = {}, {}
for place, name in ipairs(call('ZREVRANGE', P .. 'jobs', 0, 999)) do
  local is_asked_for = place <= most_jobs
  if not is_asked_for and open <= 0 then break end
  local key, fields, j = P .. 'j:' .. name, {}, {}
  if is_asked_for then
    fields = call('HGETALL', key)
    for i = 1, #fields, 2 do j[fields[i]] = fields[i + 1] end
  else
    local v = call('HMGET', key, 'state', 'needs')
    j = { state = v[1], needs = v[2] }
  end
  local waiting, again, codes = 0, 0, {}
  if j.state and j.state ~= 'finished' and j.state ~= 'cancelled' then
    open = open - 1
    waiting = call('LLEN', P .. 'q:' .. name)
    lines[#lines + 1] = { j.needs, waiting, waiting > 0 and call('LINDEX', P .. 'q:' .. name, 0) or '' }
    if is_asked_for then again = call('HLEN', P .. 'rt:' .. name) end
  end
  if is_asked_for and j.state then
    if j.failed + j.lost > 0 then codes = call('HGETALL', P .. 'c:' .. name) end
    jobs[#jobs + 1] = { name, fields, waiting, again, codes }
  end
end

local workers, seen = {}, {}
local function add(worker, is_lost)
  if #workers >= most_workers or seen[worker] then return end
  seen[worker] = true
  local fields = call('HGETALL', P .. 'w:' .. worker)
  if #fields > 0 then
    workers[#workers + 1] = { worker, is_lost and 1 or 0, fields, call('HLEN', P .. 'run:' .. worker) }
  end
end
local alive = call('ZRANGE', P .. 'w', 0, most_workers - 1, 'WITHSCORES')
for i = 1, #alive, 2 do add(alive[i], tonumber(alive[i + 1]) < NOW) end
local since = '(' .. NOW - LOST_SECONDS * 1000
for _, worker in ipairs(call('ZREVRANGEBYSCORE', P .. 'lost', '+inf', since, 'LIMIT', 0, most_workers)) do
  add(worker, true)
end

return { NOW, call('HGETALL', P .. 'm'), jobs, lines, workers }
