"""Choice: `auto` decides by the plan and gives its reason."""

from __future__ import annotations

import pytest

from imgpipe import Pipeline, Recipe, UsageError, WriteOptions
from imgpipe.executors import choose, create_executor, executor_name


@pytest.mark.parametrize(
    ("asked", "workers", "cores", "pictures", "expected"),
    [
        ("auto", None, 8, 3, ("sequential", 1)),
        ("auto", None, 8, 4, ("threads", 8)),
        ("auto", 3, 8, 100, ("threads", 3)),
        ("auto", None, 1, 100, ("sequential", 1)),
        ("auto", 1, 8, 100, ("sequential", 1)),
        ("threads", None, 8, 1, ("threads", 8)),
        ("threads", 2, 8, 1, ("threads", 2)),
        ("sequential", 4, 8, 100, ("sequential", 1)),
    ],
)
def test_choice(asked, workers, cores, pictures, expected):
    """The executor and its workers follow from what was asked, the cores and the number of pictures."""
    choice = choose(asked, workers=workers, cores=cores, pictures=pictures, recipe=Recipe(Pipeline.parse("blur")))

    assert expected == (choice.name, choice.workers)
    assert choice.why


def test_auto_names_the_filters_that_hold_the_interpreter():
    """The reason says which filters gain nothing from threads."""
    import gate_filter

    class Holding(gate_filter.Gate, name="test.holding", gil="holds"):
        """A filter in pure Python."""

    choice = choose("auto", workers=None, cores=4, pictures=9, recipe=Recipe(Pipeline([Holding()])))

    assert "processes" == choice.name
    assert "test.holding" in choice.why


def test_auto_keeps_a_filter_of_the_program_itself_in_threads(monkeypatch):
    """Its module would have to be imported by children, who cannot; the reason says so."""
    import gate_filter

    class Homebound(gate_filter.Gate, name="test.homebound", gil="holds"):
        """A filter that a program has written down in itself."""

    monkeypatch.setattr(Homebound, "__module__", "__main__")
    choice = choose("auto", workers=None, cores=4, pictures=9, recipe=Recipe(Pipeline([Homebound()])))

    assert "threads" == choice.name
    assert "test.homebound" in choice.why


@pytest.mark.parametrize("write", [WriteOptions(format="avif"), WriteOptions(format="tiff", tiff_compression="lzw")])
def test_auto_knows_codecs_that_hold_the_interpreter(write):
    """Some codecs let one thread work at a time; then processes are chosen."""
    choice = choose("auto", workers=None, cores=4, pictures=9, recipe=Recipe(write=write))

    assert ("processes", 4) == (choice.name, choice.workers)


def test_a_time_limit_needs_processes():
    """Only a process can be ended, whatever the number of pictures."""
    assert "processes" == choose("auto", workers=None, cores=4, pictures=1, recipe=Recipe(), timeout=True).name


def test_a_sandbox_needs_processes():
    """Only a process can be confined, whatever the number of pictures."""
    choice = choose("auto", workers=None, cores=4, pictures=1, recipe=Recipe(), sandbox=True)

    assert ("processes", 4) == (choice.name, choice.workers)
    assert "sandbox" in choice.why


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("thread", "threads"),
        ("Threading", "threads"),
        ("seq", "sequential"),
        ("process", "processes"),
        ("auto", "auto"),
    ],
)
def test_aliases(alias, name):
    """Names that people know from elsewhere mean the same."""
    assert name == executor_name(alias)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gpu", {}, "executor: got 'gpu', expected one of auto, sequential, threads, processes, dask"),
        ("threads", {"workers": 0}, "workers: got 0, expected a whole number above 0"),
        ("threads", {"max_memory_bytes": 0}, "max-memory: got 0"),
        ("threads", {"timeout_seconds": 1.0}, "only --executor processes can end a picture"),
        ("processes", {"timeout_seconds": 0.0}, "timeout: got 0.0, expected seconds above 0"),
    ],
)
def test_impossible_executors(name, options, message):
    """A wrong name or number is refused with what would be right."""
    with pytest.raises(UsageError, match=message):
        create_executor(name, **options)


def test_default_executor_uses_the_machine():
    """Without numbers there is a worker for each usable core."""
    from imgpipe.machine import usable_cores

    with create_executor("threads") as executor:
        assert usable_cores() == executor.workers
