"""Trace: writes timelines as Chrome trace events, which Perfetto (ui.perfetto.dev) and chrome://tracing open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgpipe.compare.spans import Timeline

# Names that chrome://tracing has for colours; Perfetto takes one of its own for each name of a stage.
_COLOURS = {
    "header": "grey",
    "wait": "terrible",
    "decode": "rail_response",
    "filter": "thread_state_running",
    "encode": "rail_animation",
    "publish": "thread_state_iowait",
}


def trace_data(timelines: Iterable[Timeline]) -> dict[str, Any]:
    """Return the trace: a process for each timeline, a thread for each worker, stages inside of tasks.

    Each timeline begins at zero, so that those to be compared lie one below the other. Times are in microseconds.
    """
    events = [event for number, line in enumerate(timelines, 1) for event in _events(number, line)]
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def _events(process: int, line: Timeline) -> Iterator[dict[str, Any]]:
    yield _named("process_name", process, 0, line.title)
    yield {"name": "process_sort_index", "ph": "M", "pid": process, "tid": 0, "args": {"sort_index": process}}
    threads = {worker: number for number, worker in enumerate(line.workers, 1)}
    for worker, thread in threads.items():
        yield _named("thread_name", process, thread, worker)
    for span in line.spans:
        where = {"ph": "X", "pid": process, "tid": threads[span.worker]}
        told = {
            "running_ms": _ms(span.run_seconds),
            "waiting_for_a_core_ms": _ms(span.core_seconds),
            "blocked_ms": _ms(span.blocked_seconds),
        }
        yield {"name": span.name, "cat": "task", **where, **_when(span.start, span.seconds), "args": told}
        for stage, start, seconds in span.stages:
            colour = {"cname": _COLOURS[stage]} if stage in _COLOURS else {}
            yield {"name": stage, "cat": "stage", **where, **_when(start, seconds), **colour}


def _named(kind: str, process: int, thread: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": process, "tid": thread, "args": {"name": name}}


def _when(start: float, seconds: float) -> dict[str, float]:
    return {"ts": round(start * 1e6, 1), "dur": round(seconds * 1e6, 1)}


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
