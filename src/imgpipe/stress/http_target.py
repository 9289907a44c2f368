"""HttpTarget: sends tasks to an imgpipe server as its users do, over HTTP, and asks until it knows their end."""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from imgpipe.display import display_name
from imgpipe.errors import BadOption, ExecutorError, QueueUnavailable, UsageError
from imgpipe.stress.values import Account, End, Look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgpipe.pipeline import Pipeline
    from imgpipe.stress.book import Book

_ANSWER_SECONDS = 10.0
_SENDERS = 8
_LOOK_SECONDS = 0.05  # between two rounds
_LOOKED_AT = 32  # tasks in one round: the oldest, for they end first, and some others in turn
_OTHERS = 8
_MOST_ITEMS = 1000
_OVER = {"completed": End.DONE, "failed": End.FAILED, "partial": End.FAILED, "lost": End.LOST, "cancelled": End.LOST}
_CLOSED = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)
_TROUBLE = (OSError, http.client.HTTPException, ValueError)


@dataclass(frozen=True, slots=True)
class _Sent:
    number: int
    task_id: str
    looked_at: float


class HttpTarget:
    """Posts to `/api/process-batch/distributed/`. The pipelines are asked for in turn, and so are `images`.

    `images` are names in the server's own folder; without any, a task is about all that it has. One thread looks for
    ends: how far they may have been before it saw them is written into the book.
    """

    def __init__(
        self, url: str, token: str | None, pipelines: Sequence[Pipeline], images: Sequence[str], book: Book
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadOption("url", url, "the address of a server, as http://127.0.0.1:8000")
        self._make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/")
        self.where, self.notes = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", list[str]()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._pipelines, self._images, self._book = [each.to_data() for each in pipelines], images, book
        self._mark = secrets.token_hex(8)
        self._own = threading.local()
        self._connections: list[http.client.HTTPConnection] = []
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._open: dict[int, _Sent] = {}
        self._senders = ThreadPoolExecutor(_SENDERS, thread_name_prefix="imgpipe-stress-post")
        self._looker = threading.Thread(target=self._look_on, name="imgpipe-stress-look", daemon=True)

    def start(self) -> None:
        """Ask whether it is there. Raises `QueueUnavailable`, and `UsageError` if it is not for us."""
        try:
            status, data = self._ask("GET", "/api/health/")
        except _TROUBLE as error:
            self.close()
            raise QueueUnavailable(f"{self.where} does not answer: {error}; start it with `imgpipe serve`") from error
        if status != http.client.OK:
            self.close()
            raise UsageError(f"{self.where} refuses: {status} {_code_of(data)}")
        self._looker.start()

    def send(self, numbers: Sequence[int]) -> None:
        """Let some threads post tasks: many at once, as many users would."""
        for number in numbers:
            self._senders.submit(self._post, number)

    def look(self) -> Look | None:
        """It cannot be known: the server tells of single tasks only."""
        return None

    def account(self) -> Account | None:
        """It cannot be known."""
        return None

    def close(self) -> None:
        """Cancel what is not over, and close the connections."""
        self._ended.set()
        self._senders.shutdown(cancel_futures=True)
        if self._looker.ident is not None:
            self._looker.join()
        with contextlib.suppress(*_TROUBLE):
            for sent in self._open.values():
                self._ask("DELETE", f"/api/task/{sent.task_id}/")
        for connection in self._connections:
            connection.close()

    def _post(self, number: int) -> None:
        body = dict(self._pipelines[number % len(self._pipelines)])
        if self._images:
            body["images"] = [self._images[number // len(self._pipelines) % len(self._images)]]
        try:
            status, data = self._ask("POST", "/api/process-batch/distributed/", body, f"stress-{self._mark}-{number}")
        except _TROUBLE as error:
            self._book.end(number, End.REFUSED, code=type(error).__name__)
            return
        except Exception as error:  # noqa: BLE001 - a thread of a pool would keep it for itself
            self._book.fail(error)
            return
        if status != http.client.ACCEPTED or not isinstance(data.get("task_id"), str):
            self._book.end(number, End.REFUSED, code=f"{status} {_code_of(data)}".strip())
            return
        self._book.take([number])
        with self._lock:
            self._open[number] = _Sent(number, data["task_id"], self._book.now)

    def _look_on(self) -> None:
        turn = 0
        try:
            while not self._ended.wait(_LOOK_SECONDS):
                with self._lock:
                    sent = list(self._open.values())
                oldest, others = sent[:_LOOKED_AT], sent[_LOOKED_AT:]
                turn = turn + _OTHERS if turn + _OTHERS < len(others) else 0
                for each in (*oldest, *others[turn : turn + _OTHERS]):
                    if self._ended.is_set():
                        return
                    self._look_at(each)
        except Exception as error:  # noqa: BLE001 - raised again by those who wait
            self._book.fail(error)

    def _look_at(self, sent: _Sent) -> None:
        at = self._book.now
        try:
            status, data = self._ask("GET", f"/api/task/{sent.task_id}/status/")
        except _TROUBLE:
            return
        if status >= http.client.INTERNAL_SERVER_ERROR or status == http.client.TOO_MANY_REQUESTS:
            return
        if status != http.client.OK:
            raise ExecutorError(f"the server knows nothing of task {sent.task_id}: {status} {_code_of(data)}")
        end = _OVER.get(str(data.get("status")))
        with self._lock:
            if end is None:
                self._open[sent.number] = _Sent(sent.number, sent.task_id, at)
                return
            del self._open[sent.number]
        unseen = self._book.now - sent.looked_at
        self._book.end(sent.number, end, code=str(data.get("failure_reason") or ""),
                       service_seconds=self._service(sent.task_id), unseen_seconds=unseen)  # fmt: skip

    def _service(self, task_id: str) -> float | None:
        """Return what the workers' processes needed for a task, one picture after the other."""
        try:
            status, data = self._ask("GET", f"/api/task/{task_id}/results/?limit={_MOST_ITEMS}")
            return float(sum(item["elapsed_s"] for item in data["items"])) if status == http.client.OK else None
        except (*_TROUBLE, KeyError, TypeError):
            return None

    def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, key: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Ask over this thread's own connection; one that was closed in the meantime is opened again, once.

        So a post may arrive twice; by its `key` the server knows it again.
        """
        data = None if body is None else json.dumps(body).encode()
        more = {} if data is None else {"Content-Type": "application/json", "Idempotency-Key": key}
        connection, is_new = self._connection()
        try:
            return _exchanged(connection, method, self._path + path, data, self._headers | more)
        except _CLOSED:
            connection.close()
            if is_new:
                raise
            return _exchanged(connection, method, self._path + path, data, self._headers | more)
        except _TROUBLE:
            connection.close()
            raise

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        known: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if known is not None:
            return known, known.sock is None
        connection = self._make(self._host, self._port, timeout=_ANSWER_SECONDS)
        self._own.connection = connection
        with self._lock:
            self._connections.append(connection)
        return connection, True


def _exchanged(
    connection: http.client.HTTPConnection, method: str, path: str, data: bytes | None, headers: dict[str, str]
) -> tuple[int, dict[str, Any]]:
    connection.request(method, path, data, headers)
    response = connection.getresponse()
    text = response.read()
    decoded = json.loads(text) if text and "json" in response.headers.get("Content-Type", "") else {}
    return response.status, decoded if isinstance(decoded, dict) else {}


def _code_of(data: dict[str, Any]) -> str:
    return display_name(data.get("code") or data.get("title") or "", width=60)
