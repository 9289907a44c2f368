"""Guards: what has to be looked at before anybody counts slots; the first that applies decides."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imgpipe.advice.effect import effect_of
from imgpipe.advice.reasons import Code
from imgpipe.advice.verdict import Verdict, numbers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imgpipe.advice.reasons import Number
    from imgpipe.advice.signals import Host
    from imgpipe.advice.situation import Situation

    Guard = Callable[[Situation], Verdict | None]

_SAMPLES_UNTIL_STALE = 3
_FAILURES_SHARE, _FAILURES_FROM = 0.2, 20
_MEMORY_SHARE = 0.9
_CPU_SHARE, _THROTTLED_SHARE, _COMPUTING_SHARE = 0.95, 0.1, 0.8
_HANDOVER_SHARE, _REDIS_SECONDS = 0.2, 0.005


def guarded(situation: Situation) -> Verdict | None:
    """Return what the first guard that applies says, None if the need may decide."""
    return next((verdict for guard in _GUARDS if (verdict := guard(situation))), None)


def _stale(situation: Situation) -> Verdict | None:
    limit_seconds = _SAMPLES_UNTIL_STALE * situation.settings.sample_seconds
    if situation.now.age_seconds <= limit_seconds:
        return None
    numbers = {"age_seconds": situation.now.age_seconds, "limit_seconds": limit_seconds}
    return Verdict(code=Code.STALE, basis="unknown", numbers=numbers)


def _no_capable_worker(situation: Situation) -> Verdict | None:
    now, settings = situation.now, situation.settings
    if not now.ready or now.all_slots != 0 or now.paused:
        return None
    needed = max(1, settings.minimum, situation.need.slots if situation.need else 0)
    target = needed if settings.maximum is None else min(needed, settings.maximum)
    numbers = {**numbers_of(situation), "needed_slots": target}
    return Verdict(code=Code.NO_CAPABLE_WORKER, basis="fact", target_slots=target, numbers=numbers)


def _paused(situation: Situation) -> Verdict | None:
    if not situation.now.paused:
        return None
    return Verdict(code=Code.PAUSED, basis="fact", numbers=numbers_of(situation))


def _no_data(situation: Situation) -> Verdict | None:
    if situation.need is not None:
        return None
    if situation.now.slots is None or situation.now.ready is None:
        missing = "Not all is known of queue and workers"
    elif situation.estimates is None:
        missing = "There are not yet two moments to compare, or no counters"
    elif situation.is_batch and situation.now.deadline_seconds is None:
        return None
    elif situation.is_batch and situation.now.remaining is None:
        missing = "It is not known how many tasks are left"
    else:
        missing = "No task has ended yet"
    return Verdict(code=Code.NO_DATA, basis="unknown", numbers={**numbers_of(situation), "missing": missing})


def _poison(situation: Situation) -> Verdict | None:
    estimates = situation.estimates
    if estimates is None:
        return None
    share = estimates.failure_share or 0.0
    often = estimates.judged >= _FAILURES_FROM and share > _FAILURES_SHARE
    if not often and not estimates.lost:
        return None
    numbers = {"failed_percent": 100 * share, "judged": estimates.judged, "lost": estimates.lost}
    return Verdict(
        code=Code.POISON, basis="fact" if estimates.lost else "failures", numbers={**numbers_of(situation), **numbers}
    )


def _memory(situation: Situation) -> Verdict | None:
    fullest = max(situation.now.hosts, key=lambda host: host.memory_share or 0.0, default=None)
    if fullest is None or (fullest.memory_share or 0.0) <= _MEMORY_SHARE:
        return None
    numbers: dict[str, Number] = {
        "host": fullest.name,
        "memory_percent": 100 * (fullest.memory_share or 0.0),
        "limit_percent": 100 * _MEMORY_SHARE,
    }
    return Verdict(code=Code.MEMORY, basis="fact", scope="host", numbers={**numbers_of(situation), **numbers})


def _host_saturated(situation: Situation) -> Verdict | None:
    now, need, settings = situation.now, situation.need, situation.settings
    if need is None or not now.hosts or not all(map(_is_saturated, now.hosts)):
        return None
    target = need.unbounded if settings.maximum is None else min(need.unbounded, settings.maximum)
    if target <= situation.all_slots or (now.cpu_share_of_busy or 0.0) < _COMPUTING_SHARE:
        return None
    known = [host.cpu_share for host in now.hosts if host.cpu_share is not None]
    numbers = {
        **numbers_of(situation),
        "needed_slots": target,
        "hosts": len(now.hosts),
        "cpu_percent": 100 * min(known) if known else None,
        "cpu_of_busy_percent": 100 * (now.cpu_share_of_busy or 0.0),
    }
    return Verdict(code=Code.HOST_SATURATED, basis="draws", target_slots=target, scope="host", numbers=numbers)


def _is_saturated(host: Host) -> bool:
    return (host.cpu_share or 0.0) >= _CPU_SHARE or (host.throttled_share or 0.0) > _THROTTLED_SHARE


def _redis_bound(situation: Situation) -> Verdict | None:
    now = situation.now
    service = situation.estimates.service_seconds if situation.estimates else None
    slow = (now.redis_latency_seconds or 0.0) > _REDIS_SECONDS
    often = service is not None and (now.handover_seconds or 0.0) > _HANDOVER_SHARE * service
    if not situation.lacks_slots or not (slow or often):
        return None
    numbers = {
        **numbers_of(situation),
        "redis_latency_ms": None if now.redis_latency_seconds is None else 1000 * now.redis_latency_seconds,
        "handover_ms": None if now.handover_seconds is None else 1000 * now.handover_seconds,
    }
    return Verdict(code=Code.REDIS_BOUND, basis="fact", numbers=numbers)


def _ineffective(situation: Situation) -> Verdict | None:
    effect = effect_of(situation.history, situation.rest_seconds) if situation.lacks_slots else None
    if effect is None or not effect.is_poor:
        return None
    numbers = {
        "slots_before": effect.slots_before,
        "slots_after": effect.slots_after,
        "rate_before": effect.rate_before,
        "rate_after": effect.rate_after,
        "gain_percent": 100 * effect.gain,
        "useful_slots": effect.useful_slots,
    }
    return Verdict(code=Code.INEFFECTIVE, basis="fact", numbers={**numbers_of(situation), **numbers})


def _warming(situation: Situation) -> Verdict | None:
    if situation.changed_seconds is None or situation.changed_seconds >= situation.rest_seconds:
        return None
    numbers = {"changed_seconds": situation.changed_seconds, "start_seconds": situation.start_seconds}
    return Verdict(code=Code.WARMING, basis="fact", numbers={**numbers_of(situation), **numbers})


def _batch(situation: Situation) -> Verdict | None:
    """A batch without a deadline: idle cores are all that more workers could use."""
    now = situation.now
    if not situation.is_batch or now.deadline_seconds is not None:
        return None
    spare, cores = spare_cores(now.hosts), sum(host.cores for host in now.hosts)
    numbers = {**numbers_of(situation), "remaining": now.remaining, "spare_cores": spare, "cores": cores}
    if spare is None:
        missing = "A batch may wait, and no host tells how busy its cores are"
        return Verdict(code=Code.NO_DATA, basis="unknown", numbers={**numbers, "missing": missing})
    limits = [situation.all_slots + spare, cores, situation.settings.maximum, now.remaining]
    target = min(limit for limit in limits if limit is not None)
    if target <= situation.all_slots:
        return Verdict(code=Code.ALL_CORES_BUSY, basis="hosts", numbers=numbers)
    return Verdict(code=Code.SPARE_CORES, basis="hosts", target_slots=target, numbers=numbers)


def spare_cores(hosts: Sequence[Host]) -> int | None:
    """Return how many cores are idle; None where no host tells."""
    known = [(host.cores, host.cpu_share) for host in hosts if host.cpu_share is not None]
    return sum(math.floor(cores * max(1 - share, 0.0) + 1e-6) for cores, share in known) if known else None


_GUARDS: tuple[Guard, ...] = (
    _stale, _no_capable_worker, _paused, _no_data, _poison, _memory, _host_saturated, _redis_bound, _ineffective,
    _warming, _batch,
)  # fmt: skip
