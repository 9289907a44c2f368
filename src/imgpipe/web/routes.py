"""Routes: the table of all endpoints. The router, the document, the index page and the tests are made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe.web import schemas
from imgpipe.web.http import Response, json_response
from imgpipe.web.openapi import openapi_document
from imgpipe.web.operations import Body, Parameter, Route
from imgpipe.web.orders import MOST_WORKERS
from imgpipe.web.page import page
from imgpipe.web.problems import TITLES, Refused
from imgpipe.web.settings import UNTRUSTED
from imgpipe.web.strict_json import MAX_BYTES
from imgpipe.web.views import batches, comparisons, events, fleet, health, images, tasks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from imgpipe.web.app import App
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


def _order(**more: Mapping[str, Any]) -> Body:
    return _body(workers={"type": "integer", "minimum": 1, "maximum": MOST_WORKERS}, **more)


def _body(**more: Mapping[str, Any]) -> Body:
    return Body(media=("application/json",), max_bytes=MAX_BYTES, schema=schemas.order(**more))


def _whole(name: str, text: str, least: int, most: int, default: int) -> Parameter:
    return Parameter(
        name=name, help=text, schema={"type": "integer", "minimum": least, "maximum": most, "default": default}
    )


_PICTURE = Body(media=("image/*",), max_bytes=UNTRUSTED.max_file_bytes, schema={"type": "string", "format": "binary"})
_DELAY = Parameter(
    name="delay",
    help=f"Seconds to wait, at most {images.LONGEST_DELAY_SECONDS:g}.",
    schema={
        "type": "number", "minimum": 0, "maximum": images.LONGEST_DELAY_SECONDS,
        "default": images.DEFAULT_DELAY_SECONDS,
    },
)  # fmt: skip
_ITERATIONS = {
    "type": "integer", "minimum": 1, "maximum": batches.MOST_ITERATIONS, "default": batches.DEFAULT_ITERATIONS
}  # fmt: skip
_REPETITIONS = {
    "type": "integer", "minimum": 1, "maximum": comparisons.MOST_REPETITIONS,
    "default": comparisons.DEFAULT_REPETITIONS,
}  # fmt: skip
_OF_BATCHES = (404, 409, 413, 415, 422)
_OF_TASKS = (404, 410)
_FORMAT = Parameter(
    name="format", help="What to answer in.", schema={"enum": list(fleet.FORMATS), "default": fleet.FORMATS[0]}
)

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
        problems=(403, 404, 413, 415, 422),
    ),
    Route(
        method="POST", path="/api/image/info/", view=images.uploaded_info, tag="images", answer=schemas.IMAGE_INFO,
        summary="What the picture in the body is.", body=_PICTURE, problems=(413, 415, 422),
    ),
    Route(
        method="GET", path="/api/image/4k/", view=images.sample_picture, tag="images", answer="image/jpeg",
        summary="The sample picture, 3840x2160; also parts of it, and only if it has changed.",
        good=(200, 206, 304), problems=(404, 416), save_as="downloaded_4k.jpg",
    ),
    Route(
        method="GET", path="/api/image/slow/", view=images.slow_picture, tag="images", answer="image/jpeg",
        summary="The same after a delay, in which the server does other things.",
        good=(200, 206, 304), parameters=(_DELAY,), problems=(404, 416, 422),
        example="/api/image/slow/?delay=3.0", save_as="slow_4k.jpg",
    ),
    Route(
        method="POST", path="/api/process-batch/sequential/", view=batches.sequential, tag="batches", lane="long",
        summary="All pictures through the filters, one after the other.",
        answer=schemas.BATCH, body=_order(), problems=_OF_BATCHES,
        example={
            "filters": ["resize", "blur"],
            "filter_params": {"resize": {"width": 800, "height": 600}, "blur": {"radius": 3.0}},
        },
    ),
    Route(
        method="POST", path="/api/process-batch/threading/", view=batches.threading, tag="batches", lane="long",
        summary="The same on several threads.",
        answer=schemas.BATCH, body=_order(), problems=_OF_BATCHES, example={"filters": ["sharpen", "edges"]},
    ),
    Route(
        method="POST", path="/api/process-batch/multiprocessing/", view=batches.multiprocessing, tag="batches",
        lane="long", summary="The same in several processes.",
        answer=schemas.BATCH, body=_order(), problems=_OF_BATCHES,
        example={"filters": ["brightness"], "filter_params": {"brightness": {"factor": 1.5}}},
    ),
    Route(
        method="POST", path="/api/process-batch/compare/", view=comparisons.two, tag="batches", lane="long",
        summary="Threads beside processes: how much faster than one after the other, and why.",
        answer=schemas.COMPARISON, body=_order(repetitions=_REPETITIONS), problems=_OF_BATCHES,
        example={"filters": ["resize", "blur"]},
    ),
    Route(
        method="POST", path="/api/process-batch/compare-all/", view=comparisons.all_modes, tag="batches", lane="long",
        summary="All three side by side.",
        answer=schemas.COMPARISON, body=_order(repetitions=_REPETITIONS), problems=_OF_BATCHES,
        example={"filters": ["resize", "blur"]},
    ),
    Route(
        method="POST", path="/api/process-batch/stress/", view=batches.stress, tag="batches", lane="long",
        summary="The same batch again and again: how even it is.",
        answer=schemas.STRESS, body=_order(num_iterations=_ITERATIONS), problems=_OF_BATCHES,
        example={"filters": ["sharpen", "edges"], "num_iterations": 5},
    ),
    Route(
        method="POST", path="/api/process-batch/distributed/", view=tasks.distributed, tag="tasks", lane="queue",
        summary="The same by workers, wherever they are: answered at once, with a task to ask after.",
        answer=schemas.HANDED_OVER, good=(202,), problems=_OF_BATCHES,
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
        answer=schemas.TASK, good=(200, 304), problems=(*_OF_TASKS, 422),
        parameters=(_whole("wait", "Seconds to wait for its end, or for news.", 0, tasks.LONGEST_WAIT_SECONDS, 0),),
        example="/api/task/TASK_ID/status/",
    ),
    Route(
        method="GET", path="/api/task/{id}/results/", view=tasks.results, tag="tasks", lane="queue",
        summary="What became of its pictures, in the order in which they were done.",
        answer=schemas.RESULTS, problems=(*_OF_TASKS, 422),
        parameters=(
            _whole("cursor", "The number of the first result.", 0, tasks.LARGEST_NUMBER, 0),
            _whole("limit", "How many at most.", 1, tasks.MOST_RESULTS, tasks.DEFAULT_RESULTS),
        ),
        example="/api/task/TASK_ID/results/",
    ),
    Route(
        method="GET", path="/api/task/{id}/images/{n}/", view=tasks.image, tag="tasks", lane="queue",
        summary="The picture of result number n; also parts of it, and only if it has changed.",
        answer="image/*", good=(200, 206, 304), problems=(*_OF_TASKS, 416),
        example="/api/task/TASK_ID/images/0/", save_as="result.jpg",
    ),
    Route(
        method="GET", path="/api/task/{id}/events/", view=events.events, tag="tasks", lane="queue",
        summary="The same as it happens: server-sent events.",
        answer="text/event-stream", good=(200, 204), problems=_OF_TASKS, example="/api/task/TASK_ID/events/",
    ),
    Route(
        method="DELETE", path="/api/task/{id}/", view=tasks.cancel, tag="tasks", lane="queue",
        summary="Cancel a task: pictures that have not begun are dropped.",
        answer=schemas.TASK, good=(202, 204), problems=_OF_TASKS, example="/api/task/TASK_ID/",
    ),
    Route(
        method="GET", path="/api/workers/status/", view=fleet.workers, tag="fleet", lane="queue",
        summary="Who is there to work, and what they are doing.", answer=schemas.WORKERS,
    ),
    Route(
        method="GET", path="/api/metrics/", view=fleet.metrics, tag="fleet", lane="queue",
        summary="The machine, the workers, the queue, and what is advised.",
        answer=schemas.METRICS, media="text/plain", parameters=(_FORMAT,), problems=(422,),
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
