"""Encode: writes frames in one of the formats, with everything the format can keep of profile and metadata."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Literal, cast

from PIL import Image, ImageFile

from imgpipe.errors import FailureCode, PictureError
from imgpipe.frame import Frame
from imgpipe.pictures.decode import TimedFrame
from imgpipe.pictures.encoders import Saving, mend, settings_for
from imgpipe.pictures.formats import BY_NAME, Format
from imgpipe.pictures.metadata import cleaned, fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.info import ImageInfo, Mode
    from imgpipe.pictures.metadata import Metadata
    from imgpipe.pictures.options import WriteOptions


@dataclass(frozen=True, slots=True)
class Source:
    """What an encoder must know of the picture that the frames came from.

    `plays` is how often an animation is shown, 0 for ever; `poster` says that the first frame is not part of it.
    """

    metadata: Metadata
    tiff_compression: str = ""
    plays: int = 1
    poster: bool = False


@dataclass(frozen=True, slots=True)
class Encoded:
    """A JPEG that another encoder has made: its bytes, still without metadata, and what is known of its pixels."""

    body: bytes
    width: int
    height: int
    mode: Literal["L", "RGB"]
    icc: bytes | None
    notes: tuple[str, ...] = ()


def target_format(info: ImageInfo, options: WriteOptions) -> Format:
    """Return the format in which a picture is to be written."""
    return BY_NAME[info.format if options.format == "keep" else options.format]


def check_frames(info: ImageInfo, format_: Format) -> None:
    """Refuse to lose frames. Raises `PictureError` ANIMATED if `format_` cannot hold all of a picture's frames."""
    kind = BY_NAME[info.format].sequence
    if info.frames > 1 and format_.sequence != kind:
        what = f"{info.frames} pages" if kind == "pages" else f"an animation of {info.frames} frames"
        remedy = "--frames first takes the first alone"
        raise PictureError(FailureCode.ANIMATED, f"{format_.name} cannot hold {what}", remedy)


def encode(
    frames: Sequence[TimedFrame], source: Source, format_: Format, options: WriteOptions, file: IO[bytes]
) -> tuple[str, ...]:
    """Write all frames to `file`, a real file, and return notes of what the format could not keep.

    Raises `PictureError` CANNOT_ENCODE for what can be told beforehand, and whatever Pillow raises while it writes.
    """
    _check_sides(frames, format_)
    metadata = fitted(cleaned(source.metadata, options.metadata, strip_gps=options.strip_gps), format_.name)
    notes = list(metadata.notes)
    poster = source.poster and len(frames) > 1
    if poster and format_.name != "png":
        frames, poster = frames[1:], False
        notes.append("poster-dropped")
    ready = [_ready(timed.frame, format_, options, notes) for timed in frames]
    if len(ready) > 1:
        ready = _alike(ready)
    saving = Saving(
        images=[_bare(frame) for frame in ready],
        milliseconds=[timed.milliseconds for timed in frames],
        icc=ready[0].icc,
        metadata=metadata,
        options=options,
        notes=notes,
        tiff_compression=source.tiff_compression,
        plays=source.plays,
        poster=poster,
    )
    settings = settings_for(format_, saving)
    saving.images[0].save(file, format_.pillow, **settings)
    mend(file, format_, saving)
    return tuple(dict.fromkeys(notes))


def insert(encoded: Encoded, source: Source, options: WriteOptions, file: IO[bytes]) -> tuple[str, ...]:
    """Write a JPEG to `file` with all that `encode` would have written beside its pixels, and return its notes."""
    # What that is, and how it is written, is known in one place: a tiny picture is encoded, and lends its segments.
    tiny, segments = Frame.of_image(Image.new(encoded.mode, (1, 1)), encoded.icc), io.BytesIO()
    timed = TimedFrame(replace(tiny, notes=encoded.notes))
    notes = encode([timed], source, BY_NAME["jpeg"], options, segments)
    head = segments.getvalue()
    file.write(head[: _metadata_end(head)])
    file.write(memoryview(encoded.body)[_metadata_end(encoded.body) :])
    return notes


def _metadata_end(jpeg: bytes) -> int:
    """Return where the segments end that tell of a picture, and those begin that its decoder needs."""
    at = 2
    while 0xE0 <= jpeg[at + 1] <= 0xEF or jpeg[at + 1] == 0xFE:  # APP0 to APP15, and comments
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return at


def _check_sides(frames: Sequence[TimedFrame], format_: Format) -> None:
    for timed in frames:
        longest = max(timed.frame.width, timed.frame.height)
        if longest > format_.max_side:
            message = f"{format_.name} ends at {format_.max_side} pixels a side, the picture has {longest}"
            raise PictureError(FailureCode.CANNOT_ENCODE, message, "resize it, or choose another --format")


def _ready(frame: Frame, format_: Format, options: WriteOptions, notes: list[str]) -> Frame:
    """Give a frame the layout that the format stores."""
    frame = frame.straight().in_pillow()
    if not format_.icc and frame.icc is not None:
        frame = replace(frame.in_srgb(), icc=None)
    if frame.mode[-1] == "A" and not format_.alpha:
        frame = _flattened(frame, options.background, notes)
    elif frame.mode[-1] == "A" and format_.name == "gif":
        frame = _without_half_alpha(frame, notes)
    elif format_.name == "webp" or (format_.name == "avif" and frame.mode == "LA"):
        frame = frame.in_colours("RGB")  # there is no such grey in these, but a profile for grey would stay
    notes.extend(frame.notes)
    return frame


def _flattened(frame: Frame, background: str, notes: list[str]) -> Frame:
    """Take alpha away: lay the frame over a colour, unless it is opaque."""
    alpha = frame.image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return frame.with_image(frame.image.convert("RGB" if frame.mode == "RGBA" else "L"))
    notes.append("flattened")
    red, green, blue = bytes.fromhex(background[1:])
    if not red == green == blue:
        frame = frame.in_colours("RGB")
    colours = frame.image.convert("RGB" if frame.mode == "RGBA" else "L")
    backing = Image.new(colours.mode, colours.size, (red, green, blue) if colours.mode == "RGB" else red)
    backing.paste(colours, mask=alpha)  # unlike alpha_composite, lets other threads run
    return frame.with_image(backing)


def _without_half_alpha(frame: Frame, notes: list[str]) -> Frame:
    """Make every pixel visible or not, as a GIF has it; what is not visible is black, to waste no colours on it."""
    image = frame.image.convert("RGBA")
    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return frame.with_image(image.convert("RGB"))
    if any(alpha.histogram()[1:255]):
        notes.append("alpha-thresholded")
    visible = alpha.point([0] * 128 + [255] * 128)
    clean = Image.new("RGBA", image.size)
    image.putalpha(255)
    clean.paste(image, mask=visible)
    return frame.with_image(clean)


def _alike(frames: list[Frame]) -> list[Frame]:
    """Give all frames of one file the richest layout among them, and one profile."""
    if len({(frame.mode, frame.icc) for frame in frames}) == 1:
        return frames
    if len({frame.icc for frame in frames}) > 1:
        frames = [frame.in_srgb() for frame in frames]
    colours: Literal["L", "RGB"] = "L" if all(frame.mode[0] == "L" for frame in frames) else "RGB"
    alpha = "A" if any(frame.mode[-1] == "A" for frame in frames) else ""
    frames = [frame.in_colours(colours).in_mode(cast("Mode", colours + alpha)) for frame in frames]
    profile = next((frame.icc for frame in frames if frame.icc is not None), None)
    return [replace(frame, icc=profile) for frame in frames]  # pixels without a profile are taken for sRGB


def _bare(frame: Frame) -> Image.Image:
    """Return pixels alone: encoders take what they are not told from the image's `info` and tags."""
    image = frame.image
    if isinstance(image, ImageFile.ImageFile):
        image = image.copy()
    image.info = {}
    return image
