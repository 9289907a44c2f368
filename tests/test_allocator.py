"""Allocator: freed buffers are kept for the next picture, in this process alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from imgpipe.allocator import keep_freed_buffers
if sys.argv[1] == "keep":
    keep_freed_buffers()

def work():
    buffers = [np.ones(24 << 20, np.uint8) for _ in range(4)]

work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone")
def test_buffers_are_used_again():
    """What the kernel has to fill with zeros anew for each picture becomes next to nothing."""
    faults = {}
    for how in ("keep", "give back"):
        done = subprocess.run([sys.executable, "-c", PROGRAM, how], check=True, capture_output=True, text=True)
        faults[how] = int(done.stdout)

    assert faults["keep"] * 20 < faults["give back"]


IDLE = """
import sys
import psutil
import numpy as np
from imgpipe.allocator import give_back_freed_buffers, keep_freed_buffers
keep_freed_buffers(int(sys.argv[1]) << 20)
buffers = [np.ones(8 << 20, np.uint8) for _ in range(8)]
del buffers
print(psutil.Process().memory_info().rss >> 20)
give_back_freed_buffers()
print(psutil.Process().memory_info().rss >> 20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone")
@pytest.mark.parametrize(("most", "keeps"), [(256, True), (32, False)])
def test_no_more_is_kept_than_allowed_and_none_of_it_when_idle(most, keeps):
    """Of 64 MB that were freed, a process may keep some, and gives it back when it has nothing to do."""
    command = [sys.executable, "-c", IDLE, str(most)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    freed, idle = map(int, done.stdout.split())

    assert keeps == (freed - idle > 40)
    assert idle < 80
