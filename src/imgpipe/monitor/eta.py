"""Eta: when a run will be over, as a range: what the last minutes would give if they were lived again, many times."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

from imgpipe.monitor.values import Eta

if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOW_SECONDS = 300.0
_LEAST_SECONDS = 3.0
_PICTURES_PER_SLOT = 2
_BLOCK = 5  # entries that stay together: neighbours are alike
_DRAWS = 200


def eta(
    settled: Sequence[tuple[float, int]],
    remaining: int,
    slots: int,
    tail_seconds: tuple[float, float],
    *,
    seed: int = 0,
) -> Eta | None:
    """Return how long `remaining` pictures take, None while too little is known.

    `settled` is how many were at their end at each time of the last minutes. The first pictures of each slot do not
    count: they include the start of workers. `tail_seconds` is what the last picture takes on average, and at most.
    """
    entries = _after_the_start(settled, slots)
    if len(entries) < 2 or entries[-1][0] - entries[0][0] < _LEAST_SECONDS:
        return None
    if entries[-1][1] - entries[0][1] < _PICTURES_PER_SLOT * max(slots, 1):
        return None
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(entries)]
    blocks = [
        (sum(seconds for seconds, _ in block), sum(count for _, count in block))
        for block in (steps[at : at + _BLOCK] for at in range(max(len(steps) - _BLOCK + 1, 1)))
    ]
    draws = sorted(_lived_again(blocks, len(steps), remaining, random.Random(seed)))  # noqa: S311 - a draw, no secret
    mean, most = tail_seconds
    return Eta(p10=_at(draws, 0.1), p50=_at(draws, 0.5) + mean, p90=_at(draws, 0.9) + most)


def _after_the_start(settled: Sequence[tuple[float, int]], slots: int) -> list[tuple[float, int]]:
    return [entry for entry in settled if entry[1] >= slots]


def _lived_again(blocks: list[tuple[float, int]], steps: int, remaining: int, chance: random.Random) -> list[float]:
    """See how long it takes at the speed of some blocks drawn by chance.

    There is chance in what was seen and in what is to come; of both, the shorter one counts most.
    """
    total_seconds, total_count = sum(block[0] for block in blocks), sum(block[1] for block in blocks)
    ahead = remaining * total_seconds / max(total_count, 1)
    seen_blocks, blocks_ahead = steps / _BLOCK, ahead * len(blocks) / total_seconds
    drawn = max(round(1 / (1 / seen_blocks + 1 / max(blocks_ahead, 0.1))), 1)
    times = []
    for _ in range(_DRAWS):
        some = chance.choices(blocks, k=drawn)
        count = sum(block[1] for block in some)
        if count:
            times.append(remaining * sum(block[0] for block in some) / count)
        else:
            times.append(2 * ahead)
    return times


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
