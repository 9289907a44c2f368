"""Requirement: each rule by hand, the two ways to count agree, and more work never needs fewer slots."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from imgpipe.advice.erlang import wait_quantile_seconds
from imgpipe.advice.reasons import Code
from imgpipe.advice.requirement import Demand, need_of, slots_needed

DEMAND = Demand(
    ready=0, slots=3, variability=1.0, slowest_seconds=0.0, start_seconds=15.0, sample_seconds=5.0,
    target_wait_seconds=10.0, target_drain_seconds=60.0, target_utilisation=0.8, wait_quantile=0.95, minimum=1,
    maximum=None,
)  # fmt: skip
RATES = st.floats(0, 5000)
SERVICES = st.floats(0.001, 100)
DEMANDS = st.builds(
    Demand,
    ready=st.integers(0, 100_000),
    slots=st.integers(0, 200),
    variability=st.floats(0.1, 25),
    slowest_seconds=st.floats(0, 100),
    start_seconds=st.floats(0, 120),
    sample_seconds=st.just(5.0),
    target_wait_seconds=st.floats(0.1, 100),
    target_drain_seconds=st.floats(1, 600),
    target_utilisation=st.floats(0.1, 0.95),
    wait_quantile=st.floats(0.5, 0.99),
    minimum=st.integers(0, 3),
    maximum=st.none() | st.integers(3, 500),
    remaining=st.integers(0, 1_000_000),
    deadline_seconds=st.none() | st.floats(0, 10_000),
)


def test_utilisation():
    """12 tasks/s of 0.2 s are 2.4 erlangs: exactly 3 slots at 80 %, whatever the last digit of the division says."""
    need = need_of(12.0, 0.2, DEMAND)

    assert (3, Code.UTILISATION, 3) == (need.slots, need.code, need.utilisation)


def test_latency():
    """With a target of 50 ms, 95 % of waits are below it with the slots that the golden values give, no fewer."""
    need = need_of(40.0, 0.1, replace(DEMAND, target_wait_seconds=0.09, target_utilisation=0.95))

    assert (6, Code.LATENCY, 6) == (need.slots, need.code, need.latency)


def test_backlog_with_slots_that_are_there():
    """600 tasks of 1 s within 60 s take 10 slots beside the arriving work."""
    need = need_of(2.0, 1.0, replace(DEMAND, ready=600, slots=20))

    assert (12, Code.BACKLOG, 12) == (need.slots, need.code, need.backlog)


def test_backlog_with_slots_that_have_to_start():
    """Slots that need 15 s to start have 45 s left for it."""
    assert 16 == need_of(2.0, 1.0, replace(DEMAND, ready=600, slots=3)).slots  # 2 + 600 / 45, rounded up


def test_start_longer_than_the_target():
    """Slots that start later than all should be done have one sample's time."""
    assert 122 == need_of(2.0, 1.0, replace(DEMAND, ready=600, start_seconds=500.0)).slots


def test_deadline():
    """1000 tasks of 0.5 s in 100 s are 5 slots; with 15 s to start and a last one of 20 s, 7."""
    batch = replace(DEMAND, remaining=1000, deadline_seconds=100.0)

    assert (5, Code.DEADLINE) == (need_of(0.0, 0.5, replace(batch, slots=5)).slots, need_of(0.0, 0.5, batch).code)
    assert 6 == need_of(0.0, 0.5, batch).slots  # 500 / 85
    assert 7 == need_of(0.0, 0.5, replace(batch, slowest_seconds=20.0)).slots  # 500 / 80


def test_deadline_that_is_over():
    """What is late needs a slot for each task, and gets as many as are allowed."""
    late = replace(DEMAND, remaining=1000, deadline_seconds=0.0)

    assert 1000 == need_of(0.0, 0.5, late).slots
    assert (8, 1000) == ((need := need_of(0.0, 0.5, replace(late, maximum=8))).slots, need.unbounded)


def test_nothing_to_do():
    """Without work, the minimum is needed, be it none."""
    assert 2 == need_of(0.0, 0.0, replace(DEMAND, minimum=2)).slots
    assert 0 == need_of(0.0, 0.2, replace(DEMAND, minimum=0)).slots


def test_latency_is_the_smallest_number():
    """One slot less misses the target."""
    demand = replace(DEMAND, target_wait_seconds=0.5, variability=3.0)
    slots = need_of(100.0, 1.0, demand).latency or 0
    waits = [wait_quantile_seconds(100.0, 1.0, count, variability=3.0) for count in (slots - 1, slots)]

    assert waits[0] > 0.5 >= waits[1]


def test_rates_beyond_all_bounds():
    """Millions of slots are counted at once, without a recursion over each of them."""
    slots = need_of(1e6, 100.0, DEMAND).slots

    assert 1e8 / 0.8 == slots == slots_needed(1e6, 100.0, DEMAND)


@example(0.0, 1.0, replace(DEMAND, remaining=1, deadline_seconds=1e-311))  # one by that is infinite
@example(0.0, 0.0, DEMAND)
@given(rate=RATES, service=SERVICES, demand=DEMANDS)
@settings(max_examples=200, deadline=None)
def test_both_ways_agree(rate, service, demand):
    """The fast way to count gives the same slots as the one that tells of every rule."""
    need = need_of(rate, service, demand)

    assert need.slots == slots_needed(rate, service, demand)
    assert need.unbounded >= need.slots or need.slots == demand.minimum
    assert demand.minimum <= need.slots <= (demand.maximum or need.slots)


@given(rate=RATES, service=SERVICES, demand=DEMANDS, more=st.floats(1, 3), longer=st.integers(0, 10_000))
@settings(max_examples=200, deadline=None)
def test_more_work_never_needs_fewer(rate, service, demand, more, longer):
    """Slots never fall with the rate, the time of a task, or the number that waits."""
    slots = slots_needed(rate, service, demand)

    assert slots <= slots_needed(rate * more, service, demand)
    assert slots <= slots_needed(rate, service * more, demand)
    assert slots <= slots_needed(rate, service, replace(demand, ready=demand.ready + longer))
    assert slots <= slots_needed(rate, service, replace(demand, remaining=demand.remaining + longer))
