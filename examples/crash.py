"""A crash costs one picture: its process dies and is replaced, and all other pictures are done.

In threads, the whole program would be gone. The picture is tried three times, alone, before it is given up.

Prints:

    5 done, 1 lost
    CRASHED: photos/large/sample-001.jpg: its process died of SIGSEGV, ... 3 times out of 3
"""

from fragile import Fragile

from imgpipe import Outcome, make_samples, process

make_samples("photos", count=5, width=320, height=180)
make_samples("photos/large", count=1, width=640, height=360)

report = process("photos", [Fragile(width=640)], "out", executor="processes", workers=2)
print(report.done, "done,", report.outcomes[Outcome.LOST], "lost")
for code, group in report.failures.items():
    for result in group.examples:
        print(f"{code}: {result.source}: {result.failure.message if result.failure else ''}")
