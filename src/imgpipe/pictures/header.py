"""Header: opens a picture without trusting it, and says what it is before any pixel is decoded."""

from __future__ import annotations

import errno
import os
import stat
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Self

from PIL import Image, ImageFile

from imgpipe.display import display_name
from imgpipe.errors import FailureCode, PictureError
from imgpipe.info import ImageInfo, Mode
from imgpipe.pictures.formats import BY_NAME, BY_PILLOW, Format, sniff
from imgpipe.pictures.metadata import Metadata, orientation_of, read_metadata

if TYPE_CHECKING:
    from types import TracebackType

    from imgpipe.pictures.options import Limits

_HEAD_BYTES = 64 * 1024
_BLOCK_BYTES = 4 << 20  # Pillow's 64 KiB would take and give back the interpreter's lock 160 times per 10 MB

# What Pillow's plugins raise on damaged files, beside OSError.
DAMAGED = (SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, struct.error, zlib.error,
           AttributeError, RuntimeError, AssertionError)  # fmt: skip


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
    TRUNCATED, TOO_LARGE, TOO_MANY_FRAMES, MODE_UNSUPPORTED.
    """
    file, status = _open_file(path)
    try:
        if status.st_size > limits.max_file_bytes:
            message = f"the file has {status.st_size} bytes, more than {limits.max_file_bytes}"
            raise PictureError(FailureCode.TOO_LARGE, message)
        head = _read_head(file)
        format_ = _format(path, head, limits)
        image = _parse(file, format_, head)
        image.decodermaxblock = max(image.decodermaxblock, _BLOCK_BYTES)
        return _describe(path, file, status, image, format_, head, limits)
    except BaseException:
        file.close()
        raise


def translated(error: Exception, what: str = "cannot be read") -> PictureError:
    """Turn what Pillow raised on a damaged picture into a `PictureError`."""
    text = str(error) or type(error).__name__
    if isinstance(error, Image.DecompressionBombError):
        return PictureError(FailureCode.TOO_LARGE, text, "raise --max-pixels if you trust the picture")
    if isinstance(error, OSError) and error.errno is not None:
        return PictureError(FailureCode.READ_ERROR, f"reading failed: {error.strerror}")
    lowered = text.lower()
    if "truncated" in lowered or "unexpected end" in lowered or isinstance(error, EOFError):
        return PictureError(FailureCode.TRUNCATED, f"the file is incomplete: {text}", "get the whole file again")
    return PictureError(FailureCode.UNREADABLE, f"{what}: {text}")


def _open_file(path: str) -> tuple[BinaryIO, os.stat_result]:
    """Open a regular file. Nothing that could block or act by being opened (a FIFO, a device) is opened."""
    try:
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode):
            flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
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
    return PictureError(FailureCode.READ_ERROR, f"{name} cannot be opened: {error}")


def _read_head(file: BinaryIO) -> bytes:
    try:
        return file.read(_HEAD_BYTES)
    except OSError as error:
        raise translated(error) from error


def _format(path: str, head: bytes, limits: Limits) -> Format:
    if not head:
        raise PictureError(FailureCode.UNREADABLE, f"{display_name(path)} is empty")
    name = sniff(head[:256])
    if not name:
        message = "not a picture in a format that imgpipe reads"
        raise PictureError(FailureCode.UNREADABLE, message, f"it reads {', '.join(BY_NAME)}")
    if name not in limits.formats:
        raise PictureError(FailureCode.FORMAT_NOT_ALLOWED, f"{name} is not among the allowed formats")
    return BY_NAME[name]


def _parse(file: BinaryIO, format_: Format, head: bytes) -> ImageFile.ImageFile:
    Image.preinit()
    if format_.pillow not in Image.OPEN:
        Image.init()
    if format_.pillow not in Image.OPEN:
        raise PictureError(FailureCode.UNREADABLE, f"this build of Pillow cannot read {format_.name}")
    # Not Image.open: its guard against bombs warns, where ours refuses, and is process-wide (see docs/decisions/0003).
    factory, accept = Image.OPEN[format_.pillow]
    try:
        file.seek(0)
        if accept is not None and accept(head[:16]) is not True and format_.name != "avif":
            raise SyntaxError("not recognised by its decoder")
        return factory(file, "")
    except PictureError:
        raise
    except (OSError, *DAMAGED) as error:
        raise translated(error, "its header cannot be read") from error


def _describe(
    path: str,
    file: BinaryIO,
    status: os.stat_result,
    image: ImageFile.ImageFile,
    format_: Format,
    head: bytes,
    limits: Limits,
) -> Header:
    width, height = image.size
    _check_pixels(width, height, limits)
    notes = []
    if image.format == "MPO":
        notes.append("auxiliary-images-dropped")
    frames = 1 if image.format in ("MPO", "JPEG", "BMP", "DIB") else _count_frames(file, image, format_, limits)
    try:
        metadata = read_metadata(image, format_.name)
    except (OSError, *DAMAGED):
        metadata = Metadata(notes=("metadata-unreadable",))
    orientation = orientation_of(metadata)
    upright = (height, width) if orientation >= 5 else (width, height)
    icc = image.info.get("icc_profile") or None
    info = ImageInfo(
        width=upright[0],
        height=upright[1],
        mode=_working_mode(image),
        format=format_.name,
        stored_mode=image.mode,
        bits=_bits(image, format_, head),
        frames=frames,
        paged=format_.sequence == "pages" and frames > 1,
        orientation=orientation,
        progressive=bool(image.info.get("progressive")),
        has_profile=icc is not None,
        file_bytes=status.st_size,
    )
    permissions = stat.S_IMODE(status.st_mode)
    return Header(path, file, image, format_, info, metadata, icc, permissions, (*notes, *metadata.notes))


def _check_pixels(width: int, height: int, limits: Limits) -> None:
    if width < 1 or height < 1:
        raise PictureError(FailureCode.UNREADABLE, f"its header says {width}x{height} pixels")
    if width * height > limits.max_pixels:
        message = f"{width}x{height} are {width * height / 1e6:.0f} MP, more than {limits.max_pixels / 1e6:.0f} MP"
        raise PictureError(FailureCode.TOO_LARGE, message, "raise --max-pixels if you trust the picture")


def _count_frames(file: BinaryIO, image: ImageFile.ImageFile, format_: Format, limits: Limits) -> int:
    """Count frames, but not further than the limit: a file may claim or hold millions."""
    too_many = PictureError(FailureCode.TOO_MANY_FRAMES, f"it has more than {limits.max_frames} frames")
    try:
        if format_.name == "gif":
            frames = _count_gif_frames(file, limits.max_frames + 1)
        elif format_.name == "tiff":
            try:
                image.seek(limits.max_frames)
                raise too_many
            except EOFError:
                image.seek(0)
            frames = int(getattr(image, "n_frames", 1))
        else:
            frames = int(getattr(image, "n_frames", 1))
    except (OSError, *DAMAGED) as error:
        raise translated(error, "its frames cannot be counted") from error
    if frames > limits.max_frames:
        raise too_many
    if frames * image.width * image.height > 4 * limits.max_pixels:
        message = f"{frames} frames of {image.width}x{image.height} are more than {4 * limits.max_pixels / 1e6:.0f} MP"
        raise PictureError(FailureCode.TOO_LARGE, message, "raise --max-pixels if you trust the picture")
    return max(frames, 1)


def _count_gif_frames(file: BinaryIO, most: int) -> int:
    """Walk over the blocks of a GIF; Pillow would decode on its way."""
    position = file.tell()
    try:
        file.seek(10)
        flags = file.read(3)
        frames = 0
        file.seek(13 + (3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0))
        while frames < most:
            block = file.read(1)
            if block == b",":
                frames += 1
                descriptor = file.read(9)
                if len(descriptor) < 9:
                    break
                table = 3 << (descriptor[8] & 7) + 1 if descriptor[8] & 0x80 else 0
                file.seek(table + 1, os.SEEK_CUR)
            elif block == b"!":
                file.seek(1, os.SEEK_CUR)
            else:
                break
            while length := file.read(1)[:1]:
                if length == b"\0":
                    break
                file.seek(length[0], os.SEEK_CUR)
        return frames
    finally:
        file.seek(position)


def _working_mode(image: ImageFile.ImageFile) -> Mode:
    """The layout that a stored mode is expanded to."""
    transparent = "transparency" in image.info
    if image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16"):
        return "LA" if transparent and image.mode in ("1", "L") else "L"
    if image.mode in ("LA", "La"):
        return "LA"
    if image.mode in ("RGBA", "RGBa", "PA") or (transparent and image.mode in ("P", "RGB")):
        return "RGBA"
    return "RGB"


def _bits(image: ImageFile.ImageFile, format_: Format, head: bytes) -> int:
    """Return the depth of a channel on disk; Pillow itself does not tell for colour."""
    if format_.name == "png":
        return head[24] if len(head) > 24 else 8
    if format_.name == "tiff":
        depths = getattr(image, "tag_v2", {}).get(258, (8,))
        return int(max(depths)) if isinstance(depths, tuple) else int(depths)
    if format_.name == "avif" and (at := head.find(b"av1C")) >= 0 and len(head) > at + 6:
        return 12 if head[at + 6] & 0x20 else 10 if head[at + 6] & 0x40 else 8
    if image.mode == "F" or image.mode == "I":
        return 32
    return 16 if image.mode.startswith("I;16") else 8
