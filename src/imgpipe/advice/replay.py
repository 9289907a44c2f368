"""Replay: what the advice would have said at every moment of a recording of metrics documents."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from imgpipe.advice.advice import Advice, advise_all
from imgpipe.advice.estimates import LONGEST_SECONDS
from imgpipe.advice.signals import Signals
from imgpipe.errors import BadOption

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from imgpipe.advice.settings import AdviceSettings


def replay(documents: Iterable[Mapping[str, Any]], settings: AdviceSettings) -> Iterator[dict[str, Advice]]:
    """Give the advice on each class that a document of `imgpipe.metrics/1` knows more of than those before.

    Of each class, moments that are closer than `sample_seconds` to the one before are left out. Raises `BadOption` for
    a document whose `scaling[].inputs` cannot be read.
    """
    histories: defaultdict[str, list[Signals]] = defaultdict(list)
    previous: dict[str, Advice] = {}
    kept = int(LONGEST_SECONDS / settings.sample_seconds) + 2
    for document in documents:
        fresh = [
            signals for signals in inputs_of(document) if _is_new(histories[signals.task_class], signals, settings)
        ]
        for signals in fresh:
            history = histories[signals.task_class]
            if history and signals.at_seconds < history[-1].at_seconds:
                history.clear()  # another server, or its clock was set back
            history.append(signals)
            del history[:-kept]
        if fresh:
            names = {signals.task_class for signals in fresh}
            previous |= advise_all({name: histories[name] for name in names}, settings, previous)
            yield {name: previous[name] for name in names}


def inputs_of(document: Mapping[str, Any]) -> list[Signals]:
    """Return what the advice of a document was made from."""
    scaling = document.get("scaling")
    if not isinstance(scaling, list) or not all(isinstance(entry, dict) for entry in scaling):
        raise BadOption("scaling", scaling, "a list of objects, as in a document of imgpipe.metrics/1")
    return [Signals.from_data(entry["inputs"]) for entry in scaling if entry.get("inputs") is not None]


def _is_new(history: list[Signals], signals: Signals, settings: AdviceSettings) -> bool:
    # Clocks are not exact: what is nearly far enough is.
    return not history or not 0 <= signals.at_seconds - history[-1].at_seconds < 0.8 * settings.sample_seconds
