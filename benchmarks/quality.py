"""Quality: how far a peer's pixels are from the exact ones, which are computed here the long way."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

EQUAL_DB = 100.0
"""What stands for pixels that are all the same, whose PSNR is infinite."""


def exact(row: str, source: Path) -> Pixels:
    """Do a row without any shortcut: everything decoded, Lanczos by Pillow, filters in floating point."""
    with Image.open(source) as opened:
        image = opened.convert("RGB")
    if row in {"fit", "thumbnails", "chain"}:
        box = {"fit": (800, 600), "thumbnails": (256, 256), "chain": (1600, 900)}[row]
        scale = min(box[0] / image.width, box[1] / image.height, 1)
        size = (max(math.floor(image.width * scale + 0.5), 1), max(math.floor(image.height * scale + 0.5), 1))
        image = image.resize(size, Image.Resampling.LANCZOS)
    values = np.asarray(image).astype(np.float32)
    if row == "blur":
        return _rounded(_blurred(values, 3))
    if row == "brightness":
        return _rounded(values * np.float32(1.3))
    if row in {"sharpen", "chain"}:
        values = 2 * values - _blurred(values, 1)
    if row in {"edges", "chain"}:
        grey = np.asarray(Image.fromarray(_rounded(values)).convert("L"))
        return _rounded(cv2.Canny(_rounded(_blurred(grey.astype(np.float32), 1)), 100, 200, L2gradient=True))
    return _rounded(values)


def compare(pairs: list[tuple[Pixels, Path]]) -> dict[str, Any]:
    """Return median and minimum of PSNR (dB) and SSIM of pictures against the exact ones; none if a size differs."""
    noises, likenesses = [], []
    for reference, path in pairs:
        with Image.open(path) as opened:
            actual = np.asarray(opened.convert("L" if reference.ndim == 2 else "RGB"))
        if actual.shape != reference.shape:
            return {"psnr_db": None, "ssim": None}
        noises.append(psnr_db(reference, actual))
        likenesses.append(ssim(_grey(reference), _grey(actual)))
    return {
        "psnr_db": [round(statistics.median(noises), 2), round(min(noises), 2)],
        "ssim": [round(statistics.median(likenesses), 5), round(min(likenesses), 5)],
    }


def psnr_db(reference: Pixels, actual: Pixels) -> float:
    """Return the peak signal-to-noise ratio, over all channels."""
    error = float(np.square(reference.astype(np.float32) - actual).mean(dtype=np.float64))
    return min(10 * math.log10(255**2 / error), EQUAL_DB) if error else EQUAL_DB


def ssim(reference: Pixels, actual: Pixels) -> float:
    """Return the structural similarity of two grey pictures: Gaussian windows of sigma 1.5, as in its definition."""
    x, y = reference.astype(np.float64), actual.astype(np.float64)
    mean_x, mean_y = _blurred(x, 1.5), _blurred(y, 1.5)
    variances = _blurred(x * x, 1.5) + _blurred(y * y, 1.5) - mean_x**2 - mean_y**2
    covariance = _blurred(x * y, 1.5) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    alike = (2 * mean_x * mean_y + c1) * (2 * covariance + c2) / ((mean_x**2 + mean_y**2 + c1) * (variances + c2))
    return float(alike.mean())


def _grey(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 2 else np.asarray(Image.fromarray(pixels).convert("L"))


def _blurred(values: Any, sigma: float) -> Any:
    return cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def _rounded(values: Any) -> Pixels:
    rounded: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded
