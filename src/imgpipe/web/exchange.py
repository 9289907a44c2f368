"""Exchange: takes a connection from one phase to the next: head, body, view, answer, and the next request."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from selectors import EVENT_READ, EVENT_WRITE
from typing import TYPE_CHECKING

from imgpipe.display import display_name
from imgpipe.web.connection import Phase
from imgpipe.web.dispatch import admit, answer, finish, next_piece
from imgpipe.web.http import Piece, Response
from imgpipe.web.limits import open_lanes
from imgpipe.web.problems import Refused, busy
from imgpipe.web.wire import CONTINUE, read_request, request_id, take_head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgpipe.web.app import App, Later
    from imgpipe.web.connection import Connection
    from imgpipe.web.http import Request
    from imgpipe.web.limits import Lane, ServerLimits

    Answer = Response | Later | Piece | None  # of a view, or of a stream, which ends with None

_TOO_LATE = Refused(408, "request-timeout", "the request was not complete in time")
_NEVER = float("inf")
_FULL_SECONDS = 1.0  # until a stream is asked again for which no thread was free


class Exchange:
    """What happens on the connections of one server, in its own thread; only views run elsewhere.

    `watch`, `drop`, `again` (have another look at what has come in) and `wake` are what it needs of the server.
    """

    def __init__(
        self,
        app: App,
        limits: ServerLimits,
        watch: Callable[[Connection, int], None],
        drop: Callable[[Connection], None],
        again: Callable[[Connection], None],
        wake: Callable[[], None],
        log: Callable[[str], None],
    ) -> None:
        self._app, self._limits, self._log = app, limits, log
        self._watch, self._drop, self._again, self._wake = watch, drop, again, wake
        self._lanes = open_lanes(limits)
        self._answers: SimpleQueue[tuple[Lane, Connection, Answer]] = SimpleQueue()
        self._waiting: set[Connection] = set()
        self._held_bytes = 0
        self.stopping = False

    def advance(self, connection: Connection) -> None:
        """Go on with what has come in."""
        try:
            if connection.phase is Phase.HEAD:
                self._read_head(connection)
            if connection.phase is Phase.BODY:
                self._read_body(connection)
        except Refused as error:
            self.refuse(connection, error)

    def answers(self) -> Iterator[tuple[Connection, Answer]]:
        """Give what views and streams have answered, but for those whose client has been left meanwhile."""
        with suppress(Empty):
            while True:
                lane, connection, response = self._answers.get_nowait()
                lane.release()
                if connection.phase is not Phase.CLOSED:
                    yield connection, response
                    continue
                connection.end_stream()
                if isinstance(response, Response):
                    response.close()

    def settle(self, connection: Connection, response: Answer) -> None:
        """Go on with what a view, or a stream, has answered."""
        if isinstance(response, Response):
            self._respond(connection, response)
        elif isinstance(response, Piece):
            connection.go_on(response, time.monotonic() + self._limits.write_seconds)
            self.send(connection)
        elif response is None:
            self._end(connection)
        else:
            self._put_off(connection, response)

    def send(self, connection: Connection) -> None:
        """Go on with an answer."""
        before = connection.sent_bytes
        try:
            complete = connection.send()
        except OSError:
            self._note(connection)
            self._drop(connection)
            return
        if complete:
            if connection.stream is None or self.stopping:
                self._end(connection)
            else:
                self._pause(connection, connection.pause_seconds)
            return
        if connection.sent_bytes > before:
            connection.deadline = min(connection.last_deadline, time.monotonic() + self._limits.stall_seconds)
        self._watch(connection, EVENT_WRITE)

    def expire(self, connection: Connection) -> None:
        """Do what is due when a phase has lasted as long as it may."""
        if connection in self._waiting:
            self._waiting.remove(connection)
            self._call(connection)
        elif connection.phase is Phase.PAUSE:
            self._ask(connection)
        elif connection.phase is Phase.BODY or (connection.phase is Phase.HEAD and connection.incoming):
            self.refuse(connection, _TOO_LATE)
        else:
            if connection.phase is Phase.ANSWER:
                self._note(connection)
            self._drop(connection)

    def refuse(self, connection: Connection, refused: Refused) -> None:
        """Answer with a problem and close: nobody knows where the next request would begin."""
        request, head = connection.request, connection.head
        name = request.id if request else request_id(head.headers if head else {})
        response = refused.response(name, request.path if request else "")
        self._respond(connection, response.with_headers(("X-Request-Id", name)), closes=True)

    def forget(self, connection: Connection) -> None:
        """Give back what a connection has, which is to be closed."""
        self._waiting.discard(connection)
        self._let_go(connection)
        if connection.phase is not Phase.WORK:  # else it is ended when the thread that asks it is done
            connection.end_stream()
        connection.phase = Phase.CLOSED

    def close(self) -> bool:
        """End the threads of the lanes; False if some are still at work."""
        ended = [lane.close() for lane in self._lanes.values()]
        return all(ended)

    def _read_head(self, connection: Connection) -> None:
        head = take_head(connection.incoming)
        if head is None:
            if connection.begun is not None:
                connection.deadline = connection.begun + self._limits.head_seconds
            self._watch(connection, EVENT_READ)
            return
        connection.head = head
        connection.request = read_request(head, peer=connection.peer)
        admitted = admit(connection.request, self._app)
        if isinstance(admitted, Response):
            self._respond(connection, admitted, closes=head.body_bytes > 0)
            return
        connection.request, route = admitted
        connection.view, connection.lane = route.view, route.lane
        self._hold(connection, head.body_bytes)
        connection.enter(Phase.BODY, time.monotonic() + self._limits.body_seconds)
        expected = head.headers.get("expect")
        if expected is not None and expected.lower() != "100-continue":
            raise Refused(417, "expectation-failed", "the only expectation that is met is 100-continue")
        if expected is not None and len(connection.incoming) < head.body_bytes:
            connection.say(CONTINUE)

    def _hold(self, connection: Connection, size: int) -> None:
        """Reckon a large body, before it comes, with the memory that all of them may take."""
        if size <= self._limits.small_body_bytes:
            return
        if self._held_bytes + size > self._limits.body_bytes:
            raise busy("too many large bodies are on their way")
        self._held_bytes += size
        connection.held_bytes = size

    def _let_go(self, connection: Connection) -> None:
        self._held_bytes -= connection.held_bytes
        connection.held_bytes = 0

    def _read_body(self, connection: Connection) -> None:
        assert connection.request is not None  # it has been let in
        size = connection.request.content_length or 0
        if len(connection.incoming) < size:
            self._watch(connection, EVENT_READ)
            return
        connection.request = replace(connection.request, body=connection.take(size))
        self._call(connection)

    def _call(self, connection: Connection) -> None:
        view = connection.view
        assert view is not None  # since it has been let in
        if not self._work(connection, lambda request: answer(request, view, self._app, self._log)):
            self.refuse(connection, busy("too many requests are in work"))

    def _ask(self, connection: Connection) -> None:
        stream = connection.stream
        assert stream is not None  # it makes the pause
        if not self._work(connection, lambda request: next_piece(stream, request, self._log)):
            self._pause(connection, _FULL_SECONDS)

    def _work(self, connection: Connection, call: Callable[[Request], Answer]) -> bool:
        """Get an answer on a thread of the request's lane; False if that is full."""
        lane, request = self._lanes[connection.lane], connection.request
        assert request is not None  # nobody else is called for

        def work() -> None:
            self._answers.put((lane, connection, call(request)))
            self._wake()

        if not lane.try_submit(work):
            return False
        connection.enter(Phase.WORK, _NEVER)
        self._watch(connection, 0)
        return True

    def _pause(self, connection: Connection, seconds: float) -> None:
        connection.enter(Phase.PAUSE, time.monotonic() + seconds)
        self._watch(connection, EVENT_READ)  # to hear when it leaves

    def _put_off(self, connection: Connection, later: Later) -> None:
        if len(self._waiting) >= self._limits.waiting:
            self.refuse(connection, busy("too many requests are waiting"))
            return
        connection.view = later.view
        connection.enter(Phase.WORK, time.monotonic() + later.seconds)
        self._waiting.add(connection)

    def _respond(self, connection: Connection, response: Response, *, closes: bool = False) -> None:
        head = connection.head
        response = finish(response, connection.request, self._app)
        seconds = self._limits.write_seconds + (response.length or 0) / self._limits.slowest_bytes
        connection.begin(
            response,
            without_body=head is not None and head.method == "HEAD",
            closes=closes or self.stopping or response.length is None or head is None or not head.keeps_alive,
            deadline=time.monotonic() + seconds,
        )
        self.send(connection)

    def _end(self, connection: Connection) -> None:
        """End a request: another one may follow on the same connection."""
        self._note(connection)
        self._let_go(connection)
        connection.end_stream()
        if connection.closes:
            connection.half_close()
            connection.enter(Phase.LINGER, time.monotonic() + self._limits.linger_seconds)
        else:
            connection.next_request(time.monotonic() + self._limits.idle_seconds)
            if connection.incoming:
                self._again(connection)  # not at once: a thousand requests in a row would be a thousand calls deep
        self._watch(connection, EVENT_READ)

    def _note(self, connection: Connection) -> None:
        """Write the line of the log. What a client has sent must not control the terminal that shows it."""
        line = connection.head.line if connection.head else "-"
        name = connection.request.id if connection.request else "-"
        millis = 1000 * (time.monotonic() - (connection.begun or connection.since))
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._log(
            f'{moment} {connection.peer} "{display_name(line, width=300)}" {connection.status}'
            f" {connection.sent_bytes}B {millis:.1f}ms {name}"
        )
