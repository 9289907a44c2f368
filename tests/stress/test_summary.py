"""summary: what is made of what was written down, on runs whose numbers are known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imgpipe.stress.schedule import bursts, ramp
from imgpipe.stress.summary import report_of
from imgpipe.stress.values import End, Fault, Look, Plan
from stress_samples import account, run_of, trip


def test_latency_counts_from_the_intended_start():
    """A task that was sent half a second late has waited half a second, though it came back at once."""
    report = report_of(run_of(*[trip(n, n * 0.1, 0.6, begun=n * 0.1 + 0.5, service_seconds=0.05) for n in range(30)]))

    assert 0.6 == pytest.approx(report.total.quantile(0.5), rel=0.01)
    assert 0.1 == pytest.approx(report.uncorrected.quantile(0.5), rel=0.01)
    assert pytest.approx((0.05, 0.55)) == (report.service.mean, report.rest.mean)


def test_overhead_is_what_was_neither_service_nor_waiting():
    """By the queue's clock a task waited 0.2 s; it was away for 0.6 s and in work for 0.3 s."""
    trips = [trip(n, float(n), 0.6, service_seconds=0.3) for n in range(5)]
    known = report_of(run_of(*trips, account=account(waited_seconds=0.2)))

    assert 0.1 == pytest.approx(known.overhead_seconds)
    assert None is report_of(run_of(*trips, account=account())).overhead_seconds


def test_success_and_failure_are_apart():
    """Latencies are of what is done; the rest is counted by whose fault it is, with its codes."""
    report = report_of(run_of(
        trip(0, 0.0, 1.0),
        trip(1, 1.0, 9.0, end=End.FAILED, code="TRUNCATED"),
        trip(2, 2.0, 9.0, end=End.FAILED, code="TRUNCATED"),
        trip(3, 3.0, 9.0, end=End.LOST, code="CRASHED"),
        trip(4, 4.0, 9.0, end=End.REFUSED, code="queue-full"),
        trip(5, 5.0, None),
    ))  # fmt: skip

    assert {End.DONE: 1, End.FAILED: 2, End.LOST: 1, End.REFUSED: 1, End.OPEN: 1} == report.ends
    assert {"TRUNCATED": 2} == report.codes[End.FAILED]
    assert (1, 1.0, 2, True) == (report.total.count, report.total.largest, report.lost, report.has_failures)


def test_what_is_on_its_way_when_a_run_is_stopped_is_not_lost():
    """Nobody has waited for it."""
    assert 0 == report_of(run_of(trip(0, 0.0), trip(1, 1.0, None), interrupted=True)).lost
    assert 1 == report_of(run_of(trip(0, 0.0), trip(1, 1.0, None))).lost


def test_what_was_never_taken_is_not_lost():
    """It was not even there."""
    report = report_of(run_of(trip(0, 0.0), replace(trip(1, 1.0, None), taken=None)))

    assert (1, 0, True) == (report.ends[End.OPEN], report.lost, report.has_failures)


def test_rates():
    """Offered is by the plan, achieved by when tasks were really sent, throughput by what is done."""
    report = report_of(run_of(*[trip(n, n * 0.1, 0.1, begun=n * 0.2) for n in range(11)]))

    assert pytest.approx((10.0, 5.0)) == (report.offered_rate, report.achieved_rate)
    assert 10.0 == pytest.approx(report.throughput)
    assert "INVALID" == report.verdict.word


def test_a_burst_has_no_rate():
    """All at once is not so many for each second."""
    plan = Plan(kind="burst", arrivals="", moments=bursts(5))
    report = report_of(run_of(*[trip(n, 0.0) for n in range(5)], plan=plan))

    assert (None, None, (True,)) == (report.offered_rate, report.achieved_rate, report.drained)


def test_bursts_that_drain_and_those_that_do_not():
    """A burst is drained if all of it has come to its end when the next one comes; the last has all the time."""
    plan = Plan(kind="burst", arrivals="", moments=bursts(2, 3, 10.0))
    trips = [trip(n, moment, took) for n, (moment, took) in
             enumerate([(0, 1), (0, 9), (10, 1), (10, 11), (20, 1), (20, 30)])]  # fmt: skip

    assert (True, False, True) == report_of(run_of(*trips, plan=plan)).drained


def test_utilization_is_the_share_of_the_slots_time():
    """Ten tasks of half a second each on two slots in ten seconds are a quarter."""
    trips = [trip(n, float(n), 1.0) for n in range(10)]
    report = report_of(run_of(*trips, account=account(done=10, busy_seconds=5.0)))

    assert 0.25 == pytest.approx(report.utilization)


def test_little_by_looking_and_by_multiplying():
    """One task at a time, in the system half of the time: both sides say one half."""
    trips = [trip(n, float(n), 0.5) for n in range(20)]
    looks = tuple(Look(0.25 * n, 0, int(n % 4 < 2)) for n in range(76))
    report = report_of(run_of(*trips, looks=looks, account=account(done=20, busy_seconds=10)))

    assert report.little is not None
    assert pytest.approx((0.5, 0.5), abs=0.02) == report.little


def test_theory_needs_workers_that_are_alike():
    """Where tasks have different workers, no formula for one queue applies."""
    trips = [trip(n, n * 0.1, 0.1) for n in range(50)]
    alike = report_of(run_of(*trips, account=account(done=50, busy_seconds=2.5)))
    different = report_of(run_of(*trips, account=account(done=50, busy_seconds=2.5, alike=False)))

    assert alike.theory is not None
    assert None is different.theory


def test_the_last_bucket_is_partial():
    """Buckets have one width, all tasks are in one of them, and only the last is marked."""
    report = report_of(run_of(*[trip(n, n * 0.25, 0.1) for n in range(30)]))

    assert 30 == sum(bucket.offered for bucket in report.buckets)
    assert [False] * (len(report.buckets) - 1) + [True] == [bucket.partial for bucket in report.buckets]
    assert 1 == len({bucket.seconds for bucket in report.buckets})
    assert len(report.buckets) <= 31


def test_recovery_from_a_death_is_the_end_of_the_last_task_that_was_held():
    """Others do not count, and a task that never ends is no recovery."""
    trips = [trip(0, 0.0, 6.0), trip(1, 0.0, 9.0), trip(2, 0.0, 20.0)]
    fault = Fault("killed", 5.0, "worker-1", 5.0, held=(0, 1))
    (recovery,) = report_of(run_of(*trips, faults=(fault,))).recoveries
    (never,) = report_of(run_of(trip(0, 0.0, None), faults=(fault,))).recoveries

    assert (4.0, 2) == (recovery.seconds, recovery.affected)
    assert (None, 1) == (never.seconds, never.affected)


def test_recovery_from_a_pause_is_the_first_result_after_it():
    """It counts from when Redis could answer again."""
    trips = [trip(0, 0.0, 1.0), trip(1, 3.0, 4.5), trip(2, 4.0, 8.0)]
    (recovery,) = report_of(run_of(*trips, faults=(Fault("paused", 3.5, "Redis", 7.0),))).recoveries

    assert (0.5, 2) == (recovery.seconds, recovery.affected)


def test_a_ramp_is_kept_up_with_until_it_is_not():
    """What comes at more than 10 a second waits longer and longer behind one that takes a tenth of a second."""
    moments = ramp(200, 2, 20)
    free, trips = 0.0, []
    for number, moment in enumerate(moments):
        free = max(free, moment) + 0.1
        trips.append(trip(number, moment, free - moment))
    plan = Plan(kind="distributed", arrivals="", moments=moments, is_ramp=True)
    report = report_of(run_of(*trips, plan=plan))

    assert report.most_sustained is not None
    assert 8 < report.most_sustained < 12


def test_sustained_runs_are_looked_at_for_drift():
    """Each task takes a little longer than the one before."""
    plan = Plan(kind="sustained", arrivals="", seconds=30.0)
    slower = report_of(run_of(*[trip(n, n * 0.1, 0.1 + n * 0.001) for n in range(300)], plan=plan))
    same = report_of(run_of(*[trip(n, n * 0.1, 0.1) for n in range(300)], plan=plan))

    assert slower.drift is not None
    assert same.drift is not None
    assert (True, False) == (slower.drift.is_real, same.drift.is_real)


def test_nothing_at_all():
    """A run that was stopped before its first task is INVALID, and nothing else."""
    report = report_of(run_of(interrupted=True))

    assert ("INVALID", 0, ()) == (report.verdict.word, report.total.count, report.buckets)
    assert (None, 0.0) == (report.achieved_rate, report.throughput)
