"""Problems: everything that can be wrong with a request, as problem details (RFC 9457) with codes that stay."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from imgpipe.errors import (
    BadOption,
    BadPipeline,
    FailureCode,
    NothingToDo,
    OutputLocked,
    PictureError,
    UsageError,
)
from imgpipe.web.http import Headers, Response, json_response

if TYPE_CHECKING:
    from imgpipe.errors import ImgpipeError

TITLES = {
    **{code.value.lower().replace("_", "-"): "The picture cannot be used" for code in FailureCode},
    "malformed-request": "The request is not HTTP as this server reads it",
    "unsupported-version": "This version of HTTP is not spoken here",
    "request-timeout": "The request did not arrive in time",
    "head-too-large": "The request line or the headers are too long",
    "expectation-failed": "Only 100-continue can be expected",
    "length-required": "The length of the body is missing",
    "body-too-large": "The body is too large",
    "unsupported-media-type": "The body is of another type than this endpoint takes",
    "not-local": "Without a token, only this machine is served",
    "unknown-host": "The server does not go by this name",
    "token-needed": "A token is needed",
    "cross-site": "Another web site may not ask for this",
    "not-found": "There is nothing of that name here",
    "method-not-allowed": "This endpoint has other methods",
    "range-not-satisfiable": "The file ends before this range",
    "bad-json": "The body is not JSON as this server reads it",
    "bad-body": "Something in the body cannot be right",
    "bad-parameter": "A parameter of the query cannot be right",
    "bad-pipeline": "The filters cannot be right",
    "unknown-filter": "There is no filter of that name",
    "nothing-to-do": "There is no picture to work on",
    "bad-request": "The request cannot be right",
    "comparison-running": "Another comparison is running",
    "idempotency-in-work": "Another request with the same key is in work",
    "idempotency-conflict": "The key was used for something else",
    "gone": "It was there, and is forgotten",
    "redis-unavailable": "The queue does not answer",
    "queue-full": "The queue has no room",
    "output-locked": "Another run writes to the same folder",
    "busy": "Too much is in work",
    "too-slow": "It took too long and was ended",
    "stopping": "The server is stopping",
    "not-ready": "The server cannot do its work now",
    "internal": "Something is wrong with the server",
}

_STATUS_OF_PICTURE = {
    FailureCode.NOT_FOUND: 404,
    FailureCode.NOT_A_FILE: 404,
    FailureCode.PERMISSION_DENIED: 403,
    FailureCode.TOO_LARGE: 413,
    FailureCode.FORMAT_NOT_ALLOWED: 415,
    FailureCode.INTERNAL: 500,
    FailureCode.CANNOT_WRITE: 500,
    FailureCode.OUT_OF_MEMORY: 503,
    FailureCode.TIMEOUT: 504,
    FailureCode.DISK_FULL: 507,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: where (a JSON pointer into the body, or the name of a parameter), and what would be right."""

    detail: str
    pointer: str = ""
    parameter: str = ""
    suggestion: str = ""


class Refused(UsageError):
    """Raised where a request cannot be answered as it wished; it never leaves this package.

    The code is stable: scripts rely on it.
    """

    def __init__(self, status: int, code: str, detail: str, *faults: Fault, headers: Headers = ()) -> None:
        self.status, self.code, self.detail, self.faults, self.headers = status, code, detail, faults, headers
        super().__init__(detail)

    def response(self, request_id: str, instance: str = "") -> Response:
        """Return it as a document of problem details."""
        document = {
            "type": f"/problems/{self.code}/",
            "title": TITLES[self.code],
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.code,
            "request_id": request_id,
        }
        if self.faults:
            document["errors"] = [
                {key: value for key, value in asdict(fault).items() if value} for fault in self.faults
            ]
        return json_response(document, status=self.status, headers=self.headers, media="application/problem+json")


def bad_body(pointer: str, detail: str) -> Refused:
    """Return the refusal of a body in which something is wrong at a place."""
    return Refused(422, "bad-body", detail, Fault(detail, pointer))


def busy(detail: str, *, seconds: int = 1) -> Refused:
    """Return the refusal of a server that has enough to do; `seconds` says when to ask again."""
    return Refused(503, "busy", detail, headers=(("Retry-After", str(seconds)),))


def queue_full() -> Refused:
    """Return the refusal of a queue that takes nothing new at the moment."""
    return Refused(503, "queue-full", "the queue has no room for this now", headers=(("Retry-After", "30"),))


def refusal_of(error: ImgpipeError) -> Refused:
    """Return the refusal that an error stands for, of those that are not the server's own fault."""
    text = str(error)
    match error:
        case Refused():
            return error
        case PictureError():
            return refused_picture(error.code, text, error.remedy)
        case BadPipeline():
            return Refused(422, "bad-pipeline", text)
        case BadOption():
            return Refused(422, "bad-request", text)
        case NothingToDo():
            return Refused(404, "nothing-to-do", text)
        case OutputLocked():
            return Refused(409, "output-locked", text, headers=(("Retry-After", "1"),))
        case UsageError():
            return Refused(400, "bad-request", text)
        case _:
            return Refused(500, "internal", text)


def refused_picture(code: FailureCode, message: str, remedy: str) -> Refused:
    """Return the refusal of a picture; `message` may say less of the server's folders than an error does."""
    faults = [Fault(message, suggestion=remedy)] if remedy else []
    return Refused(_STATUS_OF_PICTURE.get(code, 422), code_of(code), message, *faults)


def code_of(code: FailureCode) -> str:
    """Return how a problem writes the code of a picture's failure."""
    return code.value.lower().replace("_", "-")
