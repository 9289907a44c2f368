"""Frame: the pixels of one picture in one native buffer, converted between libraries only when a filter asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image, ImageCms

from imgpipe import colour
from imgpipe.errors import FailureCode, PictureError
from imgpipe.info import ImageInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imgpipe.info import Mode

    Pixels = NDArray[np.uint8]

MODES: tuple[Mode, ...] = ("L", "LA", "RGB", "RGBA", "La", "RGBa")
_MODE_OF_CHANNELS: dict[int, Mode] = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_WITHOUT_ALPHA: dict[Mode, Mode] = {"L": "L", "LA": "L", "RGB": "RGB", "RGBA": "RGB"}
_WITH_ALPHA: dict[Literal["L", "RGB"], Mode] = {"L": "LA", "RGB": "RGBA"}


@dataclass(frozen=True, slots=True)
class Frame:
    """Pixels, their layout and their colour profile.

    `buffer` is either a Pillow image or a uint8 array of shape (height, width) for L and (height, width, channels)
    for LA, RGB and RGBA, in that order of channels. `conversions` counts how often the pixels have crossed from one
    library to the other; `notes` collects what a filter had to give up.
    """

    buffer: Image.Image | Pixels
    mode: Mode
    icc: bytes | None = None
    conversions: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def of_image(cls, image: Image.Image, icc: bytes | None = None) -> Frame:
        """Wrap a Pillow image in one of the modes of `MODES`."""
        if image.mode not in MODES:
            raise PictureError(FailureCode.MODE_UNSUPPORTED, f"a frame cannot hold pixels of mode {image.mode}")
        return cls(image, image.mode, icc)

    @classmethod
    def of_array(cls, array: NDArray[Any], icc: bytes | None = None) -> Frame:
        """Wrap a uint8 array of shape (h, w), (h, w, 1), (h, w, 2), (h, w, 3) or (h, w, 4)."""
        return cls(*_checked(array), icc)

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.buffer.width if isinstance(self.buffer, Image.Image) else int(self.buffer.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.buffer.height if isinstance(self.buffer, Image.Image) else int(self.buffer.shape[0])

    @property
    def info(self) -> ImageInfo:
        """Size and layout, as a header would tell them."""
        return ImageInfo(width=self.width, height=self.height, mode=self.mode, has_profile=self.icc is not None)

    @property
    def image(self) -> Image.Image:
        """The pixels as a Pillow image; treat it as read-only."""
        return self.buffer if isinstance(self.buffer, Image.Image) else Image.fromarray(self.buffer)

    @property
    def array(self) -> Pixels:
        """The pixels as a uint8 array; it cannot be written to."""
        pixels = (self.buffer if isinstance(self.buffer, np.ndarray) else _as_array(self.buffer)).view()
        pixels.flags.writeable = False
        return pixels

    def in_pillow(self) -> Frame:
        """Return this frame with a Pillow image as its buffer."""
        if isinstance(self.buffer, Image.Image):
            return self
        return replace(self, buffer=self.image, conversions=self.conversions + 1)

    def in_numpy(self) -> Frame:
        """Return this frame with an array as its buffer."""
        if isinstance(self.buffer, np.ndarray):
            return self
        return replace(self, buffer=self.array, conversions=self.conversions + 1)

    def with_image(self, image: Image.Image) -> Frame:
        """Return this frame with the pixels of a Pillow image. A profile that does not fit them is dropped."""
        fresh = Frame.of_image(image)
        return _with_fitting_profile(replace(self, buffer=fresh.buffer, mode=fresh.mode))

    def with_array(self, array: NDArray[Any]) -> Frame:
        """Return this frame with the pixels of an array; premultiplied frames stay premultiplied.

        A profile that does not fit them is dropped.
        """
        buffer, mode = _checked(array)
        if self.mode[-1] == "a" and mode[-1] == "A":
            mode = "La" if mode == "LA" else "RGBa"
        return _with_fitting_profile(replace(self, buffer=buffer, mode=mode))

    def in_mode(self, mode: Mode) -> Frame:
        """Return this frame in another layout. Removing alpha drops it and blends nothing.

        Going to and from grey drops the profile; see `in_colours` to obey it instead.
        """
        if self.mode == mode:
            return self
        frame = self.in_pillow()
        image = frame.image
        if image.mode == "La" and mode != "La":
            image = image.convert("LA")
        elif image.mode == "RGBa" and mode != "RGBa":
            image = image.convert("RGBA")
        if mode == "RGBa":
            image = image.convert("RGBA").convert("RGBa")
        elif mode == "La":
            image = image.convert("LA").convert("La")
        else:
            image = image.convert(mode)
        return _with_fitting_profile(replace(frame, buffer=image, mode=mode))

    def in_srgb(self) -> Frame:
        """Return this frame with its colours converted from its profile to sRGB, alpha untouched.

        Without a profile that fits, it is returned as it is: such pixels are taken for sRGB. A grey profile gives RGB.
        A profile that cannot be read is dropped, with the note `profile-unreadable`.
        """
        if self.icc is None or self.icc == colour.srgb_profile() or not colour.fits(self.icc, self.mode):
            return self
        frame = self.straight().in_pillow()
        alpha = frame.image.getchannel("A") if frame.mode[-1] == "A" else None
        try:
            image = colour.to_srgb(frame.in_mode(_WITHOUT_ALPHA[frame.mode]).image, self.icc)
        except ImageCms.PyCMSError:
            return replace(self, icc=None).noting("profile-unreadable")
        if alpha is not None:
            image.putalpha(alpha)
        return replace(frame, buffer=image, mode="RGBA" if alpha else "RGB", icc=colour.srgb_profile())

    def in_colours(self, colours: Literal["L", "RGB"]) -> Frame:
        """Return this frame in grey or in colour, alpha kept; the profile is obeyed where that changes anything.

        Grey made from colour is the luma of sRGB (ITU-R 601) and has no profile.
        """
        if self.mode.startswith(colours):
            return self
        frame = self.straight().in_srgb()
        if colours == "L" and frame.icc == colour.srgb_profile():
            frame = replace(frame, icc=None)
        return frame.in_mode(_WITH_ALPHA[colours] if frame.mode[-1] == "A" else colours)

    def straight(self) -> Frame:
        """Return this frame with colour that is not premultiplied by alpha."""
        return self.in_mode("LA") if self.mode == "La" else self.in_mode("RGBA") if self.mode == "RGBa" else self

    def premultiplied(self) -> Frame:
        """Return this frame with colour premultiplied by alpha, where it has alpha."""
        return self.in_mode("La") if self.mode == "LA" else self.in_mode("RGBa") if self.mode == "RGBA" else self

    def noting(self, note: str) -> Frame:
        """Return this frame with one more note; the same note twice says nothing new."""
        return self if note in self.notes else replace(self, notes=(*self.notes, note))


def _with_fitting_profile(frame: Frame) -> Frame:
    if frame.icc is None or colour.fits(frame.icc, frame.mode):
        return frame
    return replace(frame, icc=None).noting("profile-dropped")


_ROWS = 16
"""Rows that are copied at a time. Pillow would gather the bytes of all in pieces and then join them: twice the memory,
and other threads waiting all the while."""


def _as_array(image: Image.Image) -> Pixels:
    if image.height <= _ROWS:
        return np.asarray(image)
    pixels = np.empty((image.height, image.width, *np.asarray(image.crop((0, 0, 1, 1))).shape[2:]), np.uint8)
    for top in range(0, image.height, _ROWS):
        bottom = min(top + _ROWS, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return pixels


def _checked(array: NDArray[Any]) -> tuple[Pixels, Mode]:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    channels = 1 if array.ndim == 2 else array.shape[2] if array.ndim == 3 else 0
    if array.dtype != np.uint8 or channels not in _MODE_OF_CHANNELS or array.size == 0:
        raise PictureError(
            FailureCode.MODE_UNSUPPORTED,
            f"an array of type {array.dtype} and shape {array.shape} is not a picture",
            "give uint8 of shape (height, width) or (height, width, 2, 3 or 4)",
        )
    return np.ascontiguousarray(array), _MODE_OF_CHANNELS[channels]
