"""A queue in memory: one thread hands pictures over, a worker takes them, and results come back; no server is needed.

The worker is the same one that `imgpipe worker` runs, and the queue keeps the promises of the one on Redis.

Prints:

    6 done
    the job is finished: 6 of 6 settled, 0 failed
    worker-1 has done 6, and has ended: drained
"""

from concurrent.futures import ThreadPoolExecutor

from imgpipe import MemoryQueue, QueuedExecutor, Worker, WorkerSettings, make_samples, process

make_samples("photos", count=6, width=640, height=360)
queue = MemoryQueue()
worker = Worker(lambda: queue, WorkerSettings(name="worker-1", labels=frozenset({"io", "cpu"}), slots=2))

with ThreadPoolExecutor(1) as thread:
    ending = thread.submit(worker.run)
    try:
        report = process("photos", "resize:320x | sharpen", "small", executor=QueuedExecutor(queue))
        print(report.done, "done")
    finally:
        worker.drain()
    summary = ending.result()

for job in queue.jobs():
    print(f"the job is {job.state}: {job.settled} of {job.submitted} settled, {job.failed} failed")
print(f"worker-1 has done {summary.done}, and has ended: {summary.why}")
