"""as_filter: a plain function over pixels becomes a filter like any other."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray  # noqa: TC002 - a filter's annotations are read when it is made
from PIL import Image, ImageOps

from filter_samples import frame_of
from imgpipe.errors import BadPipeline, FailureCode, PictureError
from imgpipe.filters import Range, as_filter, run_filter
from imgpipe.frame import Frame
from imgpipe.pipeline import Pipeline


def _invert(pixels: NDArray[np.uint8], *, amount: Annotated[int, Range(0, 255), "how far"] = 255) -> Any:
    """Invert."""
    return amount - np.minimum(pixels, amount)


def _posterize(image: Image.Image, bits: Annotated[int, Range(1, 8)], way: Literal["a", "b"] = "a") -> Image.Image:
    """Keep few bits."""
    assert way in ("a", "b")
    return ImageOps.posterize(image, bits)


def _fails(pixels: np.ndarray, way: str = "raise") -> Any:
    """Fail in several ways."""
    if way == "raise":
        return 1 / 0
    if way == "memory":
        raise MemoryError
    if way == "write":
        pixels[:] = 0
    return {
        "none": None,
        "float": pixels / 255,
        "shape": pixels[:, :, 0, np.newaxis].repeat(5, axis=2),
        "empty": pixels[:0],
        "smaller": pixels[::2, ::2],
    }[way]


@pytest.fixture
def invert(own_registry: None) -> type[Any]:
    """Give a filter over arrays."""
    return as_filter(name="test-invert", modes=("L", "RGB"), version=3)(_invert)


@pytest.fixture
def posterize(own_registry: None) -> type[Any]:
    """Give a filter over Pillow images, named after its function."""
    return as_filter(_posterize)


@pytest.fixture
def fails(own_registry: None) -> type[Any]:
    """Give a filter that fails."""
    return as_filter(_fails)


def test_array_functions(invert: type[Any]) -> None:
    """A function over arrays gets uint8 colours without alpha, and alpha is put back."""
    frame = frame_of("RGBA", 9, 7)

    result = Pipeline.parse("test-invert").apply(frame)

    assert "RGBA" == result.mode
    assert np.array_equal(255 - frame.array[..., :3], result.array[..., :3])
    assert np.array_equal(frame.array[..., 3], result.array[..., 3])


def test_image_functions(posterize: type[Any]) -> None:
    """A function over Pillow images gets one in a mode that it knows; grey becomes RGB for it."""
    frame = frame_of("LA", 9, 7)

    result = Pipeline.parse("_posterize:2").apply(frame)

    assert "RGBA" == result.mode
    assert np.array_equal(frame.array[..., 0] & 0b11000000, result.array[..., 0])
    assert Pipeline.parse("_posterize:2").stages(frame.info)[-1].mode == "RGBA"


@pytest.mark.usefixtures("own_registry")
def test_functions_may_draw_on_their_image() -> None:
    """A function that changes the image it was given does not change the one that the caller has."""

    def whiten(image: Image.Image) -> Image.Image:
        image.paste("white", (0, 0, *image.size))
        return image

    original = Image.new("RGB", (4, 4), "red")

    result = run_filter(as_filter(whiten)(), Frame.of_image(original))

    assert (255, 255, 255) == result.image.getpixel((0, 0))
    assert (255, 0, 0) == original.getpixel((0, 0))


def test_it_is_a_filter(invert: type[Any], posterize: type[Any]) -> None:
    """Parameters, checks, forms and version are those of any filter."""
    step = invert(amount=9)

    assert "test-invert:amount=9" == str(step)
    assert {"amount": 9} == step.params()
    assert 3 == step.spec.version
    assert "how far" == step.parameters()["amount"].help
    assert "Invert." == type(step).__doc__
    with pytest.raises(BadPipeline, match=r"test-invert\.amount: expected a whole number"):
        invert(amount=256)
    with pytest.raises(BadPipeline, match=r"_posterize\.bits: missing"):
        Pipeline.parse("_posterize")


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("raise", "_fails failed: ZeroDivisionError: division by zero"),
        ("none", "_fails failed: TypeError: it returned NoneType, not a picture"),
        ("float", "_fails failed: an array of type float64"),
        ("shape", "shape (7, 9, 5) is not a picture"),
        ("empty", "shape (0, 9, 3) is not a picture"),
        ("smaller", "_fails made 5x4 pixels where its plan says 9x7"),
        ("write", "read-only"),
    ],
)
def test_failing_functions_fail_the_picture(fails: type[Any], way: str, message: str) -> None:
    """Whatever a function does wrong is this picture's failure, and names the filter or what it returned."""
    frame = frame_of("RGB", 9, 7)

    with pytest.raises(PictureError) as caught:
        run_filter(fails(way=way), frame)

    assert message in caught.value.message
    assert caught.value.code is FailureCode.FILTER_FAILED


def test_out_of_memory_is_not_the_filters_failure(fails: type[Any]) -> None:
    """A lack of memory is passed on as what it is."""
    with pytest.raises(MemoryError):
        run_filter(fails(way="memory"), frame_of("RGB", 9, 7))


def test_functions_must_say_what_they_take() -> None:
    """Without a usable signature there is no filter, and the message says what to write."""

    def untyped(pixels, strength: float = 1.0):
        return pixels

    def any_keyword(pixels: np.ndarray, **rest: float) -> np.ndarray:
        return pixels

    def no_type(pixels: np.ndarray, strength=1.0) -> np.ndarray:
        return pixels

    def nothing() -> None:
        return None

    with pytest.raises(TypeError, match="untyped: annotate its first argument as"):
        as_filter(untyped)
    with pytest.raises(TypeError, match="any_keyword: name each parameter, without"):
        as_filter(any_keyword)
    with pytest.raises(TypeError, match="strength: a parameter cannot be"):
        as_filter(no_type)
    with pytest.raises(TypeError, match="nothing: it takes no picture"):
        as_filter(nothing)
