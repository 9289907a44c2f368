"""Table: a report as plain lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe.stress.histogram import PERCENTILES, Histogram, is_known, name_of, needed_for
from imgpipe.stress.values import End
from imgpipe.stress.verdict import late_start
from imgpipe.stress.words import counted, per_second, percent, shown, sparkline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.stress.slo import Reached
    from imgpipe.stress.values import Recovery, Report

_DIFFERENT = 1.10  # corrected and uncorrected: from here on, both are shown
_BLAME = {
    End.FAILED: "job failure, the picture's or the recipe's fault",
    End.LOST: "worker failure: they died or hung",
    End.REFUSED: "not taken",
    End.OPEN: "no end was seen",
}


def report_lines(report: Report, reached: Reached | None = None) -> Iterator[str]:
    """Give the whole report."""
    yield from _head(report)
    yield from _counts(report)
    if report.total.count:
        yield ""
        yield from _latencies(report)
    yield from _more(report)
    yield from _distributed(report)
    if reached is not None:
        yield f" slo {reached.objective}: {'reached' if reached.is_reached else 'NOT REACHED'} ({reached.why})"


def differs(report: Report) -> bool:
    """Whether it matters from when latency is counted: at any percentile that is known, by more than 10 %."""
    for share in PERCENTILES:
        corrected, uncorrected = report.total.quantile(share), report.uncorrected.quantile(share)
        known = is_known(share, report.total.count) and corrected and uncorrected
        if known and corrected > _DIFFERENT * uncorrected:  # type: ignore[operator]
            return True
    return False


def _head(report: Report) -> Iterator[str]:
    run, plan = report.run, report.run.plan
    loop = "open loop" if plan.is_open else "closed loop, which hides queueing"
    yield f"stress {plan.kind}   {loop}: {plan.arrivals}   seed {plan.seed}"
    yield f" sent to {run.where}   {run.what}"
    name, late = late_start(run.sending)
    named = {"offered": report.offered_rate, "achieved": report.achieved_rate, "done": report.throughput}
    rates = "   ".join(f"{word} {per_second(rate)}" for word, rate in named.items() if rate is not None)
    lateness = f"   late starts {name} {shown(late)}" if plan.is_open else ""
    yield f" {rates}{lateness}   generator cpu {percent(run.sending.cpu_share)}   result {report.verdict.word}"
    yield from (f"   {reason}" for reason in report.verdict.reasons)
    if run.interrupted:
        yield "   stopped early: this is what there is"
    yield from (f"   note: {note}" for note in run.notes)


def _counts(report: Report) -> Iterator[str]:
    ends = report.ends
    parts = [f"{ends[end]} {end.value}" for end in End if ends[end] or end in (End.DONE, End.FAILED, End.LOST)]
    yield f" tasks {sum(ends.values())}: {', '.join(parts)}   utilization {percent(report.utilization)}"
    for end, blame in _BLAME.items():
        if ends[end]:
            codes = ", ".join(f"{code} {count}" for code, count in report.codes.get(end, {}).items())
            yield f"   {ends[end]} {end.value}: {blame}{f' ({codes})' if codes else ''}"


def _latencies(report: Report) -> Iterator[str]:
    shares = [share for share in PERCENTILES if is_known(share, report.total.count)]
    header = "".join(f"{name_of(share):>10}" for share in shares)
    yield f" {'latency of what is done':26}{header}{'mean':>10}{'max':>10}{'n':>8}"
    rows = [("from the intended start", report.total)]
    if differs(report):
        rows.append(("from the real start", report.uncorrected))
    if report.service.count:
        rows += [("  wait and overhead", report.rest), ("  service", report.service)]
    yield from (_row(name, histogram, shares) for name, histogram in rows)
    if report.run.plan.is_open:
        more = "" if differs(report) else "; counted from the real start it is the same within 10 %"
        yield f"   from the intended start: no coordinated omission{more}"
    hidden = next((share for share in PERCENTILES if share not in shares), None)
    if hidden is not None:
        yield f"   {name_of(hidden)} is not shown: it needs {needed_for(hidden)} tasks"
    if report.run.resolution_seconds:
        yield f"   an end was seen at most {shown(report.run.resolution_seconds)} after it came: that is in these times"


def _row(name: str, histogram: Histogram, shares: list[float]) -> str:
    cells = [histogram.quantile(share) for share in shares]
    cells += [histogram.mean, histogram.largest if histogram.count else None]
    return f" {name:26}{''.join(f'{shown(cell):>10}' for cell in cells)}{histogram.count:>8}"


def _more(report: Report) -> Iterator[str]:
    account = report.run.account
    if account is not None and account.waited_seconds is not None:
        overhead = "" if report.overhead_seconds is None else f"; overhead {shown(report.overhead_seconds)}"
        waited = shown(account.waited_seconds)
        yield f" by the queue's own clock, a task waited {waited} on average until a worker took it{overhead}"
    if report.theory is not None:
        theory = report.theory
        expects = f"mean wait {shown(theory.mean_seconds)}, p95 {shown(theory.p95_seconds)}"
        yield f" theory: {theory.name} at {percent(theory.utilization)} expects {expects}, without overhead"
        if report.rest.count:
            known = is_known(0.95, report.rest.count)
            p95 = f", p95 {shown(report.rest.quantile(0.95))}" if known else ""
            yield f"   measured: wait and overhead {shown(report.rest.mean)} on average{p95}"
    elif report.run.plan.is_steady and account is not None and not account.alike:
        yield " no theory: the workers differ in what they can do; one -f that all can run makes them alike"
    if report.little is not None:
        looked, computed = report.little
        yield f" Little's law: L = {looked:.2f} by looking, rate times stay = {computed:.2f}"
    line = sparkline([bucket.p50 for bucket in report.buckets], partial_last=report.buckets[-1:] != ())
    if len(line) > 1:
        width = report.buckets[0].seconds
        yield f" p50 over time (log) {line}   {shown(width)} each, the last one is partial"
    if report.drift is not None:
        drift = report.drift
        what = "it drifts" if drift.is_real else "no drift is shown"
        yield (
            f" drift of p50 in 10 min: {100 * drift.share:+.0f} % ({100 * drift.low:+.0f} to {100 * drift.high:+.0f}): "
            f"{what}"
        )
    if len(report.drained) > 1:
        yield f" drained before the next burst: {sum(report.drained[:-1])} of {len(report.drained) - 1}"


def _distributed(report: Report) -> Iterator[str]:
    if report.most_sustained is not None:
        yield f" it kept up with {per_second(report.most_sustained)}; the knee is above that, or was not reached"
    account = report.run.account
    if account is not None and report.run.plan.kind == "distributed":
        yield (
            f" lost {report.lost}   duplicates {report.run.twice} in the results, {account.duplicates} ignored by the "
            f"queue, {account.late} late ones taken   begun again after a death {account.losses}"
        )
    yield from (_recovered(recovery) for recovery in report.recoveries)


def _recovered(recovery: Recovery) -> str:
    fault = recovery.fault
    after = "never recovered" if recovery.seconds is None else f"recovered after {shown(recovery.seconds)}"
    if fault.kind == "killed":
        held = counted(recovery.affected, "task")
        return f" at {shown(fault.at)} {fault.what} was killed with {held} in its hands: {after}"
    return (
        f" at {shown(fault.at)} {fault.what} was frozen for {shown(fault.over - fault.at)}, "
        f"{counted(recovery.affected, 'task')} on the way: {after} from its return"
    )
