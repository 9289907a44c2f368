"""Colour management: reads ICC profiles and converts pixels to sRGB with LittleCMS."""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image, ImageCms

_SPACE_OF_MODE = {"L": b"GRAY", "LA": b"GRAY", "La": b"GRAY", "CMYK": b"CMYK", "LAB": b"Lab "}


def profile_space(profile: bytes) -> bytes:
    """Return the four-letter colour space of an ICC profile (`b"RGB "`, `b"GRAY"`, …), or `b""` if it is not one."""
    return profile[16:20] if len(profile) >= 128 and profile[36:40] == b"acsp" else b""


def fits(profile: bytes, mode: str) -> bool:
    """Whether a profile describes pixels of this mode."""
    return profile_space(profile) == _SPACE_OF_MODE.get(mode, b"RGB ")


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """Return the sRGB profile that imgpipe embeds, the same bytes on every run."""
    raw = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    raw[24:36] = bytes.fromhex("07d000010001000000000000")  # created 2000-01-01: LittleCMS writes the time of day here
    raw[84:100] = bytes(16)  # the profile id is a checksum of the rest; zero means "not computed"
    return bytes(raw)


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert `image` from `profile` to sRGB (relative colorimetric, black point compensation).

    Takes modes L, RGB, CMYK and LAB, returns RGB. Raises `ImageCms.PyCMSError` for a damaged profile, and for one that
    is not for pixels of this mode. Threads may share a transform: LittleCMS changes nothing in it while it runs.
    """
    if not fits(profile, image.mode):
        raise ImageCms.PyCMSError(f"the profile is not for pixels of mode {image.mode}")
    make = _transform if len(profile) <= _CACHED_PROFILE_BYTES else _build
    transform = make(profile, image.mode)
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # only inPlace=True returns None
    return converted


# Building a transform takes milliseconds and a folder has few different profiles; giant ones are not kept alive.
_CACHED_PROFILE_BYTES = 1 << 20


def _build(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except OSError as error:
        raise ImageCms.PyCMSError(str(error)) from error
    return ImageCms.buildTransform(
        source,
        ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


_transform = lru_cache(maxsize=8)(_build)
