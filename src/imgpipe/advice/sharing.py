"""Sharing: slots that several classes could use, given to each by what it needs; or all would count on all of them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from imgpipe.advice.estimates import estimate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgpipe.advice.signals import Signals


def shared_out(histories: Mapping[str, Sequence[Signals]]) -> dict[str, Sequence[Signals]]:
    """Return the histories with the slots of pools that several classes have divided between these.

    Each class first has the pools that nobody else can use; the others are divided in proportion to the work that is
    still without a slot, in equal parts if there is none. The division of now is taken for that of the past as well.
    """
    newest = {name: history[-1] for name, history in histories.items() if history}
    users = defaultdict(list)
    for name, signals in newest.items():
        for pool in signals.pools:
            users[pool.labels].append(name)
    shared = {labels for labels, names in users.items() if len(names) > 1}
    if not shared:
        return dict(histories)
    unmet = {name: _unmet(histories[name], shared) for name in newest}
    shares = {
        (labels, name): _share(name, users[labels], unmet) for labels in shared for name in users[labels]
    }  # fmt: skip
    return {
        name: [_divided(entry, {labels: shares.get((labels, name), 1.0) for labels in shared}) for entry in history]
        for name, history in histories.items()
    }


def _unmet(history: Sequence[Signals], shared: set[str]) -> float:
    """Return how much of the work arriving or waiting has no slot of its own, in slots."""
    now, estimates = history[-1], estimate(history)
    own = sum(pool.slots for pool in now.pools if pool.labels not in shared)
    erlangs = estimates.erlangs if estimates else None
    return max((erlangs or float(now.running or 0)) - own, 0.0)


def _share(name: str, users: Sequence[str], unmet: Mapping[str, float]) -> float:
    total = sum(unmet[user] for user in users)
    return unmet[name] / total if total > 0 else 1 / len(users)


def _divided(entry: Signals, shares: Mapping[str, float]) -> Signals:
    if entry.slots is None or not entry.pools:
        return entry
    lost = sum(pool.slots * (1 - shares[pool.labels]) for pool in entry.pools if pool.labels in shares)
    # One at least: a class whose slots are all with others for now is not a class that nobody can take.
    return replace(entry, slots=max(round(entry.slots - lost), min(entry.slots, 1)))
