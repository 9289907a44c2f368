"""Arrays: one picture in memory through a pipeline, as NumPy or Pillow; what comes back is what went in.

Prints:

    (180, 320, 3) uint8 becomes (90, 160, 3) uint8
    (180, 320) uint8 becomes (90, 160) uint8
    RGBA (320, 180) becomes RGBA (160, 90)
    MODE_UNSUPPORTED: an array of type uint8 and shape (180, 320, 5) is not a picture
"""

import numpy as np

from imgpipe import PictureError, apply
from imgpipe.samples import sample

image = sample(1, width=320, height=180)
colour = np.asarray(image)
for array in (colour, colour[:, :, 1]):
    small = apply(array, "resize:160x | contrast:1.2")
    print(array.shape, array.dtype, "becomes", small.shape, small.dtype)

image.putalpha(128)
smaller = apply(image, "resize:160x")
print(image.mode, image.size, "becomes", smaller.mode, smaller.size)

try:
    apply(np.zeros((180, 320, 5), np.uint8), "resize:160x")
except PictureError as error:
    print(f"{error.code}: {error.message}")
