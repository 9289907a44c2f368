-- Forget a job that is over.
-- ARGV: job
-- Returns 1 if there was one
local name = arg()
local j = job(name)
if not j or is_open(j.state) or j.state == 'cancelling' then return 0 end
for _, kind in ipairs(KINDS) do call('UNLINK', P .. kind .. name) end
call('ZREM', P .. 'jobs', name)
return 1
