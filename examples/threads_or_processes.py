"""Threads or processes: one word decides where the work is done, and the bytes of the results are the same.

`imgpipe compare` says which is faster for your filters, your pictures and your machine, and why.

Prints:

    sequential: 8 done, ... pictures/s
    threads: 8 done, ... pictures/s
    processes: 8 done, ... pictures/s
    all three have made the same bytes: True
"""

import hashlib
from pathlib import Path

from imgpipe import make_samples, process

make_samples("photos", count=8, width=1280, height=720)


def digest(folder: str) -> str:
    """Return one number for all pictures in a folder."""
    pictures = sorted(Path(folder).glob("sample-*"))
    return hashlib.sha256(b"".join(picture.read_bytes() for picture in pictures)).hexdigest()


digests = set()
for executor in ("sequential", "threads", "processes"):
    report = process("photos", "resize:640x | blur:2", f"by-{executor}", executor=executor, workers=2)
    print(f"{executor}: {report.done} done, {report.pictures_per_second:.1f} pictures/s")
    digests.add(digest(f"by-{executor}"))
print("all three have made the same bytes:", len(digests) == 1)
