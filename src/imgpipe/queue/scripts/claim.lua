-- Take tasks, and renew the lease.
-- ARGV: worker, want, starting, number of tasks begun, job|index, epoch, ...
-- Returns {0} if the worker is not known any more, else {1, now, job, epoch|begun|record, ...}
drain_even_if_full()
local worker, want, starting = arg(), num(), num()
local w = renew(worker)
if not w then return { 0 } end
mark(worker)
local taken = claim(worker, w, want, starting)
write_counts()
return { 1, NOW, unpack(taken) }
