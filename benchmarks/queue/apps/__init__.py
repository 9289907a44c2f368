"""Apps: the same two jobs for each queue: one that does nothing, and one that makes a thumbnail.

Each module is what its queue's documentation tells to write, and ends with `submit`: run as
`python -m benchmarks.queue.apps.NAME JOB` it hands over one job for each line of standard input, prints how long that
took, and ends. BENCH_URL says where Redis is; BENCH_BEST=1 asks for the best settings that are documented.
"""
