"""Routes: the table of all endpoints. The router, the document, the index page and the tests are made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe.web import batches, schemas
from imgpipe.web.documents import openapi_document, page
from imgpipe.web.http import Response, json_response
from imgpipe.web.operations import Body, Parameter, Route
from imgpipe.web.orders import MOST_WORKERS
from imgpipe.web.problems import TITLES, Refused
from imgpipe.web.settings import UNTRUSTED
from imgpipe.web.strict_json import MAX_BYTES
from imgpipe.web.views import comparisons, events, fleet, health, images, tasks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from imgpipe.web.app import App, View
    from imgpipe.web.http import Request


def find(path: str) -> tuple[tuple[Route, ...], dict[str, str]]:
    """Return the routes of a path, one for each of its methods, and what its variables are."""
    matches = [(route, match) for route in ROUTES if (match := route.pattern.fullmatch(path))]
    return tuple(route for route, _ in matches), (matches[0][1].groupdict() if matches else {})


def _index(request: Request, _app: App) -> Response:
    return page(ROUTES, f"http://{request.headers.get('host', 'localhost')}")


def _document(_request: Request, _app: App) -> Response:
    return json_response(openapi_document(ROUTES))


def _problem(request: Request, _app: App) -> Response:
    code = request.variables["code"]
    if code not in TITLES:
        raise Refused(404, "not-found", "there is no problem of that code")
    return json_response({"code": code, "title": TITLES[code]})


def _body(**more: Mapping[str, Any]) -> Body:
    return Body(media=("application/json",), max_bytes=MAX_BYTES, schema=schemas.order(**more))


def _batch(name: str, view: View, summary: str, answer: Mapping[str, Any], example: Any, **more: Any) -> Route:
    """Describe an endpoint that answers an order when all of it is done."""
    return Route(
        method="POST", path=f"/api/process-batch/{name}/", view=view, tag="batches", lane="long",
        summary=summary, answer=answer, problems=(404, 409), example=example,
        body=_body(workers={"type": "integer", "minimum": 1, "maximum": MOST_WORKERS}, **more),
    )  # fmt: skip


def _whole(low: int, high: int, default: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high, "default": default}


_PICTURE = Body(media=("image/*",), max_bytes=UNTRUSTED.max_file_bytes, schema={"type": "string", "format": "binary"})
_REPETITIONS = _whole(1, comparisons.MOST_REPETITIONS, comparisons.DEFAULT_REPETITIONS)

ROUTES = (
    Route(
        method="GET", path="/", view=_index, tag="about", answer="text/html",
        summary="What there is, with a line for curl each.",
    ),
    Route(
        method="GET", path="/api/openapi.json", view=_document, tag="about", answer=schemas.OBJECT,
        summary="This document.",
    ),
    Route(
        method="GET", path="/problems/{code}/", view=_problem, tag="about", answer=schemas.PROBLEM_KIND,
        summary="What the code of a problem means.", problems=(404,), example="/problems/unknown-filter/",
    ),
    Route(
        method="GET", path="/api/health/", view=health.health, tag="server", answer=schemas.HEALTH,
        summary="Whether the server can do its work.",
    ),
    Route(
        method="GET", path="/api/health/live/", view=health.live, tag="server", answer=schemas.STATE,
        summary="Whether the server answers at all; else it has to be started anew.",
    ),
    Route(
        method="GET", path="/api/health/ready/", view=health.ready, tag="server", answer=schemas.STATE,
        summary="Whether to send it requests: its folders can be used, the queue answers, it is not stopping.",
    ),
    Route(
        method="GET", path="/api/stats/", view=health.stats, tag="server", answer=schemas.STATS,
        summary="Requests, pictures, and what the server uses.",
    ),
    Route(
        method="GET", path="/api/image/info/", view=images.image_info, tag="images", answer=schemas.IMAGE_INFO,
        summary="What a picture of the server is, without sending it.",
        parameters=(
            Parameter(name="name", help="The picture's name; without one, the sample.", schema=schemas.TEXT),
            Parameter(name="path", help="The same, as a path below one of the folders.", schema=schemas.TEXT),
        ),
        problems=(403, 404, 413, 415),
    ),
    Route(
        method="POST", path="/api/image/info/", view=images.uploaded_info, tag="images", lane="upload",
        summary="What the picture in the body is.",
        answer=schemas.IMAGE_INFO, body=_PICTURE,
    ),
    Route(
        method="POST", path="/api/image/process/", view=images.processed, tag="images", lane="upload",
        summary="The picture in the body through filters. The answer is the picture; the server keeps neither.",
        answer="image/*", body=_PICTURE, problems=(500, 504, 507),
        parameters=(
            Parameter(name="filters", help="As on the command line.", schema=schemas.TEXT),
            Parameter(name="format", help="The answer's format; without it, the picture's own.",
                      schema={"enum": list(UNTRUSTED.formats)}),
            Parameter(name="quality", help="For JPEG (85) and WebP (80).",
                      schema={"type": "integer", "minimum": 1, "maximum": 100}),
            Parameter(name="metadata", help="Which EXIF and XMP to keep: by default all, with where it was taken.",
                      schema={"enum": ["keep", "copyright", "none"]}),
        ),
        example="/api/image/process/?filters=resize:800x600|sharpen", save_as="processed.jpg",
    ),
    Route(
        method="GET", path="/api/image/4k/", view=images.sample_picture, tag="images", answer="image/jpeg",
        summary="The sample picture, 3840x2160; also parts of it, and only if it has changed.",
        good=(200, 206, 304), problems=(404, 416), save_as="downloaded_4k.jpg",
    ),
    Route(
        method="GET", path="/api/image/slow/", view=images.slow_picture, tag="images", answer="image/jpeg",
        summary="The same after a delay, in which the server does other things.",
        good=(200, 206, 304), problems=(404, 416),
        parameters=(
            Parameter(name="delay", help="Seconds to wait.",
                      schema={"type": "number", "minimum": 0, "maximum": 30, "default": 2.0}),
        ),
        example="/api/image/slow/?delay=3.0", save_as="slow_4k.jpg",
    ),
    _batch(
        "sequential", batches.sequential, "All pictures through the filters, one after the other.", schemas.BATCH,
        {
            "filters": ["resize", "blur"],
            "filter_params": {"resize": {"width": 800, "height": 600}, "blur": {"radius": 3.0}},
        },
    ),
    _batch(
        "threading", batches.threading, "The same on several threads.", schemas.BATCH,
        {"filters": ["sharpen", "edges"]},
    ),
    _batch(
        "multiprocessing", batches.multiprocessing, "The same in several processes.", schemas.BATCH,
        {"filters": ["brightness"], "filter_params": {"brightness": {"factor": 1.5}}},
    ),
    _batch(
        "compare", comparisons.two, "Threads beside processes: how much faster than one after the other, and why.",
        schemas.COMPARISON, {"filters": ["resize", "blur"]}, repetitions=_REPETITIONS,
    ),
    _batch(
        "compare-all", comparisons.all_modes, "All three side by side.",
        schemas.COMPARISON, {"filters": ["resize", "blur"]}, repetitions=_REPETITIONS,
    ),
    _batch(
        "stress", batches.stress, "The same batch again and again: how even it is.",
        schemas.STRESS, {"filters": ["sharpen", "edges"], "num_iterations": 5},
        num_iterations=_whole(1, batches.MOST_ITERATIONS, batches.DEFAULT_ITERATIONS),
    ),
    Route(
        method="POST", path="/api/process-batch/distributed/", view=tasks.distributed, tag="tasks", lane="queue",
        summary="The same by workers, wherever they are: answered at once, with a task to ask after.",
        answer=schemas.HANDED_OVER, good=(202,), problems=(404, 409),
        body=_body(
            needs={"type": "array", "items": schemas.TEXT, "maxItems": 16},
            routing={"type": "string", "enum": ["labels", "fifo"]},
        ),
        headers=(
            Parameter(
                name="Idempotency-Key", help="Sent again with the same key, it is the same task.",
                schema={"type": "string", "minLength": 1, "maxLength": 255},
            ),
        ),
        example={
            "filters": ["resize", "sharpen", "edges"], "filter_params": {"resize": {"width": 1024, "height": 768}}
        },
    ),
    Route(
        method="GET", path="/api/task/{id}/status/", view=tasks.status, tag="tasks", lane="queue",
        summary="How a task is, whose fault it is if it has failed, and why it waits.",
        answer=schemas.TASK, good=(200, 304),
        parameters=(Parameter(name="wait", help="Seconds to wait for its end, or for news.", schema=_whole(0, 30, 0)),),
        example="/api/task/TASK_ID/status/",
    ),
    Route(
        method="GET", path="/api/task/{id}/results/", view=tasks.results, tag="tasks", lane="queue",
        summary="What became of its pictures, in the order in which they were done.",
        answer=schemas.RESULTS,
        parameters=(
            Parameter(name="cursor", help="The number of the first result.", schema=_whole(0, 999_999_999, 0)),
            Parameter(name="limit", help="How many at most.", schema=_whole(1, 1000, 100)),
        ),
        example="/api/task/TASK_ID/results/",
    ),
    Route(
        method="GET", path="/api/task/{id}/images/{n}/", view=tasks.image, tag="tasks", lane="queue",
        summary="The picture of result number n; also parts of it, and only if it has changed.",
        answer="image/*", good=(200, 206, 304), problems=(416,),
        example="/api/task/TASK_ID/images/0/", save_as="result.jpg",
    ),
    Route(
        method="GET", path="/api/task/{id}/events/", view=events.events, tag="tasks", lane="queue",
        summary="The same as it happens: server-sent events.",
        answer="text/event-stream", good=(200, 204), example="/api/task/TASK_ID/events/",
    ),
    Route(
        method="DELETE", path="/api/task/{id}/", view=tasks.cancel, tag="tasks", lane="queue",
        summary="Cancel a task: pictures that have not begun are dropped.",
        answer=schemas.TASK, good=(202, 204), example="/api/task/TASK_ID/",
    ),
    Route(
        method="GET", path="/api/workers/status/", view=fleet.workers, tag="fleet", lane="queue",
        summary="Who is there to work, and what they are doing.", answer=schemas.WORKERS,
    ),
    Route(
        method="GET", path="/api/metrics/", view=fleet.metrics, tag="fleet", lane="queue",
        summary="The machine, the workers, the queue, and what is advised.",
        answer=schemas.METRICS, media="text/plain",
        parameters=(
            Parameter(name="format", help="What to answer in.",
                      schema={"enum": ["json", "prometheus"], "default": "json"}),
        ),
    ),
    Route(
        method="GET", path="/metrics", view=fleet.prometheus, tag="fleet", lane="queue",
        summary="The same as the text that Prometheus reads.", answer="text/plain",
    ),
    Route(
        method="GET", path="/api/scaling/", view=fleet.scaling, tag="fleet", lane="queue",
        summary="Whether more workers would help, and why. It is advice only.", answer=schemas.SCALING,
    ),
)  # fmt: skip
