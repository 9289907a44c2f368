"""Plot: what a run looked like over time, and how its latencies are spread, as drawings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imgpipe.compare.shapes import Box, Dot, Drawing, Line, Shape, Text
from imgpipe.stress.values import End
from imgpipe.stress.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imgpipe.stress.histogram import Histogram
    from imgpipe.stress.values import Report

_WIDTH, _HEIGHT = 760, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 16, 34, 34
_BLUE, _RED, _GREY, _PALE = "#1f6fb4", "#c2412d", "#777777", "#e4e4e4"
_MOST_DOTS = 2000
_HIGHEST_RATE_ROOM = 1.1


def latencies(report: Report) -> Drawing:
    """Draw each task that is done: when it was to be sent, and how long it took from then on, on a log scale."""
    done = [
        (trip.intended, trip.ended - trip.intended)
        for trip in report.run.trips
        if trip.end is End.DONE and trip.ended is not None
    ]
    step = max(math.ceil(len(done) / _MOST_DOTS), 1)
    some = [(moment, max(seconds, 1e-4)) for moment, seconds in done[::step]]
    title = "Latency of each task, from its intended start" + (f" (every {step}th)" if step > 1 else "")
    shapes: list[Shape] = [Text(_LEFT, 20, title, 14)]
    if some:
        low = 10 ** math.floor(math.log10(min(seconds for _, seconds in some)))
        high = 10 ** math.ceil(math.log10(max(seconds for _, seconds in some)) + 1e-9)
        end = max(report.run.seconds, 1e-3)
        for decade in range(round(math.log10(low)), round(math.log10(high)) + 1):
            y = _up(math.log(10**decade / low) / math.log(high / low))
            shapes += _rule(y, shown(10.0**decade))
        for recovery in report.recoveries:
            x = _across(recovery.fault.at / end)
            shapes.append(Line(((x, _TOP), (x, _HEIGHT - _BOTTOM)), _RED, 1.5, dashed=True))
            shapes.append(Text(x + 4, _TOP + 12, f"{recovery.fault.what} {recovery.fault.kind}", 11, colour=_RED))
        shapes += [
            Dot(_across(moment / end), _up(math.log(seconds / low) / math.log(high / low)), 2, _BLUE)
            for moment, seconds in some
        ]
        shapes += _time_axis(end)
    return Drawing(_WIDTH, _HEIGHT, tuple(shapes))


def rates(report: Report) -> Drawing:
    """Draw how many tasks were to be sent and how many ended, for each second; a partial last bucket is left open."""
    shapes: list[Shape] = [Text(_LEFT, 20, "Tasks for each second: planned (bars), ended (line)", 14)]
    buckets = report.buckets
    end = buckets[-1].start + buckets[-1].seconds if buckets else 1.0
    offered = [bucket.offered / bucket.seconds for bucket in buckets]
    ended = [bucket.ended / bucket.seconds for bucket in buckets]
    highest = max([*offered, *ended, 1e-9]) * _HIGHEST_RATE_ROOM
    for tick in range(5):
        shapes += _rule(_up(tick / 4), f"{highest * tick / 4:.3g}")
    for bucket, rate in zip(buckets, offered, strict=True):
        left, right = _across(bucket.start / end), _across((bucket.start + bucket.seconds) / end)
        fill = "#f3f3f3" if bucket.partial else "#cfe0ee"
        shapes.append(Box(left + 0.5, _up(rate / highest), max(right - left - 1, 0.5), _height(rate / highest), fill))
    points = tuple(
        (_across((bucket.start + bucket.seconds / 2) / end), _up(rate / highest))
        for bucket, rate in zip(buckets, ended, strict=True)
        if not bucket.partial
    )
    if len(points) > 1:
        shapes.append(Line(points, _BLUE, 2))
    shapes += _time_axis(end)
    return Drawing(_WIDTH, _HEIGHT, tuple(shapes))


def spread(report: Report) -> Drawing:
    """Draw what share of the tasks was done within which time; grey is the time that the workers needed."""
    shapes: list[Shape] = [Text(_LEFT, 20, "Share of tasks done within a time: total (blue), service (grey)", 14)]
    curves = [(_steps(report.service), _GREY), (_steps(report.total), _BLUE)]
    times = [seconds for points, _ in curves for seconds, _ in points]
    for tick in range(5):
        shapes += _rule(_up(tick / 4), f"{25 * tick} %")
    if times:
        low, high = min(times) / 1.2, max(times) * 1.2
        for number in range(6):
            seconds = low * (high / low) ** (number / 5)
            shapes.append(Text(_across(number / 5), _HEIGHT - 12, shown(seconds), 11, "middle", _GREY))
        for points, colour in curves:
            line = tuple((_across(math.log(at / low) / math.log(high / low)), _up(share)) for at, share in points)
            if len(line) > 1:
                shapes.append(Line(line, colour, 2))
    return Drawing(_WIDTH, _HEIGHT, tuple(shapes))


def _steps(histogram: Histogram) -> list[tuple[float, float]]:
    """Return times, and the share of all that do not exceed them."""
    points, seen = [], 0
    for seconds, count in histogram.to_data()["cells"]:
        seen += count
        points.append((seconds, seen / histogram.count))
    return points


def _rule(y: float, label: str) -> Iterator[Shape]:
    yield Line(((_LEFT, y), (_WIDTH - _RIGHT, y)), _PALE)
    yield Text(_LEFT - 6, y + 4, label, 11, "end", _GREY)


def _time_axis(end: float) -> Sequence[Shape]:
    return [Text(_across(tick / 5), _HEIGHT - 12, shown(end * tick / 5), 11, "middle", _GREY) for tick in range(6)]


def _across(share: float) -> float:
    return _LEFT + min(max(share, 0.0), 1.0) * (_WIDTH - _LEFT - _RIGHT)


def _up(share: float) -> float:
    return _HEIGHT - _BOTTOM - _height(share)


def _height(share: float) -> float:
    return min(max(share, 0.0), 1.0) * (_HEIGHT - _TOP - _BOTTOM)
