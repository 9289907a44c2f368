"""Failures by code: pictures that cannot be processed are told apart by stable codes, and what can be mended is.

Prints:

    1 done, 3 failed
    SIXTEEN_BIT: 16 bits per channel would be reduced to 8
    TRUNCATED: the file is incomplete: its end is missing
    UNREADABLE: not a picture in a format that imgpipe reads
    tried again with 8 bits: 1 done, 2 failed
"""

import numpy as np
from PIL import Image

from imgpipe import FailureCode, Pipeline, PlanOptions, ReadOptions, Recipe, make_samples, process

_, half = make_samples("photos", count=2, width=320, height=180)
with open(half, "r+b") as picture:
    picture.truncate(5000)
with open("photos/notes.jpg", "w", encoding="utf-8") as text:
    text.write("no picture at all")
Image.fromarray(np.full((180, 320), 40_000, np.uint16)).save("photos/scan.png")

pipeline = Pipeline.parse("resize:160x")
report = process("photos", pipeline, "out")
print(report.done, "done,", report.failed, "failed")
for code, group in sorted(report.failures.items()):
    for result in group.examples:  # the first five of each code; `each=` would get all
        print(f"{code}: {result.failure.message if result.failure else ''}")

if FailureCode.SIXTEEN_BIT in report.failures:
    recipe = Recipe(pipeline, read=ReadOptions(allow_8bit=True))
    report = process("photos", recipe, "out", options=PlanOptions(retry_failed=True))
    print("tried again with 8 bits:", report.done, "done,", report.failed, "failed")
