"""Images: what a picture is, without sending it; the sample picture, at once or slowly."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from typing import TYPE_CHECKING, Any

from imgpipe.display import display_name
from imgpipe.errors import PictureError
from imgpipe.pictures.header import open_header
from imgpipe.web.files import file_response
from imgpipe.web.folders import SAMPLE, find_picture, name_of
from imgpipe.web.http import json_response
from imgpipe.web.problems import Fault, Refused, refused_picture
from imgpipe.web.view import Later

if TYPE_CHECKING:
    from imgpipe.pictures.header import Header
    from imgpipe.web.app import App
    from imgpipe.web.http import Request, Response

LONGEST_DELAY_SECONDS = 30.0
DEFAULT_DELAY_SECONDS = 2.0

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def image_info(request: Request, app: App) -> Response:
    """Describe the picture that `name` or `path` names, or the sample."""
    if "name" in request.query and "path" in request.query:
        raise Refused(422, "bad-parameter", "give either name or path", Fault("given beside path", parameter="name"))
    name = request.query.get("name", request.query.get("path", SAMPLE))
    path = find_picture(app.settings, name)
    name = name_of(app.settings, path)
    with _opened(path, name, app) as header:
        return json_response({"name": name, **_description(header), "sha256": app.digests.of(header.file)})


def uploaded_info(request: Request, app: App) -> Response:
    """Describe the picture that is the body."""
    with tempfile.TemporaryDirectory(prefix="imgpipe-upload-") as folder:
        path = os.path.join(folder, "body")
        with open(path, "wb") as file:
            file.write(request.body)
        with _opened(path, "the body", app) as header:
            return json_response(
                {"name": "", **_description(header), "sha256": hashlib.sha256(request.body).hexdigest()}
            )


def sample_picture(request: Request, app: App) -> Response:
    """Send the sample picture."""
    path = find_picture(app.settings, SAMPLE)
    try:
        file = open(path, "rb")  # noqa: SIM115 - the answer owns it, see FilePart
    except OSError as error:
        raise Refused(404, "not-found", f"{SAMPLE} cannot be opened: {error.strerror}") from error
    try:
        return file_response(request, file, "image/jpeg", app.digests)
    except BaseException:
        file.close()
        raise


def slow_picture(request: Request, _app: App) -> Later:
    """Send the sample picture after a delay, during which nobody waits but the client."""
    return Later(_delay_seconds(request), sample_picture)


def _delay_seconds(request: Request) -> float:
    text = request.query.get("delay", str(DEFAULT_DELAY_SECONDS))
    seconds = float(text) if _SECONDS.fullmatch(text) else -1.0
    if not 0 <= seconds <= LONGEST_DELAY_SECONDS:
        detail = f"delay: expected a number of seconds from 0 to {LONGEST_DELAY_SECONDS:g}"
        raise Refused(422, "bad-parameter", detail, Fault(detail, parameter="delay"))
    return seconds


def _opened(path: str, name: str, app: App) -> Header:
    try:
        return open_header(path, app.settings.limits)
    except PictureError as error:
        raise refused_picture(error, error.message.replace(display_name(path), name)) from error


def _description(header: Header) -> dict[str, Any]:
    info = header.info
    return {
        "width": info.width,
        "height": info.height,
        "megapixels": round(info.megapixels, 3),
        "mode": info.stored_mode,
        "format": info.format,
        "bytes": info.file_bytes,
        "exif_orientation": info.orientation,
        "frames": info.frames,
        "animated": info.frames > 1 and not info.paged,
    }
