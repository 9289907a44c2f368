"""ScaleViews: advice and simulations in words and as JSON; pure functions over what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgpipe_cli.meter import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imgpipe.advice import Advice
    from imgpipe.advice.simulate import Outcome

TIMELINE = (">TIME", ">WAITING", ">BUSY", "ADVICE", "URGENCY", ">SURE", "WHY")
LIMITS = (
    "Nothing is carried out: whoever starts and ends workers decides.",
    "The confidence is about the direction (more, fewer, as many), not about the number; the interval is about that.",
)
_CAPS: Mapping[str, str] = {
    "NO_DATA": "nothing is known",
    "COVERAGE": "not all workers have reported lately",
    "FEW_TASKS": "fewer than 5 tasks have ended",
    "SHORT_WINDOW": "the rate has just risen, and is known from seconds only",
    "RATE_FALLS": "less has arrived lately than before",
    "LITTLE": "tasks, rate and times do not fit together (Little's law)",
}
_RULES = (("for_utilisation", "utilisation"), ("for_latency", "waits"), ("for_backlog", "what waits"),
          ("for_deadline", "the deadline"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One moment of a simulation or a recording: the time from its beginning on, and what was advised then."""

    at_seconds: float
    advice: Advice


def advice_lines(data: Mapping[str, Any], *, explain: bool = False) -> Iterator[str]:
    """Tell one element of `scaling[]`; with `explain` also all that it was made from."""
    interval = data["interval"]
    likely = f" (likely {interval[0]} to {interval[1]})" if interval else ""
    change = _change(data["current_workers"], data["recommended_workers"])
    host = ", on another host" if data["scope"] == "host" and data["action"] == "SCALE_UP" else ""
    yield f"{data['capability']}: {data['action']} {change} workers{likely}{host}"
    yield f"  {data['objective'] or 'unknown'}, urgency {data['urgency']}, confidence {data['confidence']:.2f}"
    yield f"  {data['reason']['code']}: {data['reason']['text']}"
    if data["breach_in_s"]:
        yield f"  waits exceed the target in {duration(data['breach_in_s'])}"
    if data["what_if"]:
        rows = (f"{row['workers']} workers {duration(row['eta_s'])} ({row['basis']})" for row in data["what_if"])
        yield f"  until the batch is over: {', '.join(rows)}"
    if data["drain"]:
        yield f"  to drain: {', '.join(data['drain'])}"
    if explain:
        yield from _explanation(data)


def timeline_row(row: Row) -> tuple[object, ...]:
    """Return a line of the table of a simulation."""
    advice, now = row.advice, row.advice.inputs
    return (
        _clock(row.at_seconds),
        now.ready if now else None,
        f"{now.running}/{now.slots}" if now else None,
        f"{advice.action} {_change(advice.current_workers, advice.recommended_workers)}",
        advice.urgency,
        f"{advice.confidence:.2f}",
        f"{advice.reason.code}: {advice.reason.text}",
    )  # fmt: skip


def row_data(row: Row) -> dict[str, Any]:
    """Return a moment as JSON-like data."""
    return {"at_s": row.at_seconds, **row.advice.to_data()}


def outcome_rows(outcomes: Mapping[str, Outcome], target_wait_seconds: float) -> Iterator[tuple[object, ...]]:
    """Give the table of what came of the policies, one column each."""
    for name, share in (("half of tasks waited less than", 0.5), ("95 % of tasks waited less than", 0.95)):
        yield (name, *(_seconds(outcome.wait_seconds(share)) for outcome in outcomes.values()))
    yield ("the longest wait", *(_seconds(outcome.wait_seconds(1.0)) for outcome in outcomes.values()))
    within = (f"{100 * outcome.within(target_wait_seconds):.2f} %" for outcome in outcomes.values())
    yield (f"waited at most {target_wait_seconds:g} s", *within)
    yield ("slot-seconds, start-up included", *(round(outcome.slot_seconds) for outcome in outcomes.values()))
    yield ("slot-seconds of work", *(round(outcome.busy_seconds) for outcome in outcomes.values()))
    yield ("changes", *(outcome.changes for outcome in outcomes.values()))


def outcome_data(outcome: Outcome, target_wait_seconds: float) -> dict[str, Any]:
    """Return an outcome as JSON-like data; waits of no task are null."""
    return {
        "tasks": len(outcome.waits_seconds),
        "wait_s": {
            "p50": outcome.wait_seconds(0.5),
            "p95": outcome.wait_seconds(0.95),
            "p99": outcome.wait_seconds(0.99),
            "max": outcome.wait_seconds(1.0),
        },
        "within_target": outcome.within(target_wait_seconds),
        "slot_s": outcome.slot_seconds,
        "busy_s": outcome.busy_seconds,
        "changes": outcome.changes,
        "seconds": outcome.seconds,
    }


def worth_showing(rows: Sequence[Row]) -> list[Row]:
    """Return the moments at which the advice became another one, and the first."""
    shown: list[Row] = []
    for row in rows:
        is_other = not shown or (shown[-1].advice.action, shown[-1].advice.recommended_slots) != (
            row.advice.action,
            row.advice.recommended_slots,
        )
        if is_other and (not shown or row.advice.action != "MAINTAIN"):
            shown.append(row)
    return shown


def _explanation(data: Mapping[str, Any]) -> Iterator[str]:
    numbers = data["reason"]["numbers"]
    rules = [f"{name} {numbers[key]}" for key, name in _RULES if numbers.get(key) is not None]
    if rules:
        yield f"  slots needed for {', for '.join(rules)}; the most counts"
    for code in data["confidence_caps"]:
        yield f"  less sure, because {_CAPS.get(code, code)} ({code})"
    told = ", ".join(f"{name} {_number(value)}" for name, value in sorted(numbers.items()) if value is not None)
    yield f"  numbers: {told}"


def _change(now: int | None, then: int | None) -> str:
    if now is None:
        return "–"
    return str(now) if now == then else f"{now} to {then}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f} s"


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
