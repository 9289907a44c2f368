"""Machine: cores and memory that may really be used, container limits included."""

from __future__ import annotations

import os

import pytest

from imgpipe import machine


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
