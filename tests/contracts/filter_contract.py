"""The filter contract: what every filter promises, whatever it does; subclass `FilterContract` and name the steps."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from filter_samples import MODES, frame_of, noise
from imgpipe.colour import fits, srgb_profile
from imgpipe.errors import PictureError
from imgpipe.frame import Frame
from imgpipe.pipeline import Pipeline

if TYPE_CHECKING:
    from imgpipe.filters import Filter
    from imgpipe.info import ImageInfo

SIZES = [(1, 1), (1, 9), (9, 1), (2, 3), (23, 17)]
FAILED = "failed"


class FilterContract:
    """A fixture `step` gives the filter."""

    @pytest.mark.parametrize("mode", MODES)
    def test_plan_is_what_apply_makes(self, step: Filter, mode: str) -> None:
        """The size and layout foreseen from the header are those of the result, and so is a failure."""
        for width, height in SIZES:
            frame = frame_of(mode, width, height)

            planned, actual = _planned(step, frame.info), _result(step, frame)

            assert planned == _described(actual), f"{width}x{height}"

    @pytest.mark.parametrize("mode", MODES)
    def test_input_is_untouched(self, step: Filter, mode: str) -> None:
        """A filter reads its input and never writes to it, whichever library holds it, even where it could."""
        pixels = noise(mode, 23, 17)
        array = pixels.copy()
        image = Image.fromarray(pixels.squeeze())

        _result(step, Frame.of_array(array))
        _result(step, Frame.of_image(image))

        assert np.array_equal(pixels, array)
        assert np.array_equal(pixels.squeeze(), np.asarray(image))

    @pytest.mark.parametrize("mode", MODES)
    def test_same_input_gives_the_same_output(self, step: Filter, mode: str) -> None:
        """Twice is the same, from a Pillow image, from an array and from one that cannot be written to."""
        pixels = noise(mode, 23, 17)
        locked = pixels.copy()
        locked.flags.writeable = False
        expected = _pixels(_result(step, Frame.of_array(pixels)))

        again = _pixels(_result(step, Frame.of_array(locked)))
        from_pillow = _pixels(_result(step, Frame.of_image(Image.fromarray(pixels.squeeze()))))

        assert np.array_equal(expected, again)
        assert np.array_equal(expected, from_pillow)

    @pytest.mark.parametrize("mode", ["LA", "RGBA"])
    def test_opaque_alpha_changes_nothing(self, step: Filter, mode: str) -> None:
        """A picture with alpha 255 everywhere gives what the same picture without alpha gives, and alpha 255."""
        pixels = noise(mode, 23, 17)
        pixels[..., -1] = 255
        plain = _result(step, Frame.of_array(pixels[..., :-1].copy()))

        opaque = _result(step, Frame.of_array(pixels))

        if plain is None or opaque is None:
            assert plain is opaque
        elif plain.mode == opaque.mode:  # both have none, or a translucent background gave it to both
            assert np.array_equal(_pixels(plain), _pixels(opaque))
        else:
            assert np.array_equal(_pixels(plain), _pixels(opaque)[..., :-1])
            assert _pixels(opaque)[..., -1].min() == 255

    @pytest.mark.parametrize("mode", ["LA", "RGBA"])
    def test_hidden_colour_stays_hidden(self, step: Filter, mode: str) -> None:
        """What lies under alpha 0 has no influence on what is visible."""
        pixels = noise(mode, 23, 17)
        other = noise(mode, 23, 17, seed=1)
        hidden = pixels[..., -1] == 0
        other[~hidden] = pixels[~hidden]
        other[..., -1] = pixels[..., -1]

        one, two = _result(step, Frame.of_array(pixels)), _result(step, Frame.of_array(other))

        assert np.array_equal(_visible(one), _visible(two))

    @pytest.mark.parametrize("mode", ["RGB", "RGBA"])
    def test_profile_fits_the_pixels(self, step: Filter, mode: str) -> None:
        """A profile comes out only where it describes the pixels, and no colour changes for having had sRGB's."""
        pixels = noise(mode, 23, 17)
        plain = _result(step, Frame.of_array(pixels))

        result = _result(step, Frame.of_array(pixels, srgb_profile()))

        assert np.array_equal(_pixels(plain), _pixels(result))
        assert result is None or result.icc is None or fits(result.icc, result.mode)

    def test_every_form_reads_back(self, step: Filter) -> None:
        """Text, JSON and a pickle say the same as the filter."""
        pipeline = Pipeline([step])

        read_back = [
            Pipeline.parse(str(pipeline)),
            Pipeline.from_json(pipeline.to_json()),
            pickle.loads(pickle.dumps(pipeline)),
        ]

        assert [pipeline] * 3 == read_back
        assert {pipeline.fingerprint} == {other.fingerprint for other in read_back}

    def test_memory_is_foreseen(self, step: Filter) -> None:
        """The estimate covers at least the picture that goes in and the one that comes out."""
        info = frame_of("RGBA", 23, 17).info
        pipeline = Pipeline([step])
        unchanged = pipeline.is_identity(info)

        estimate = pipeline.memory_bytes(info)

        assert estimate >= info.frame_bytes + (0 if unchanged else pipeline.stages(info)[-1].frame_bytes)

    def test_says_what_it_is(self, step: Filter) -> None:
        """The class and each parameter have a sentence of help."""
        assert type(step).__doc__
        assert all(parameter.help for parameter in step.parameters().values())


class IdentityContract:
    """A fixture `step` gives a filter whose `is_identity` says yes to pictures of 23x17 pixels in every mode."""

    @pytest.mark.parametrize("mode", MODES)
    def test_identity_is_bit_for_bit(self, step: Filter, mode: str) -> None:
        """A filter that says it would change nothing changes nothing, not even colour under alpha 0."""
        frame = frame_of(mode, 23, 17)

        result = Pipeline([step]).apply(frame)

        assert Pipeline([step]).is_identity(frame.info)
        assert frame.mode == result.mode
        assert np.array_equal(frame.array, result.array)

    @pytest.mark.parametrize("mode", MODES)
    def test_apply_agrees(self, step: Filter, mode: str) -> None:
        """`apply` itself, asked all the same, leaves what is visible as it is."""
        frame = frame_of(mode, 23, 17)

        result = step.apply(frame.in_pillow() if step.spec.backend == "pillow" else frame.in_numpy())

        assert np.array_equal(_visible(frame), _visible(result))


def _result(step: Filter, frame: Frame) -> Frame | None:
    """Run the filter; the only thing that it may raise is `PictureError`."""
    try:
        return Pipeline([step]).apply(frame).straight()
    except PictureError:
        return None


def _planned(step: Filter, info: ImageInfo) -> object:
    try:
        after = Pipeline([step]).stages(info)[-1]
    except PictureError:
        return FAILED
    return after.width, after.height, after.mode


def _described(frame: Frame | None) -> object:
    return FAILED if frame is None else (frame.width, frame.height, frame.mode)


def _pixels(frame: Frame | None) -> np.ndarray:
    """Return the pixels with an axis of channels, even for one."""
    return np.zeros((0, 0, 0)) if frame is None else frame.array.reshape(frame.height, frame.width, -1)


def _visible(frame: Frame | None) -> np.ndarray:
    """Return the pixels with colour set to 0 where alpha is."""
    pixels = _pixels(frame).copy()
    if frame is not None and frame.mode[-1] == "A":
        pixels[pixels[..., -1] == 0] = 0
    return pixels
