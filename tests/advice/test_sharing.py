"""Sharing: slots that several classes could use are counted once."""

from __future__ import annotations

from advice_samples import past
from imgpipe.advice import advise_all
from imgpipe.advice.sharing import shared_out
from imgpipe.advice.signals import Pool

BOTH = Pool(labels="cpu+io", slots=8)


def slots_of(histories):
    """Return the slots that each class has now."""
    return {name: history[-1].slots for name, history in shared_out(histories).items()}


def test_divided_by_what_is_needed():
    """Of 8 shared slots, each class has what its work takes: 3 to 1."""
    histories = {
        "cpu": past(rate=30, slots=8, task_class="cpu", pools=(BOTH,)),
        "io": past(rate=10, slots=8, task_class="io", pools=(BOTH,)),
    }

    assert {"cpu": 6, "io": 2} == slots_of(histories)


def test_own_slots_first():
    """What its own workers do, a class does not need of the others."""
    own = Pool(labels="io", slots=4)
    histories = {
        "cpu": past(rate=30, slots=8, task_class="cpu", pools=(BOTH,)),
        "io": past(rate=10, slots=12, task_class="io", pools=(BOTH, own)),
    }

    assert {"cpu": 8, "io": 4} == slots_of(histories)


def test_nothing_to_do():
    """Where nobody needs them, all have equal parts."""
    histories = {
        name: past(rate=0, slots=8, running=0, task_class=name, pools=(BOTH,)) for name in ("cpu", "io")
    }  # fmt: skip

    assert {"cpu": 4, "io": 4} == slots_of(histories)


def test_the_past_is_divided_as_well():
    """Or the utilisation would be that of slots that were somebody else's."""
    histories = {
        name: past(rate=20, slots=8, task_class=name, pools=(BOTH,)) for name in ("cpu", "io")
    }  # fmt: skip

    assert [{4}, {4}] == [{entry.slots for entry in history} for history in shared_out(histories).values()]


def test_without_pools_nothing_is_divided():
    """Who does not tell has slots of his own; who has no history has none."""
    histories = {"cpu": past(slots=8), "io": []}

    assert histories == shared_out(histories)


def test_a_deficit_is_seen():
    """Together they need 10 of the 8 slots, though each alone would fit: both are told what they lack."""
    histories = {
        name: past(rate=20, slots=8, task_class=name, pools=(BOTH,)) for name in ("cpu", "io")
    }  # fmt: skip
    advices = advise_all(histories)
    again = advise_all(
        {
            name: [*history, *past(5, rate=20, slots=8, begin=history[-1], pools=(BOTH,))]
            for name, history in histories.items()
        },
        previous=advices,
    )

    assert {("SCALE_UP", 5)} == {(advice.action, advice.recommended_slots) for advice in again.values()}
