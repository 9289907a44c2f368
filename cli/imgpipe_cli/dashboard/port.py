"""Port: tells this machine, while a run goes on, the metrics of it that a server would tell, and nothing else."""

from __future__ import annotations

import contextlib
import threading
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from imgpipe.errors import BadOption
from imgpipe.monitor import Watch
from imgpipe.web.app import App
from imgpipe.web.broker import Broker, RedisBroker
from imgpipe.web.settings import WebSettings
from imgpipe.web.wsgi import Application

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imgpipe.monitor.reading import Watched

_HOST = "127.0.0.1"
_PATHS = {"/metrics", "/metrics/", "/api/metrics", "/api/metrics/"}
_SILENT_SECONDS = 5.0
_FAREWELL_SECONDS = 0.05


class LocalBroker(Broker):
    """A run without a queue, in the place of one."""

    def __init__(self, run: Watched) -> None:
        super().__init__()
        self._watch = Watch(run, source="local")


@contextlib.contextmanager
def redis_broker(redis: str, namespace: str) -> Iterator[Broker]:
    """Watch the queue on a Redis for the `with` block. Raises what `RedisBroker.start` raises."""
    if redis == "embedded":
        expected = "none together with --redis embedded: start its server with `imgpipe up`, which tells the same"
        raise BadOption("metrics-port", redis, expected)
    with contextlib.closing(RedisBroker(redis, namespace)) as broker:
        broker.start()
        yield broker


@contextlib.contextmanager
def serving(broker: Broker, port: int) -> Iterator[str]:
    """Answer for the `with` block; 0 takes a free port. Gives the address.

    Raises `BadOption` for a port that cannot be had.
    """
    try:
        server = _Server((_HOST, port), _Handler)
    except OSError as error:
        raise BadOption("metrics-port", port, f"a port that can be had, or 0 for any ({error})") from error
    with server, contextlib.closing(App(WebSettings(), broker)) as app:
        server.set_app(_only_looking(Application(app)))
        thread = threading.Thread(target=server.serve_forever, args=(_FAREWELL_SECONDS,), name="imgpipe-metrics")
        thread.start()
        try:
            yield f"http://{_HOST}:{server.server_port}"
        finally:
            app.stopping.set()
            server.shutdown()
            thread.join()


def _only_looking(application: Application) -> Callable[..., Iterable[bytes]]:
    """Return the part of an application that only tells how things are."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        known = environ["PATH_INFO"] in _PATHS
        return application(environ if known else {**environ, "PATH_INFO": "/not-here"}, start_response)

    return answer


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that has gone is nothing to whoever watches the progress."""


class _Handler(WSGIRequestHandler):
    timeout = _SILENT_SECONDS

    def log_message(self, *_args: Any) -> None:
        """Say nothing, for the same reason."""
