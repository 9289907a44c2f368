"""Metrics: looks at a queue before and after its work, in the document that `imgpipe metrics` and HTTP give as well.

Prints:

    handed over: 6 pictures wait for 0 workers; SCALE_UP (NO_CAPABLE_WORKER)
    done: 0 pictures wait; success rate 1.0, 6 completed
"""

from imgpipe import MemoryQueue, QueuedExecutor, QueuedOptions, Worker, WorkerSettings, make_samples, process
from imgpipe.monitor import Watch
from imgpipe.monitor.document import to_data

make_samples("photos", count=6, width=320, height=180)
queue = MemoryQueue()
watch = Watch(queue, source="memory")

process("photos", "blur:2", "out", executor=QueuedExecutor(queue, QueuedOptions(wait=False)))
before = to_data(watch.take())
advice = before["scaling_recommendation"]
print(
    f"handed over: {before['summary']['queue_length']} pictures wait for {before['summary']['total_workers']} workers;",
    f"{advice['action']} ({advice['reason']['code']})",
)

Worker(lambda: queue, WorkerSettings(name="worker-1", labels=frozenset({"io"}), max_jobs=6)).run()
after = to_data(watch.take())
print(
    f"done: {after['summary']['queue_length']} pictures wait;",
    f"success rate {after['summary']['success_rate']}, {after['queues'][0]['completed_total']} completed",
)
