"""Decode: turns an open picture into frames that stand upright, in a layout and with a profile that filters know."""

from __future__ import annotations

import contextlib
import ctypes
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms, TiffImagePlugin, _imaging

from imgpipe.colour import fits, srgb_profile, to_srgb
from imgpipe.errors import FailureCode, PictureError
from imgpipe.frame import MODES, Frame
from imgpipe.pictures.header import DAMAGED, muted, translated
from imgpipe.pictures.turbo import decode_array
from imgpipe.pictures.wholeness import check_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import ImageFile

    from imgpipe.info import ImageInfo, Mode
    from imgpipe.pictures.header import Header
    from imgpipe.pictures.options import ReadOptions

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# libtiff would print what it thinks of a damaged file; Pillow silences its warnings alone. Where Pillow has libtiff
# inside of itself, the function cannot be reached.
with contextlib.suppress(AttributeError, OSError):
    ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A frame and how long an animation shows it, in milliseconds."""

    frame: Frame
    milliseconds: float = 0.0


def decode(
    header: Header, options: ReadOptions, *, scale: int = 1, luma: bool = False, array: bool = False
) -> Iterator[TimedFrame]:
    """Decode the frames of a picture one after the other.

    Of a JPEG, `scale` (1, 2, 4 or 8) divides the sides, rounded up, and `luma` leaves the colours out: the decoder does
    both by doing less. With `array`, frames come as arrays; of a JPEG, other engines than Pillow make it at once.

    Raises `PictureError`: TRUNCATED, UNREADABLE, READ_ERROR, SIXTEEN_BIT, MODE_UNSUPPORTED, TOO_LARGE, and CHANGED if
    somebody wrote to the file meanwhile.
    """
    count = 1 if options.frames == "first" else header.info.frames
    with _unchanged(header):
        with _reading():
            check_whole(header.file, header.info.format)
        if array and options.engine != "pillow" and header.info.format == "jpeg" and header.image.mode in ("L", "RGB"):
            with _reading():
                frame = _array_frame(header, scale=scale, luma=luma)
            yield TimedFrame(frame)
            return
        if scale > 1 or luma:
            width, height = header.image.size
            header.image.draft("L" if luma else header.image.mode, (width // scale, height // scale))
        for number in range(count):
            with _reading():
                image = _loaded(header.image, header.info, number)
                frame = _framed(image, header, number, options)
                frame = frame.in_numpy() if array else frame
                milliseconds = float(image.info.get("duration") or 0)
                if number == header.info.frames - 1:
                    frame = _released(frame, header.image)
            yield TimedFrame(frame.noting("frames-dropped") if count < header.info.frames else frame, milliseconds)


@contextlib.contextmanager
def decoding(header: Header) -> Iterator[None]:
    """Guard a decoder of somebody else's: raises what `decode` raises, if it raises `ValueError` on damage."""
    with _unchanged(header), _reading():
        check_whole(header.file, header.info.format)
        yield


def kept_profile(header: Header, mode: Mode) -> tuple[bytes | None, tuple[str, ...]]:
    """Return the profile of the file if it fits pixels of this mode, and notes."""
    if header.icc is None or fits(header.icc, mode):
        return header.icc, ()
    return None, ("profile-dropped",)


def verify(header: Header) -> None:
    """Decode all frames for nothing but to know that the file is whole. Raises what `decode` raises, but for depths."""
    with decoding(header):
        for number in range(header.info.frames):
            _loaded(header.image, header.info, number)


def check_depth(info: ImageInfo, options: ReadOptions) -> None:
    """Refuse pictures that would silently lose depth. Raises `PictureError` SIXTEEN_BIT or MODE_UNSUPPORTED."""
    _check_depth(info.stored_mode, info.bits, allow_8bit=options.allow_8bit)


def to_frame(image: Image.Image, icc: bytes | None, *, bits: int = 8, allow_8bit: bool = False) -> Frame:
    """Expand palettes, bits and inks to one of the layouts that frames have; drop a profile that does not fit them.

    `bits` are those of a channel on disk. Raises what `check_depth` raises.
    """
    bits = 16 if bits == 8 and image.mode.startswith("I;16") else bits
    _check_depth(image.mode, bits, allow_8bit=allow_8bit)
    note = ""
    if image.mode in ("CMYK", "LAB"):
        image, icc, note = _printed(image, icc)
    elif image.mode.startswith("I;16"):
        image = _reduced(image, bits)
    elif image.mode in ("La", "RGBa"):
        image = image.convert(image.mode.upper())
    elif image.mode in ("1", "L", "RGB") and "transparency" in image.info:
        image = _with_key(image, bits)
    elif image.mode not in MODES:
        image = image.convert(_expanded(image))
    if icc is not None and not fits(icc, image.mode):
        icc, note = None, "profile-dropped"
    frame = Frame.of_image(image, icc)
    frame = frame.noting(note) if note else frame
    return frame.noting("reduced-to-8-bit") if bits > 8 else frame


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """Translate what Pillow raises on damaged pictures, and keep it quiet."""
    with muted():
        try:
            yield
        except (OSError, ImageCms.PyCMSError, *DAMAGED) as error:
            raise translated(error) from error


@contextlib.contextmanager
def _unchanged(header: Header) -> Iterator[None]:
    """Raise CHANGED if somebody writes to the file meanwhile, whatever else that leads to."""
    before = os.fstat(header.file.fileno())
    failed: PictureError | None = None
    try:
        yield
    except PictureError as error:
        failed = error
    after = os.fstat(header.file.fileno())
    sizes = {header.info.file_bytes, before.st_size, after.st_size}
    if len(sizes) > 1 or before.st_mtime_ns != after.st_mtime_ns:
        message = "somebody wrote to the file while it was read"
        raise PictureError(FailureCode.CHANGED, message, "run again") from failed
    if failed is not None:
        raise failed


def _loaded(image: ImageFile.ImageFile, info: ImageInfo, number: int) -> ImageFile.ImageFile:
    if number:
        image.seek(number)
        if image.width * image.height > info.pixels * 4:
            raise PictureError(FailureCode.TOO_LARGE, f"page {number + 1} is much larger than the first")
    image.load()
    return image


def _framed(image: ImageFile.ImageFile, header: Header, number: int, options: ReadOptions) -> Frame:
    bits, icc = header.info.bits, header.icc
    if number and isinstance(image, TiffImagePlugin.TiffImageFile):  # each page has a depth and a profile of its own
        depths = image.tag_v2.get(258, 1)
        bits = int(max(depths) if isinstance(depths, tuple) else depths)
        icc = image.tag_v2.get(34675)
    frame = to_frame(image, icc, bits=bits, allow_8bit=options.allow_8bit)
    if frame.buffer is image and header.info.frames > 1:
        frame = frame.with_image(image.copy())  # the decoder puts the next frame into the same object
    turn = _TURNS.get(header.info.orientation)
    return frame if turn is None else frame.with_image(frame.image.transpose(turn))


def _released(frame: Frame, decoder: ImageFile.ImageFile) -> Frame:
    """Let the decoder forget the last pixels that it made. It stays open to the end, for what else it knows."""
    if frame.buffer is decoder:
        frame = frame.with_image(decoder._new(decoder.im))  # noqa: SLF001 - a public copy() would double the pixels
    Image.Image.close(decoder)  # not its own close(), which closes the file
    return frame


def _array_frame(header: Header, *, scale: int, luma: bool) -> Frame:
    width, height = header.image.size
    luma = luma or header.image.mode == "L"
    pixels = decode_array(header.file, width, height, scale=scale, luma=luma)
    icc, notes = kept_profile(header, "L" if luma else "RGB")
    frame = replace(Frame.of_array(pixels, icc), notes=notes)
    turn = _TURNS.get(header.info.orientation)
    return frame if turn is None else frame.with_image(frame.image.transpose(turn))


def _check_depth(mode: str, bits: int, *, allow_8bit: bool) -> None:
    if mode in ("I", "F"):
        message = f"numbers of 32 bits ({mode}) have no fixed black and white"
        raise PictureError(FailureCode.MODE_UNSUPPORTED, message, "convert the picture to 8 bits first")
    if bits > 8 and not allow_8bit:
        message = f"{bits} bits per channel would be reduced to 8"
        raise PictureError(FailureCode.SIXTEEN_BIT, message, "--allow-8bit if that is what you want")


def _expanded(image: Image.Image) -> str:
    if image.mode == "1":
        return "L"
    return "RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB"


def _with_key(image: Image.Image, bits: int) -> Image.Image:
    """Turn the one colour that a PNG names as transparent into alpha. The name has the depth of the file."""
    named = key = image.info["transparency"]
    if image.mode == "L" and isinstance(key, int) and bits < 8:
        key = min(key * 255 // ((1 << bits) - 1), 255)
    elif image.mode == "RGB" and isinstance(key, tuple) and bits > 8:
        key = tuple(value >> (bits - 8) for value in key)
    if key != named:
        image = image.copy()
        image.info["transparency"] = key
    return image.convert("RGBA" if image.mode == "RGB" else "LA")


def _printed(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None, str]:
    """Convert CMYK and Lab to sRGB: by the profile, or by plain formulas where there is none."""
    if icc is not None and fits(icc, image.mode):
        with contextlib.suppress(ImageCms.PyCMSError, OSError):  # a profile may be anything
            return to_srgb(image, icc), srgb_profile(), ""
    if image.mode == "LAB":
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
        return to_srgb(image, lab), srgb_profile(), "profile-assumed"
    return image.convert("RGB"), None, "profile-assumed"


def _reduced(image: Image.Image, bits: int) -> Image.Image:
    """Scale grey of up to 16 bits to 8, rounded; Pillow's own conversion would clip at 255."""
    values = np.asarray(image).astype(np.uint32)
    most = (1 << bits) - 1
    grey = ((values * 255 + most // 2) // most).astype(np.uint8)
    key = image.info.get("transparency")
    return Image.fromarray(grey if key is None else np.dstack((grey, np.where(values == key, 0, 255).astype(np.uint8))))
