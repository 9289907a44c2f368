"""A filter in six lines: a function over pixels, whose annotations are its checks.

Child processes and other machines import filters by the name of their module. This one stands in the program itself,
so it is for threads; in a module of its own it is for all.

Prints:

    resize:width=200 | sepia:strength=0.5
    4 done
    filter 1, sepia.strength: expected a number at least 0 and at most 1, got 2.0
"""

from typing import Annotated

import numpy as np

import imgpipe

BROWN = np.array([[0.393, 0.349, 0.272], [0.769, 0.686, 0.534], [0.189, 0.168, 0.131]])


@imgpipe.as_filter
def sepia(pixels: np.ndarray, *, strength: Annotated[float, imgpipe.Range(0, 1), "how brown"] = 1.0) -> np.ndarray:
    """Make a picture look old. `pixels` are uint8, of shape (height, width, 3)."""
    mixed = pixels + strength * (pixels @ BROWN - pixels)
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


imgpipe.make_samples("photos", count=4, width=320, height=180)
pipeline = imgpipe.Pipeline.parse("resize:200x | sepia:strength=0.5")
print(pipeline)
print(imgpipe.process("photos", pipeline, "old", executor="threads").done, "done")

try:
    imgpipe.Pipeline.parse("sepia:strength=2")
except imgpipe.BadPipeline as error:
    print(error)
