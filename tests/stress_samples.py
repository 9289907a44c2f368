"""Stress samples: runs made up for tests, so that what is said about them can be foretold."""

from __future__ import annotations

from typing import Any

from imgpipe.stress.values import Account, End, Plan, Run, Sending, Trip


def trip(number: int, intended: float, took: float | None = 0.1, **given: Any) -> Trip:
    """Return a task that was sent in time and is done after `took` seconds; None is a task without an end."""
    begun = given.pop("begun", intended)
    if took is None:
        return Trip(number, intended, begun, taken=begun, **given)
    service = given.pop("service_seconds", took / 2)
    values = {"taken": begun, "end": End.DONE, **given}
    return Trip(number, intended, begun, ended=intended + took, service_seconds=service, **values)


def run_of(*trips: Trip, plan: Plan | None = None, late: tuple[float, ...] = (0.0,), **given: Any) -> Run:
    """Return a run of tasks, in an open loop unless another plan is given."""
    moments = tuple(each.intended for each in trips) or (0.0,)
    plan = plan or Plan(kind="continuous", arrivals="1/s even", moments=moments, is_steady=True)
    seconds = max((each.ended or each.intended for each in trips), default=1.0)
    sending = Sending(late, blocked_seconds=0.0, cpu_share=0.05)
    return Run(**{
        "plan": plan, "where": "a queue", "what": "resize", "trips": trips, "sending": sending, "seconds": seconds,
        **given,
    })  # fmt: skip


def account(**given: Any) -> Account:
    """Return what a queue with two slots has counted: nothing, but for what is given."""
    counts = dict.fromkeys(("submitted", "done", "failed", "lost", "retried", "losses", "late", "duplicates"), 0)
    return Account(**{**counts, "busy_seconds": 0.0, "slots": 2, "alike": True, "waited_seconds": None, **given})
