"""Header: opens a picture without trusting it, and says what it is before any pixel is decoded."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import struct
import warnings
import zlib
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Self

# All decoders at once: Pillow's own loading on demand is not made for threads that begin together.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from imgpipe.display import display_name
from imgpipe.errors import FailureCode, PictureError
from imgpipe.info import ImageInfo, Mode
from imgpipe.pictures.formats import BY_NAME, Format, avif_bits, sniff
from imgpipe.pictures.metadata import Metadata, orientation_of, read_metadata
from imgpipe.pictures.tiff import Tiff
from imgpipe.pictures.walks import check_frames, check_pixels, walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from imgpipe.pictures.options import Limits

_HEAD_BYTES = 4096
_BLOCK_BYTES = 4 << 20  # Pillow's 64 KiB would take and give back the interpreter's lock 160 times per 10 MB

_DECODERS: dict[str, type[ImageFile.ImageFile]] = {
    "jpeg": JpegImagePlugin.JpegImageFile,  # also of several pictures in one file (MPO), of which the first counts
    "png": PngImagePlugin.PngImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "tiff": TiffImagePlugin.TiffImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "avif": AvifImagePlugin.AvifImageFile,
}

# What Pillow's plugins raise on damaged files, beside OSError.
DAMAGED = (SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, struct.error, zlib.error,
           AttributeError, RuntimeError, AssertionError, Image.DecompressionBombError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """An open picture of which only the header has been read; close it, or use it in a `with` block."""

    path: str
    file: BinaryIO
    image: ImageFile.ImageFile
    format: Format
    info: ImageInfo
    metadata: Metadata
    icc: bytes | None
    permissions: int
    notes: tuple[str, ...]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.image.close()
        self.file.close()


def open_header(path: str, limits: Limits) -> Header:
    """Open a picture and check it against the limits.

    Raises `PictureError`: NOT_FOUND, NOT_A_FILE, PERMISSION_DENIED, READ_ERROR, UNREADABLE, FORMAT_NOT_ALLOWED,
    TRUNCATED, TOO_LARGE, TOO_MANY_FRAMES.
    """
    file, status = _open_file(path)
    try:
        if status.st_size == 0:
            raise PictureError(FailureCode.UNREADABLE, f"{display_name(path)} is empty")
        if status.st_size > limits.max_file_bytes:
            message = f"the file has {status.st_size} bytes, more than {limits.max_file_bytes}"
            raise PictureError(FailureCode.TOO_LARGE, message)
        with muted():
            return _read(path, file, status, limits)
    except (OSError, *DAMAGED) as error:
        file.close()
        raise translated(error, "its header cannot be read") from error
    except BaseException:
        file.close()
        raise


def translated(error: Exception, what: str = "cannot be read") -> PictureError:
    """Turn what Pillow raised on a damaged picture into a `PictureError`."""
    text = display_name(str(error) or type(error).__name__, width=300)
    if isinstance(error, Image.DecompressionBombError):
        return PictureError(FailureCode.TOO_LARGE, f"Pillow refuses a picture of this size: {text}")
    # EINVAL comes from going to a place that a damaged file names.
    if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
        return PictureError(FailureCode.READ_ERROR, f"reading failed: {error.strerror}")
    lowered = text.lower()
    if "truncated" in lowered or "unexpected end" in lowered or isinstance(error, EOFError):
        return PictureError(FailureCode.TRUNCATED, f"the file is incomplete: {text}", "get the whole file again")
    return PictureError(FailureCode.UNREADABLE, f"{what}: {text}")


_muted: ContextVar[bool] = ContextVar("_muted", default=False)


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """Keep Pillow from warning while it reads a picture, in this thread alone.

    `warnings.catch_warnings` is made for one thread: with several, filters of one can stay behind for all.
    """
    token = _muted.set(True)
    try:
        yield
    finally:
        _muted.reset(token)


class _Warnings:
    """Stands for the module `warnings` inside of Pillow; outside of `muted`, it does what the module does."""

    def __getattr__(self, name: str) -> Any:
        return getattr(warnings, name)

    def warn(self, message: str, category: type[Warning] = UserWarning, stacklevel: int = 1) -> None:
        if not _muted.get():
            warnings.warn(message, category, stacklevel + 1)


for _module in (Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin):
    vars(_module)["warnings"] = _Warnings()
logging.getLogger("PIL").addHandler(logging.NullHandler())  # or Python prints errors that nobody has asked for


def _open_file(path: str) -> tuple[BinaryIO, os.stat_result]:
    """Open a regular file. Nothing that could block or act by being opened (a FIFO, a device) is opened."""
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"):  # as far as the system has them
        flags |= getattr(os, name, 0)
    try:
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode):
            file = os.fdopen(os.open(path, flags), "rb")
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode):
                return file, status
            file.close()
    except (OSError, ValueError) as error:
        raise _cannot_open(path, error) from error
    kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
    raise PictureError(FailureCode.NOT_A_FILE, f"{display_name(path)} is {kind}")


def _cannot_open(path: str, error: OSError | ValueError) -> PictureError:
    name = display_name(path)
    code = error.errno if isinstance(error, OSError) else errno.EINVAL
    if code in (errno.ENOENT, errno.ENOTDIR):
        return PictureError(FailureCode.NOT_FOUND, f"{name} does not exist")
    if code in (errno.EACCES, errno.EPERM):
        return PictureError(FailureCode.PERMISSION_DENIED, f"{name} may not be read")
    if code == errno.ELOOP:
        return PictureError(FailureCode.NOT_A_FILE, f"{name} is a loop of symbolic links")
    reason = error.strerror if isinstance(error, OSError) else error
    return PictureError(FailureCode.READ_ERROR, f"{name} cannot be opened: {reason}")


def _read(path: str, file: BinaryIO, status: os.stat_result, limits: Limits) -> Header:
    head = file.read(_HEAD_BYTES) or b""
    format_ = _format(head, limits)
    counted = walk(format_.name, file, limits)
    if format_.name == "webp" and (size := _webp_size(head)):
        check_pixels(*size, limits)  # its decoder allocates two pictures as soon as it opens one
    file.seek(0)
    # Not Image.open: its guard against bombs warns, where ours refuses, and is process-wide (see docs/decisions/0003).
    image = _DECODERS[format_.name](file, "")
    image.decodermaxblock = max(image.decodermaxblock, _BLOCK_BYTES)
    check_pixels(*image.size, limits)
    frames = counted or max(int(getattr(image, "n_frames", 1)), 1)
    check_frames(frames, limits)
    check_pixels(*image.size, limits, frames=frames)
    try:
        metadata = read_metadata(image, format_.name)
    except (OSError, *DAMAGED):
        metadata = Metadata(notes=("metadata-unreadable",))
    _forget_texts(image, head)
    notes = ("auxiliary-images-dropped", *metadata.notes) if _has_more_pictures(image) else metadata.notes
    icc = image.info.get("icc_profile")
    info = ImageInfo(
        **_upright(image, orientation_of(metadata)),
        mode=_working_mode(image),
        format=format_.name,
        stored_mode=image.mode,
        bits=_bits(image, format_, head, file),
        frames=frames,
        paged=format_.sequence == "pages" and frames > 1,
        progressive=bool(image.info.get("progressive")),
        has_profile=bool(icc),
        file_bytes=status.st_size,
    )
    return Header(path, file, image, format_, info, metadata, icc or None, stat.S_IMODE(status.st_mode), notes)


def _format(head: bytes, limits: Limits) -> Format:
    name = sniff(head)
    if not name:
        message = "not a picture in a format that imgpipe reads"
        raise PictureError(FailureCode.UNREADABLE, message, f"it reads {', '.join(BY_NAME)}")
    if name not in limits.formats:
        raise PictureError(FailureCode.FORMAT_NOT_ALLOWED, f"{name} is not among the allowed formats")
    if (name == "webp" and not WebPImagePlugin.SUPPORTED) or (name == "avif" and not AvifImagePlugin.SUPPORTED):
        raise PictureError(FailureCode.UNREADABLE, f"this build of Pillow cannot read {name}")
    return BY_NAME[name]


def _webp_size(head: bytes) -> tuple[int, int] | None:
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", head[26:30].ljust(4, b"\0"))
    return width & 0x3FFF, height & 0x3FFF


def _forget_texts(image: ImageFile.ImageFile, head: bytes) -> None:
    """Pillow keeps a PNG's texts among its own facts, where one named `interlace` would replace the fact."""
    if image.format != "PNG":
        return
    for key in [key for key, value in image.info.items() if isinstance(value, str)]:
        del image.info[key]
    if head[28] > 0:
        image.info["interlace"] = 1


def _has_more_pictures(image: ImageFile.ImageFile) -> bool:
    """Whether a JPEG has others behind it: a second view, a depth map, a gain map."""
    index = Tiff.of(image.info.get("mp"))
    return index is not None and any(
        (index.integer(field) or 0) > 1 for field in index.fields(index.first) if field.tag == 0xB001
    )


def _upright(image: ImageFile.ImageFile, orientation: int) -> dict[str, int]:
    """Return the size of the upright picture, and how it has to be turned after Pillow has decoded it."""
    width, height = image.size
    swapped = orientation >= 5
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # Pillow turns a TIFF while it decodes; its size is upright already if the field says so, but not if XMP does.
        swapped = image.getexif().get(274) in {5, 6, 7, 8} and 274 not in image.tag_v2
        orientation = 1
    width, height = (height, width) if swapped else (width, height)
    return {"width": width, "height": height, "orientation": orientation}


def _working_mode(image: ImageFile.ImageFile) -> Mode:
    """The layout that a stored mode is expanded to."""
    transparent = "transparency" in image.info
    if image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16"):
        return "LA" if transparent and image.mode not in ("I", "F") else "L"
    if image.mode in ("LA", "La"):
        return "LA"
    if image.mode in ("RGBA", "RGBa", "PA") or (transparent and image.mode in ("P", "RGB")):
        return "RGBA"
    return "RGB"


def _bits(image: ImageFile.ImageFile, format_: Format, head: bytes, file: BinaryIO) -> int:
    """Return the depth of a channel on disk; Pillow itself does not tell for colour."""
    if format_.name == "png":
        return 8 if image.mode == "P" else head[24]  # a palette's colours have 8 bits, whatever its indices have
    if format_.name == "avif":
        return avif_bits(file)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        depths = image.tag_v2.get(258, 1)
        return int(max(depths) if isinstance(depths, tuple) else depths)
    return 8
