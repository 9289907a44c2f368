"""A queue on Redis: the same over a server and a worker process, which this program starts and ends.

With the URL of a Redis that your machines share instead of `embedded`, their workers do it: `imgpipe worker` on each.

Prints:

    6 done by worker-1
"""

from imgpipe import Result, create_executor, make_samples, process

make_samples("photos", count=6, width=640, height=360)
workers: set[str] = set()


def each(result: Result) -> None:
    """Note which worker has done it; its child processes are told after the slash."""
    workers.add(result.worker.split("/")[0])


with create_executor("redis", redis="embedded", workers=2) as executor:
    report = process("photos", "resize:320x | sharpen", "small", executor=executor, each=each)
print(report.done, "done by", ", ".join(sorted(workers)))
