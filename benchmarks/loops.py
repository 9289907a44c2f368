"""Loops: what somebody writes who uses a library without imgpipe: a function for each row, called in a thread pool.

Run as `python -m benchmarks.loops LIBRARY ROW TARGET SUFFIX THREADS` in the folder of the pictures, in an environment
that has the library. Each library is imported by its own function alone. JPEG 85 at 4:2:0, no metadata, everywhere.
"""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Work = Callable[[str, str], None]  # reads the first path, writes the second


def pillow(row: str) -> Work:
    """Pillow: shrunk while decoding where it helps, or a filter of its own."""
    from PIL import Image, ImageEnhance, ImageFilter

    def shrunk(image: Image.Image, width: int, height: int) -> Image.Image:
        scale = min(width / image.width, height / image.height, 1)
        # `thumbnail` would ask for twice the box, and decode a wide picture whole if that is too high for half of it.
        image.draft(None, (int(image.width * scale * 2), int(image.height * scale * 2)))
        image.thumbnail((width, height), Image.Resampling.LANCZOS)
        return image

    steps: dict[str, Callable[[Image.Image], Image.Image]] = {
        "fit": lambda image: shrunk(image, 800, 600),
        "thumbnails": lambda image: shrunk(image, 256, 256),
        "blur": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
        "brightness": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
        "sharpen": lambda image: image.filter(ImageFilter.UnsharpMask(radius=1, percent=100, threshold=0)),
    }
    step = steps[row]

    def work(source: str, target: str) -> None:
        with Image.open(source) as image:
            step(image).save(target, quality=85, subsampling="4:2:0")

    return work


def opencv(row: str) -> Work:
    """OpenCV: `imread`, halved while decoding where the result stays twice too large, a filter, `imwrite`."""
    import cv2

    cv2.setNumThreads(1)

    def shrunk(image: Any, width: int, height: int) -> Any:
        rows, columns = image.shape[:2]
        scale = min(width / columns, height / rows, 1)
        size = (max(round(columns * scale), 1), max(round(rows * scale), 1))
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA)

    def blurred(image: Any, sigma: float) -> Any:
        return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)

    def sharp(image: Any) -> Any:
        return cv2.addWeighted(image, 2, blurred(image, 1), -1, 0)

    def edges(grey: Any) -> Any:
        return cv2.Canny(blurred(grey, 1), 100, 200, L2gradient=True)

    steps: dict[str, tuple[int, Callable[[Any], Any]]] = {
        "fit": (cv2.IMREAD_REDUCED_COLOR_2, lambda image: shrunk(image, 800, 600)),
        "thumbnails": (cv2.IMREAD_REDUCED_COLOR_2, lambda image: shrunk(image, 256, 256)),
        "blur": (cv2.IMREAD_COLOR, lambda image: blurred(image, 3)),
        "brightness": (cv2.IMREAD_COLOR, lambda image: cv2.convertScaleAbs(image, alpha=1.3)),
        "sharpen": (cv2.IMREAD_COLOR, sharp),
        "edges": (cv2.IMREAD_GRAYSCALE, edges),
        "chain": (
            cv2.IMREAD_COLOR,
            lambda image: edges(cv2.cvtColor(sharp(shrunk(image, 1600, 900)), cv2.COLOR_BGR2GRAY)),
        ),
    }
    how, step = steps[row]
    jpeg = [cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]

    def work(source: str, target: str) -> None:
        if not cv2.imwrite(target, step(cv2.imread(source, how)), jpeg if target.endswith(".jpg") else []):
            raise OSError(target)

    return work


def pyvips(row: str) -> Work:
    """Call libvips by its Python binding: `thumbnail`, or the picture streamed through its operations."""
    os.environ["VIPS_CONCURRENCY"] = "1"
    import pyvips as vips

    vips.cache_set_max(0)

    def thumbnail(source: str, width: int, height: int) -> Any:
        return vips.Image.thumbnail(source, width, height=height, size="down")

    def streamed(source: str) -> Any:
        return vips.Image.new_from_file(source, access="sequential")

    def sharp(image: Any) -> Any:
        return (image * 2 - image.gaussblur(1)).cast("uchar")

    steps: dict[str, Callable[[str], Any]] = {
        "fit": lambda source: thumbnail(source, 800, 600),
        "thumbnails": lambda source: thumbnail(source, 256, 256),
        "blur": lambda source: streamed(source).gaussblur(3),
        "brightness": lambda source: streamed(source).linear(1.3, 0, uchar=True),
        "sharpen": lambda source: sharp(streamed(source)),
    }
    step = steps[row]

    def work(source: str, target: str) -> None:
        step(source).write_to_file(target, **({"Q": 85, "keep": "none"} if target.endswith(".jpg") else {}))

    return work


def skimage(row: str) -> Work:
    """scikit-image: everything in floating point."""
    import numpy as np
    from skimage import color, feature, filters, io, transform, util

    def shrunk(image: Any, width: int, height: int) -> Any:
        scale = min(width / image.shape[1], height / image.shape[0], 1)
        size = (max(round(image.shape[0] * scale), 1), max(round(image.shape[1] * scale), 1))
        return transform.resize(image, size, anti_aliasing=True)

    def sharp(image: Any) -> Any:
        return filters.unsharp_mask(image, radius=1, amount=1, channel_axis=2)  # in 0.26, -1 sharpens three rows only

    def edges(image: Any) -> Any:
        grey = util.img_as_ubyte(color.rgb2gray(image))
        return feature.canny(grey, sigma=1, low_threshold=100, high_threshold=200, mode="nearest")

    steps: dict[str, Callable[[Any], Any]] = {
        "fit": lambda image: shrunk(image, 800, 600),
        "thumbnails": lambda image: shrunk(image, 256, 256),
        "blur": lambda image: filters.gaussian(image, sigma=3, channel_axis=-1),
        "brightness": lambda image: np.clip(util.img_as_float32(image) * 1.3, 0, 1),
        "sharpen": sharp,
        "edges": edges,
        "chain": lambda image: edges(sharp(shrunk(image, 1600, 900))),
    }
    step = steps[row]

    def work(source: str, target: str) -> None:
        result = util.img_as_ubyte(step(io.imread(source)))
        jpeg = {"quality": 85, "subsampling": "4:2:0"} if target.endswith(".jpg") else {}
        io.imsave(target, result, check_contrast=False, **jpeg)

    return work


def floor(row: str) -> Work:
    """Do nothing to the picture: decode as little as the row needs, and encode as much, with libjpeg-turbo."""
    import simplejpeg

    width, height = {"fit": (800, 450), "thumbnails": (256, 192), "chain": (1600, 900)}.get(row, (0, 0))
    colour, subsampling = ("GRAY", "Gray") if row in {"edges", "chain"} else ("RGB", "420")
    kept = threading.local()  # the pixels of each thread's last picture, to be overwritten by the next

    def work(source: str, target: str) -> None:
        with open(source, "rb") as file:
            data = file.read()
        decode = partial(simplejpeg.decode_jpeg, data, colour, min_width=width, min_height=height)
        try:
            pixels = decode(buffer=kept.pixels)
        except (AttributeError, ValueError):  # the first picture, or one of another size
            pixels = decode()
        kept.pixels = pixels
        if width:  # cut to the size of the result
            pixels = pixels[:height, :width].copy()
        with open(target, "wb") as file:
            file.write(simplejpeg.encode_jpeg(pixels, 85, colour, subsampling))

    return work


LIBRARIES: dict[str, Callable[[str], Work]] = {
    "pillow": pillow, "opencv": opencv, "pyvips": pyvips, "skimage": skimage, "floor": floor,
}  # fmt: skip


def main(library: str, row: str, target: str, suffix: str, threads: str) -> None:
    """Send every picture of the current folder through a row."""
    work = LIBRARIES[library](row)
    names = sorted(os.listdir())
    targets = [os.path.join(target, os.path.splitext(name)[0] + suffix) for name in names]
    with ThreadPoolExecutor(int(threads)) as pool:
        for _ in pool.map(work, names, targets):
            pass  # the first error is raised here


if __name__ == "__main__":
    main(*sys.argv[1:])
