"""The first pipeline: a folder of pictures, made smaller and sharper, into another folder.

Prints:

    6 done, 0 up to date, 0 failed
    (640, 360) has become (320, 180)
"""

from PIL import Image

from imgpipe import make_samples, process

make_samples("photos", count=6, width=640, height=360)

report = process("photos", "resize:320x | sharpen", "small")
print(report.done, "done,", report.skipped, "up to date,", report.failed, "failed")

with Image.open("photos/sample-001.jpg") as before, Image.open("small/sample-001.jpg") as after:
    print(before.size, "has become", after.size)
