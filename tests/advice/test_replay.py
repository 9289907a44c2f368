"""Replay: a recording gives the same advice as the moments that it was made of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from advice_samples import past
from imgpipe.advice import AdviceSettings, advise
from imgpipe.advice.replay import replay
from imgpipe.errors import BadOption


def documents(*histories):
    """Return documents with the moments of several classes, as the monitor writes them."""
    return [
        {"schema": "imgpipe.metrics/1", "scaling": [{"inputs": signals.to_data()} for signals in moment]}
        for moment in zip(*histories, strict=True)
    ]


def test_same_advice():
    """What is said of a recording is what was said when it was recorded."""
    history = past(60) + past(60, rate=30, done_rate=15, ready=80, begin=past(60)[-1])
    said, advice = [], None
    for count in range(1, len(history) + 1):
        advice = advise(history[:count], previous=advice)
        said.append(advice)

    assert said == [advices["cpu"] for advices in replay(documents(history), AdviceSettings())]


def test_two_classes():
    """Each class has its own history."""
    histories = past(60), past(60, rate=30, done_rate=15, ready=80, task_class="io")
    last = list(replay(documents(*histories), AdviceSettings()))[-1]

    assert ("MAINTAIN", "SCALE_UP") == (last["cpu"].action, last["io"].action)


def test_moments_that_are_too_close_are_left_out():
    """A dashboard records every second, and repeats what was advised every five."""
    history = past(60)
    often = [replace(entry, at_seconds=entry.at_seconds + more) for entry in history for more in (0, 0, 1, 2, 3)]

    assert len(history) == len(list(replay(documents(often), AdviceSettings())))


def test_clock_that_was_set_back():
    """Then it begins anew, rather than to wait until time has caught up."""
    later = [replace(entry, at_seconds=entry.at_seconds + 3600) for entry in past(60)]

    assert 26 == len(list(replay(documents([*later, *past(60)]), AdviceSettings())))


@pytest.mark.parametrize("document", [{}, {"scaling": None}, {"scaling": [1]}])
def test_no_document(document):
    """Something else than a document of metrics is refused."""
    with pytest.raises(BadOption, match="scaling"):
        list(replay([document], AdviceSettings()))


def test_documents_without_inputs():
    """Where nothing was known, there is nothing to say."""
    assert [] == list(replay([{"scaling": [{"inputs": None}]}, {"scaling": []}], AdviceSettings()))
