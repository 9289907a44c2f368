"""Explain: says in plain words what the numbers of a comparison mean, and what they do not show."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from imgpipe.compare.model import BEYOND
from imgpipe.compare.spread import apart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.compare.model import Fit
    from imgpipe.compare.prediction import Prediction
    from imgpipe.compare.spread import Spread
    from imgpipe.compare.values import CellReport, WorkloadReport

_SAYING = 1.2
"""What threads are said to gain on filters that compute."""
_WORTH_TELLING = 0.05
_TOLERANCE = 1.05  # a ceiling is surpassed only by more than chance


def predicted(name: str, prediction: Prediction, workers: int) -> str:
    """Say what speed-up is possible at all, before it is measured."""
    allow = "cores allow" if prediction.cores > 1 else "core allows"
    cores = f"{prediction.cores} {allow} {times(prediction.cores_allow)}"
    if prediction.core_share < 1 - _WORTH_TELLING:
        cores += f", for a picture computes only {percent(prediction.core_share)} of its time"
    if prediction.gil is None:
        gil = "this Python has no GIL"
    else:
        low, high = prediction.gil.interval
        gil = f"one thread holds the GIL {percent(prediction.gil.share)} of its time"
        gil += f" ({percent(low)} to {percent(high)}, {prediction.gil.looks} looks)"
        limit = prediction.gil_allows
        gil += ", which sets threads no limit" if limit > 1000 else f", so threads can reach {times(limit)} at most"
    ceiling = prediction.ceiling("threads", workers)
    return f"{name}: {gil}; {cores}. Ceiling for {workers} threads: {times(ceiling)}."


def why(workload: WorkloadReport) -> list[str]:
    """Explain one pipeline, a sentence or two a line."""
    highest = [workload.of(executor)[-1] for executor in workload.executors if executor != "sequential"]
    lines = [_measured(report, workload.prediction) for report in highest]
    lines += _verdicts(highest)
    lines += [_saying(report) for report in highest if _is_about(workload, report)]
    return lines


def about_fit(executor: str, fit: Fit | None) -> str:
    """Say what a fit says, and what it cannot say."""
    if fit is None:
        return f"{executor}: no fit; there is one worker count, or the intervals are too wide."
    text = f"{executor}, fit of {fit.law} on {fit.points} worker counts: {percent(fit.sigma)} of the work"
    text += " goes on alone (sigma)"
    if fit.kappa > 0:
        text += f", workers cost each other {fit.kappa:.4f} (kappa)"
    if fit.r_squared is None:
        text += "; one number through one point always fits, so that it explains nothing"
    else:
        text += f"; R² {fit.r_squared:.3f}"
    beyond = BEYOND * fit.largest
    guess = fit.speedup(beyond)
    if fit.peak_workers is not None and fit.peak_workers <= beyond:
        text += f". More than {fit.peak_workers:.0f} workers would be slower"
    elif guess is not None:
        text += f". With cores enough, {beyond} workers would reach {times(guess)}"
    return text + "; not measured, and nothing is said about more. A fit does not know whether cores or GIL are short."


def times(value: float) -> str:
    """Return a speed-up as a person reads it."""
    return f"{value:.2f}x" if value < 10 else f"{value:.0f}x"


def percent(share: float) -> str:
    """Return a share as a person reads it."""
    return f"{share * 100:.0f} %"


def interval(spread: Spread) -> str:
    """Return a speed-up with its interval."""
    if spread.low is None or spread.high is None:
        return times(spread.median)
    return f"{times(spread.median)} ({spread.low:.2f} to {spread.high:.2f})"


def _measured(report: CellReport, prediction: Prediction) -> str:
    cell, speedup = report.cell, report.speedup
    ceiling = prediction.ceiling(cell.executor, cell.workers)
    text = f"{cell}: measured {interval(speedup)}, {percent(speedup.median / ceiling)} of its ceiling {times(ceiling)}."
    if speedup.low is not None and speedup.low > _highest_ceiling(prediction, report) * _TOLERANCE:
        text += " That is more than predicted: the prediction was wrong."
    losses = [
        f"{percent(share)} {words}" for share, words in sorted(_losses(report), reverse=True) if share >= _WORTH_TELLING
    ]
    if losses:
        text += f" Of its time a worker spent {_listed(losses)}."
    if cell.workers <= prediction.cores and (report.shares.core or 0.0) >= 2 * _WORTH_TELLING:
        text += " There are cores enough: something else used them."
    if report.work >= 1 + 2 * _WORTH_TELLING:
        text += f" A picture takes {percent(report.work - 1)} more processor time than alone: caches, memory"
        text += " and clock are shared."
    if report.waited_for_memory >= 2 * _WORTH_TELLING:
        text += f" {percent(report.waited_for_memory)} of it pictures waited for memory."
    return text


def _highest_ceiling(prediction: Prediction, report: CellReport) -> float:
    limits = [float(report.cell.workers), prediction.cores_allow]
    if report.cell.executor == "threads":
        limits.append(prediction.gil_allows_at_most)
    return max(min(limits), 1.0)


def _losses(report: CellReport) -> Iterator[tuple[float, str]]:
    shares = report.shares
    yield shares.gil, "waiting for the GIL"
    yield shares.core or 0.0, "waiting for a core"
    yield shares.io, "waiting for something outside"
    yield shares.idle, "without a picture (tasks and results were on their way, or the pass was ending)"


def _verdicts(highest: list[CellReport]) -> Iterator[str]:
    for report in highest:
        if report.speedup.low is None:
            yield f"{report.cell}: one repetition shows nothing; no verdict."
        elif report.speedup.low <= 1 <= (report.speedup.high or 0.0):
            yield f"{report.cell}: no difference from sequential shown; the interval includes 1."
    ranked = sorted(highest, key=lambda report: -report.speedup.median)
    for better, worse in pairwise(ranked):
        pair = f"{better.cell} ({times(better.speedup.median)}) and {worse.cell} ({times(worse.speedup.median)})"
        if apart(better.speedup, worse.speedup):
            yield f"{better.cell} is faster than {worse.cell}: their intervals are apart."
        else:
            yield f"No difference shown between {pair}: their intervals overlap."


def _is_about(workload: WorkloadReport, report: CellReport) -> bool:
    """Whether the saying about threads is about this: filters that compute, and more than one thread."""
    return workload.cpu_only and workload.releases_gil and report.cell.executor == "threads" and report.cell.workers > 1


def _saying(report: CellReport) -> str:
    text = f"It is said that threads gain {_SAYING}x on filters that compute. These let the GIL go, and"
    text += f" {report.cell.workers} threads gained {interval(report.speedup)}: "
    low, high = report.speedup.low, report.speedup.high
    if low is not None and low > _SAYING:
        return text + "the saying does not hold here."
    if high is not None and high < _SAYING:
        return text + "as little as that, but not for the GIL's sake alone; see where the time went."
    return text + f"{_SAYING} lies within the interval, so that this shows nothing either way."


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
