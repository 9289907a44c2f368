-- Pause, resume or cancel a job.
-- ARGV: job, verb, why
-- Returns 1 if there is such a job
drain_even_if_full()
local name, verb, why = arg(), arg(), arg()
local j = job(name)
if not j then return 0 end
local key = P .. 'j:' .. name
if verb == 'pause' and j.state == 'running' then
  call('HSET', key, 'state', 'paused', 'why', why)
  call('ZREM', P .. 'r:' .. j.needs, name)
elseif verb == 'resume' and j.state == 'paused' then
  j.state = 'running'
  call('HSET', key, 'state', 'running', 'why', '', 'seen', BREAKER_RESULTS) -- whoever resumes it has looked
  local waiting = call('LLEN', P .. 'q:' .. name)
  if waiting > 0 then
    offer(name, j)
    wake(name, j, waiting)
  end
elseif verb == 'cancel' and is_open(j.state) then
  call('HSET', key, 'state', 'cancelling', 'why', why)
  call('UNLINK', P .. 'q:' .. name, P .. 'rt:' .. name)
  call('ZREM', P .. 'r:' .. j.needs, name)
  conclude(name)
  ring(P .. 'rbell:' .. name)
end
return 1
