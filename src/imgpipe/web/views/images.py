"""Images: what a picture is, and what filters make of it; the sample picture, at once or slowly."""

from __future__ import annotations

import hashlib
import os
import tempfile
from typing import TYPE_CHECKING, Any

from imgpipe.display import display_name
from imgpipe.errors import BadPipeline, PictureError
from imgpipe.pictures.formats import BY_NAME
from imgpipe.pictures.header import open_header
from imgpipe.pictures.options import WriteOptions
from imgpipe.pipeline import Pipeline
from imgpipe.recipe import Recipe
from imgpipe.web.app import Later
from imgpipe.web.files import file_response
from imgpipe.web.folders import SAMPLE, find_picture, name_of
from imgpipe.web.http import FilePart, Response, json_response
from imgpipe.web.orders import pipeline_code
from imgpipe.web.problems import Fault, Refused, refused_picture

if TYPE_CHECKING:
    from imgpipe.pictures.header import Header
    from imgpipe.web.app import App
    from imgpipe.web.http import Request


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


def processed(request: Request, app: App) -> Response:
    """Send the picture that is the body through filters, and answer with what has become of it; nothing is kept."""
    asked = dict(request.query)
    if not asked:
        raise Refused(422, "bad-parameter", "say what to do: filters, as resize:800x600|sharpen, or a format")
    try:
        pipeline = Pipeline.parse(asked.pop("filters", ""))
    except BadPipeline as error:
        faults = [Fault(f"{one.where}: {one.what}", parameter="filters", suggestion=one.hint) for one in error.problems]
        raise Refused(422, pipeline_code(error), str(error), *faults) from error
    recipe = Recipe(pipeline, write=WriteOptions(**asked), limits=app.settings.limits)
    result, file = app.uploads.process(request.body, recipe)
    notes = (("Imgpipe-Notes", ", ".join(result.notes)),) if result.notes else ()
    headers = (("Content-Type", BY_NAME[result.format].mime), *notes)
    return Response(headers=headers, body=FilePart(file=file, start=0, length=os.fstat(file.fileno()).st_size))


def sample_picture(request: Request, app: App) -> Response:
    """Send the sample picture."""
    return file_response(request, find_picture(app.settings, SAMPLE), "image/jpeg", app.digests)


def slow_picture(request: Request, _app: App) -> Later:
    """Send the sample picture after a delay, during which nobody waits but the client."""
    return Later(request.query["delay"], sample_picture)


def _opened(path: str, name: str, app: App) -> Header:
    try:
        return open_header(path, app.settings.limits)
    except PictureError as error:
        raise refused_picture(error.code, error.message.replace(display_name(path), name), error.remedy) from error


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
