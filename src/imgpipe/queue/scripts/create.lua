-- Open a job, attach to the one that is there, or replace one that is over.
-- ARGV: job, digest of its settings, class, number of pairs, name, value, ...
-- Returns '' if the job is open now, else the state of the other job of that name.
local name, digest, class = arg(), arg(), arg()
local key = P .. 'j:' .. name
local state, was = unpack(call('HMGET', key, 'state', 'digest'))
if state and state ~= 'finished' and state ~= 'cancelled' then
  if was ~= digest or state == 'cancelling' then return state end
  call('HSET', key, 'sealed', 0, 'touched', NOW)
  return ''
end
for _, kind in ipairs(KINDS) do call('UNLINK', P .. kind .. name) end
local fields = { 'digest', digest, 'needs', class, 'state', 'running', 'why', '', 'created', NOW, 'touched', NOW }
for _, what in ipairs({ 'sealed', 'next', 'submitted', 'running', 'done', 'failed', 'lost', 'attempts', 'losses',
  'deliveries', 'interrupted', 'refused', 'late', 'duplicates', 'seen', 'bad', 'dropped', 'first', 'busy' }) do
  fields[#fields + 1], fields[#fields + 2] = what, 0
end
for _ = 1, 2 * num() do fields[#fields + 1] = arg() end
call('HSET', key, unpack(fields))
call('ZADD', P .. 'jobs', NOW, name)
if call('HINCRBY', P .. 'classes', class, 1) == 1 then count_slots() end
for _, old in ipairs(call('ZRANGE', P .. 'jobs', 0, 9)) do -- those whose time has come
  if call('EXISTS', P .. 'j:' .. old) == 0 then call('ZREM', P .. 'jobs', old) end
end
return ''
