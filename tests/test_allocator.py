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
