"""Filter samples: instances of every registered filter, and random ones, for tests that hold for all of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from PIL import Image

from imgpipe.errors import BadPipeline
from imgpipe.filters import Filter, find, names
from imgpipe.frame import Frame
from imgpipe.pipeline import Pipeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imgpipe.filters import Parameter

# Parameters that lead down different paths. A filter that is not listed is tested with its defaults.
_SAMPLES = {
    "resize": [
        "resize:7x5",
        "resize:7x",
        "resize:x5,kernel=nearest",
        "resize:20x30,enlarge=true",
        "resize:6x6,fit=cover",
        "resize:30x60,fit=cover",
        "resize:30x60,fit=cover,enlarge=true",
        "resize:9x9,fit=contain",
        "resize:50x50,fit=contain,background=#10203080",
        "resize:9x20,fit=fill,kernel=box",
        "resize:3x90,fit=fill,enlarge=true",
        "resize:90x3,fit=fill,enlarge=true",
        "resize:6x8,fit=outside,kernel=bilinear",
    ],
    "crop": ["crop:5x3", "crop:500x3,southeast", "crop:1x1,x=0,y=0", "crop:4x3,x=5,y=2"],
    "pad": ["pad:50x60", "pad:50x,west,background=#ff0000", "pad:x20,background=#00000000", "pad:1x1"],
    "rotate": [f"rotate:{angle}" for angle in (0, 90, 180, 270, -90, 30, 359.5)]
    + ["rotate:90,expand=false", "rotate:200,expand=false", "rotate:45,background=#12345600"],
    "flip": ["flip", "flip:vertical"],
    "blur": ["blur:0", "blur:0.5", "blur:3"],
    "sharpen": ["sharpen", "sharpen:0", "sharpen:amount=4,sigma=2.5,threshold=10"],
    "edges": ["edges", "edges:sobel", "edges:laplacian", "edges:sigma=0", "edges:low=30,high=90", "edges:low=200"],
    "brightness": ["brightness", "brightness:1.5", "brightness:factor=0.5,offset=20"],
    "contrast": ["contrast", "contrast:1.5", "contrast:0,pivot=90"],
    "gamma": ["gamma", "gamma:2.2", "gamma:0.5"],
    "grayscale": ["grayscale"],
    "teach.pyblur": ["teach.pyblur", "teach.pyblur:1", "teach.pyblur:40"],
    "teach.iowait": ["teach.iowait:0", "teach.iowait:0.01"],
}

MODES = ("L", "LA", "RGB", "RGBA")
_CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}


def samples() -> list[Filter]:
    """Return instances of every built-in filter, so that a new one is tested before anybody thinks of it."""
    return [step for name in built_in() for step in _samples_of(name)]


def built_in() -> list[str]:
    """Return the names of the filters that come with imgpipe; tests may have registered more."""
    return [name for name in names() if find(name).__module__.startswith("imgpipe.")]


def noise(mode: str, width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return a picture of noise as an array of shape (height, width, channels); alpha has all of 0, 255 and between."""
    random = np.random.default_rng([seed, width, height])
    pixels = random.integers(0, 256, (height, width, _CHANNELS[mode]), dtype=np.uint8)
    if mode[-1] == "A":
        choice = random.integers(0, 3, (height, width))
        pixels[choice == 0, -1] = 0
        pixels[choice == 1, -1] = 255
    return pixels


def frame_of(mode: str, width: int, height: int, seed: int = 0) -> Frame:
    """Return a frame of noise with an array as its buffer."""
    return Frame.of_array(noise(mode, width, height, seed))


def scene(width: int, height: int, mode: str) -> Image.Image:
    """Return a picture with smooth areas, fine texture and hard edges."""
    y, x = np.mgrid[0:height, 0:width]
    waves = 128 + 60 * np.sin(x / 9) + 50 * np.cos((x + 2 * y) / 23)
    waves[height // 3 : height // 2, width // 4 : width // 2] = 250
    grain = np.random.default_rng(5).normal(0, 8, (height, width, 3))
    pixels = np.clip(waves[..., np.newaxis] * (1, 0.8, 0.6) + grain, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def any_filter(name: str | None = None) -> st.SearchStrategy[Filter]:
    """Return a strategy for valid instances of one filter, or of all."""
    one = st.just(name) if name else st.sampled_from(built_in())
    return one.flatmap(lambda chosen: _instances(find(chosen)))


def values_of(parameter: Parameter) -> st.SearchStrategy[Any]:
    """Return a strategy for the values that a parameter accepts."""
    low = high = None
    above = False
    if parameter.range:
        low = parameter.range.low if parameter.range.above is None else parameter.range.above
        high, above = parameter.range.high, parameter.range.above is not None
    options: list[st.SearchStrategy[Any]] = []
    if float in parameter.kinds:
        options.append(st.floats(low, high, exclude_min=above, allow_nan=False, allow_infinity=False))
    if int in parameter.kinds:
        options.append(st.integers(None if low is None else math.ceil(low), None if high is None else math.floor(high)))
    if bool in parameter.kinds:
        options.append(st.booleans())
    if type(None) in parameter.kinds:
        options.append(st.none())
    if parameter.choices:
        options.append(st.sampled_from(parameter.choices))
    elif parameter.pattern:
        options.append(st.from_regex(parameter.pattern.regex, fullmatch=True))
    elif str in parameter.kinds:
        options.append(st.text(st.characters(exclude_categories=["Cs"])))
    return st.one_of(options)


@st.composite
def _instances(draw: st.DrawFn, cls: type[Filter]) -> Filter:
    values = {
        name: draw(values_of(parameter))
        for name, parameter in cls.parameters().items()
        if parameter.required or draw(st.booleans())
    }
    try:
        return cls(**values)
    except BadPipeline:  # each value is fine, but not together
        assume(condition=False)
        raise


def _samples_of(name: str) -> list[Filter]:
    if name in _SAMPLES:
        return [Pipeline.parse(text).filters[0] for text in _SAMPLES[name]]
    required = any(parameter.required for parameter in find(name).parameters().values())
    if not required:
        return [find(name)()]
    raise LookupError(f"filter {name} needs sample parameters in {__file__}")
