"""Machine: cores and memory that may really be used, container limits included."""

from __future__ import annotations

import os

import psutil
import pytest

from imgpipe import machine
from manual_clock import ManualClock


@pytest.fixture
def cgroups(tmp_path, monkeypatch):
    """Return a folder that stands for /sys/fs/cgroup, with this process in /box."""
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path)
    monkeypatch.setattr(machine, "_own_cgroup_lines", lambda: ["0::/box", "4:memory:/box", "3:cpu,cpuacct:/box"])
    (tmp_path / "box").mkdir()
    return tmp_path


def test_cores_are_those_that_the_process_may_use(cgroups):
    """Without a quota, the affinity counts."""
    expected = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()

    assert expected == machine.usable_cores()


@pytest.mark.parametrize(("quota", "cores"), [("50000 100000", 1), ("max 100000", None), ("100000000 100000", None)])
def test_quota_limits_the_cores(cgroups, quota, cores):
    """Half a core is one worker; no quota, or a large one, changes nothing."""
    everything = machine.usable_cores()
    (cgroups / "box" / "cpu.max").write_text(quota)

    assert (cores or everything) == machine.usable_cores()


def test_quota_of_the_older_kind(cgroups):
    """The first version of control groups is understood as well."""
    folder = cgroups / "cpu,cpuacct" / "box"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("40000\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")

    assert 1 == machine.usable_cores()


def test_no_memory_limit(cgroups):
    """A container without a limit has none; the older kind writes it as a huge number."""
    (cgroups / "box" / "memory.max").write_text("max\n")
    (cgroups / "memory" / "box").mkdir(parents=True)
    (cgroups / "memory" / "box" / "memory.limit_in_bytes").write_text("9223372036854771712\n")

    assert machine.memory_limit_bytes() is None


def test_the_smallest_memory_limit_counts(cgroups):
    """A limit of an outer group holds for the inner one."""
    (cgroups / "box" / "memory.max").write_text(str(64 << 30))
    (cgroups / "memory.max").write_text(str(1 << 30))

    assert 1 << 30 == machine.memory_limit_bytes()
    assert 0 < machine.usable_memory_bytes() < 1 << 30


def test_default_budget_is_part_of_what_is_usable():
    """The budget leaves room for everything else."""
    assert 0 < machine.default_memory_bytes() < machine.usable_memory_bytes() * 1.5


def test_first_sample_does_not_know_the_load_on_the_cores(cgroups):
    """There is nothing to compare with: unknown, not 0. The second one knows."""
    sampler = machine.Sampler()

    first = sampler.sample()
    for _ in range(10**6):  # the system counts in hundredths of a second
        pass
    second = sampler.sample()

    assert (None, None) == (first.cpu_share, first.throttled_share)
    assert second.cpu_share is None or 0 <= second.cpu_share <= 1
    assert first.memory_used_bytes is not None
    assert first.memory_limit_bytes is not None
    assert 0 < first.memory_used_bytes < first.memory_limit_bytes


def test_share_of_the_quota(cgroups, monkeypatch):
    """What was used counts against the quota of the container that has one, and so do its throttled periods."""
    monkeypatch.setattr(machine, "_own_cores", lambda: set(range(8)))
    clock, stat = ManualClock(), cgroups / "box" / "cpu.stat"
    (cgroups / "box" / "cpu.max").write_text("200000 100000")
    sampler = machine.Sampler(clock)
    stat.write_text("usage_usec 1000000\nnr_periods 10\nnr_throttled 1\n")
    sampler.sample()
    clock.advance(2.0)
    stat.write_text("usage_usec 2000000\nnr_periods 30\nnr_throttled 6\n")

    sample = sampler.sample()

    assert (2.0, 0.25, 0.25) == (sample.cores, sample.cpu_share, sample.throttled_share)


def test_share_of_the_quota_of_the_older_kind(cgroups, monkeypatch):
    """There, a file of its own counts nanoseconds."""
    monkeypatch.setattr(machine, "_own_cores", lambda: set(range(8)))
    clock, folder = ManualClock(), cgroups / "cpu,cpuacct" / "box"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("50000")
    (folder / "cpu.cfs_period_us").write_text("100000")
    (folder / "cpuacct.usage").write_text("0")
    sampler = machine.Sampler(clock)
    sampler.sample()
    clock.advance(10.0)
    (folder / "cpuacct.usage").write_text("4000000000")

    sample = sampler.sample()

    assert (0.5, 0.8, None) == (sample.cores, sample.cpu_share, sample.throttled_share)


@pytest.mark.parametrize(
    ("folder", "files", "source"),
    [
        ("box", ("memory.max", "memory.current", "inactive_file"), "cgroup v2"),
        (".", ("memory.max", "memory.current", "inactive_file"), "cgroup v2"),
        ("memory/box", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"), "cgroup v1"),
    ],
)
def test_memory_is_that_of_the_container(cgroups, folder, files, source):
    """The limit of a group, or of one around it, counts; the file cache is no memory in use."""
    place, (limit, used, cache) = cgroups / folder, files
    place.mkdir(parents=True, exist_ok=True)
    (place / limit).write_text("1000000\n")
    (place / used).write_text("700000\n")
    (place / "memory.stat").write_text(f"anon 1\n{cache} 300000\n")

    sample = machine.Sampler().sample()

    assert (400_000, 1_000_000, source) == (
        sample.memory_used_bytes, sample.memory_limit_bytes, sample.memory_source
    )  # fmt: skip


def test_sample_never_raises(cgroups, monkeypatch):
    """Where the system tells nothing, or nonsense, everything is unknown."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr(psutil, "cpu_times", refuse)
    monkeypatch.setattr(psutil, "virtual_memory", refuse)
    monkeypatch.setattr(os, "getloadavg", refuse, raising=False)
    (cgroups / "box" / "cpu.max").write_text("100000 0")
    (cgroups / "box" / "memory.max").write_text("much")
    sampler = machine.Sampler()
    sampler.sample()

    sample = sampler.sample()

    unknown = (sample.cpu_share, sample.load, sample.memory_used_bytes, sample.memory_limit_bytes)
    assert (None, None, None, None) == unknown
