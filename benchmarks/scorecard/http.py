"""S4: the server under malformed requests, slow clients, many clients, and requests made up from its own document."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from benchmarks.measure import held_bytes
from benchmarks.scorecard.row import MEBIBYTE, Found, started, tested

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.scorecard.row import Order

_MALFORMED = ("web/test_server.py::test_malformed", "web/test_wire.py")
_HEALTH = "/api/health/"
_SLOWEST_SECONDS = 0.1
_MOST_GROWN = 50 * MEBIBYTE
_CONNECTIONS_AT_ONCE = 50
_LONG_EXAMPLES = 3
_PATIENCE_SECONDS = 120


def http_(order: Order) -> Found:
    """S4: the cases that the suite has; then a server of its own, and all that comes over the wire."""
    said, misses = tested(*_MALFORMED)
    folder = order.work / "served"
    folder.mkdir()
    with started(["serve", "--port", 0, "--quiet"], order.work / "log", cwd=folder) as run:
        assert run.stdout is not None
        port = int(re.findall(rb"127\.0\.0\.1:(\d+)/", run.stdout.readline())[0])
        before = held_bytes(run.pid)
        slowest, answers = _slow_clients(port, order.size(500, 50), order.size(500, 50))
        answers += _many_clients(port, order.size(1000, 50))
        grown = held_bytes(run.pid) - before
        examples, broken = _made_up(port, order)
    misses |= {
        "p99 of health above 100 ms": slowest * 1000 if slowest > _SLOWEST_SECONDS else 0,
        "5xx but 503": sum(number for status, number in answers.items() if status >= 500 and status != 503),
        "without an answer": answers[0],
        "grown by more than 50 MB": grown / MEBIBYTE if grown > _MOST_GROWN else 0,
        "promises of the document that were broken": broken[:5],
    }
    refused = sum(number for status, number in answers.items() if status == 503)
    facts = (
        f"{said}; {order.size(500, 50)} clients that never end their request: health p99 {slowest * 1000:.0f} ms; "
        f"{order.size(1000, 50):,} clients that stay, {refused} answers 503; +{grown / MEBIBYTE:.0f} MB; "
        f"{examples:,} requests made up from the document"
    )
    return Found(facts, misses)


def _slow_clients(port: int, clients: int, looks: int) -> tuple[float, Counter[int]]:
    """Keep so many connections busy with nothing, and ask for health meanwhile; return its 99th percentile."""
    times, answers = [], Counter[int]()
    slow: list[socket.socket] = []
    try:
        for _ in range(clients):
            slow.append(_connected(port))
            slow[-1].sendall(b"GET /api/health/ HTTP/1.1\r\nHost: local")
        for number in range(looks):
            with contextlib.suppress(OSError):  # those are closed in time, which is right
                slow[number % clients].sendall(b"h")
            start = time.perf_counter()
            answers[_asked(port)] += 1
            times.append(time.perf_counter() - start)
    finally:
        for one in slow:
            one.close()
    return sorted(times)[-max(looks // 100, 1)], answers


def _many_clients(port: int, clients: int) -> Counter[int]:
    """Ask twice on each of many connections, some of them at once."""
    answers = Counter[int]()
    for _ in range(clients // _CONNECTIONS_AT_ONCE):
        there = [http.client.HTTPConnection("127.0.0.1", port, timeout=30) for _ in range(_CONNECTIONS_AT_ONCE)]
        for _ in range(2):
            for one in there:
                one.request("GET", _HEALTH)
            for one in there:
                answer = one.getresponse()
                answer.read()
                answers[answer.status] += 1
        for one in there:
            one.close()
    return answers


def _made_up(port: int, order: Order) -> tuple[int, list[str]]:
    """Send requests that schemathesis makes up, right ones and wrong ones; return how many, and what was broken."""
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis.errors import Unsatisfiable
    from schemathesis import GenerationMode, openapi
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    promises = [
        not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
        checks.response_schema_conformance,
    ]  # fmt: skip
    described = openapi.from_url(f"http://127.0.0.1:{port}/api/openapi.json")
    kinds = list(_kinds(described.raw_schema["paths"]))
    each = order.size(5000, 100) // len(kinds) + 1
    count, broken = 0, []
    for path, method, mode in kinds:
        is_long = "process-batch" in path or "compar" in path

        @seed(order.seed)
        @given(case=described[path][method].as_strategy(generation_mode=GenerationMode(mode)))
        @settings(
            max_examples=min(each, _LONG_EXAMPLES) if is_long and mode == "positive" else each,
            deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def check(case: Any) -> None:
            nonlocal count
            count += 1
            for name in ("delay", "wait"):
                if isinstance((case.query or {}).get(name), (int, float)):
                    case.query[name] = min(case.query[name], 0)
            case.call_and_validate(checks=promises, timeout=_PATIENCE_SECONDS)

        try:
            check()
        except Unsatisfiable:  # nothing wrong can be made up here
            pass
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            broken.append(f"{mode} {method} {path}: {' '.join(str(error).split())[:200]}")
    return count, broken


def _kinds(paths: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield path, method.upper(), "positive"
            body = operation.get("requestBody", {}).get("content", {})
            if operation.get("parameters") or any("json" in media for media in body):
                yield path, method.upper(), "negative"


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def _asked(port: int) -> int:
    """Return the status of an answer, 0 if there was none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", _HEALTH)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
