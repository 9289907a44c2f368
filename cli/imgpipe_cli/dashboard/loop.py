"""Loop: looks, draws and listens to keys until somebody has seen enough; no exception and no resize ends it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imgpipe_cli.dashboard.canvas import fit, line
from imgpipe_cli.dashboard.frame import render
from imgpipe_cli.dashboard.scene import Scene
from imgpipe_cli.dashboard.trend import Trend
from imgpipe_cli.dashboard.view import INTERVALS_SECONDS, Control, View, Wish, press, selected_worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.text import Text

    from imgpipe.monitor import Snapshot
    from imgpipe_cli.dashboard.canvas import Symbols
    from imgpipe_cli.dashboard.painter import Painter
    from imgpipe_cli.dashboard.poller import Poller, Seen
    from imgpipe_cli.dashboard.terminal import Terminal

_KEY_SECONDS = 0.05
_SILENT_SECONDS = 1.0  # beyond two intervals: then it is said that nothing comes
_FRAME_SECONDS = 0.25  # four frames a second are enough for numbers


@dataclass(frozen=True, slots=True)
class Doings:
    """What the loop has done for it: carry out a control, write a moment to files, look at one task more closely.

    The first two return what is to be said about it.
    """

    control: Callable[[Control], str]
    export: Callable[[Snapshot, list[Text], int], str]
    look_at: Callable[[str | None], None]


class Loop:
    """The dashboard, on a terminal."""

    def __init__(
        self, poller: Poller, terminal: Terminal, painter: Painter, symbols: Symbols, doings: Doings, view: View
    ) -> None:
        self._poller, self._terminal, self._painter = poller, terminal, painter
        self._symbols, self._doings, self._view = symbols, doings, view
        self._trend = Trend()
        self._seen_number = 0
        self._frozen: Snapshot | None = None
        self._said = ""
        self._drawn_at = 0.0
        self._interval_seconds = poller.latest().interval_seconds

    def run(self) -> int | None:
        """Run until a key or a signal ends it; return the signal, None for a key."""
        while self._terminal.ended is None:
            seen = self._poller.latest()
            self._take_in(seen)
            keys = self._terminal.read_keys(_KEY_SECONDS)
            for key in keys:
                if self._press(key, self._shown(seen)):
                    return None
            now = time.monotonic()
            if self._terminal.is_settled and (keys or now - self._drawn_at >= _FRAME_SECONDS):
                self._drawn_at = now
                self._draw(seen)
        return self._terminal.ended

    def _take_in(self, seen: Seen) -> None:
        if seen.number != self._seen_number and seen.snapshot is not None:
            self._seen_number = seen.number
            self._trend.add(seen.snapshot)
        if seen.said != self._said:
            self._said = seen.said
            self._view = replace(self._view, message=seen.said)

    def _shown(self, seen: Seen) -> Snapshot | None:
        return self._frozen if self._view.paused and self._frozen is not None else seen.snapshot

    def _press(self, key: str, snapshot: Snapshot | None) -> bool:
        """Do what a key asks for; return whether that is the end."""
        was_paused = self._view.paused
        self._view, wish = press(self._view, key, snapshot)
        if self._view.paused != was_paused:
            self._frozen = snapshot if self._view.paused else None
        worker = selected_worker(self._view, snapshot) if self._view.detail else None
        self._doings.look_at(worker.current.task_id if worker and worker.current else None)
        if isinstance(wish, Control):
            control = wish
            self._poller.ask(lambda: self._doings.control(control))
        elif wish is Wish.REFRESH:
            self._poller.refresh()
        elif wish is Wish.MARK:
            self._trend.mark()
        elif wish in {Wish.FASTER, Wish.SLOWER}:
            self._set_interval(faster=wish is Wish.FASTER)
        elif wish is Wish.EXPORT and snapshot is not None:
            width, height = self._terminal.size
            lines = render(self._scene(self._poller.latest()), width, height)
            self._view = replace(self._view, message=self._doings.export(snapshot, lines, width))
        return wish is Wish.QUIT

    def _set_interval(self, *, faster: bool) -> None:
        others = [each for each in INTERVALS_SECONDS if (each < self._interval_seconds) == faster]
        others = [each for each in others if each != self._interval_seconds]
        if others:
            self._interval_seconds = max(others) if faster else min(others)
            self._poller.set_interval(self._interval_seconds)
        self._view = replace(self._view, message=f"a look every {self._interval_seconds:g} s")

    def _scene(self, seen: Seen) -> Scene:
        snapshot, trouble, silent_seconds = self._shown(seen), seen.trouble, time.monotonic() - seen.at
        if seen.snapshot is not None and (trouble or silent_seconds > _SILENT_SECONDS + 2 * seen.interval_seconds):
            trouble = f"no data for {silent_seconds:.0f} s, retrying: {trouble or 'the queue does not answer yet'}"
        status = f"live {seen.interval_seconds:.1f} s" + (" (slow redis)" if seen.slow else "")
        clock = time.strftime("%H:%M:%S", time.localtime(snapshot.wall_seconds)) if snapshot else ""
        return Scene(
            snapshot=snapshot,
            view=self._view,
            trend=self._trend,
            clock=clock,
            status="recording is over" if seen.over else status,
            trouble="" if seen.over else trouble,
            symbols=self._symbols,
        )

    def _draw(self, seen: Seen) -> None:
        width, height = self._terminal.size
        try:
            lines = render(self._scene(seen), width, height)
        except Exception as error:  # noqa: BLE001 - the screen has to stay alive, and to say what is wrong
            text = f" cannot draw this: {type(error).__name__}: {error}"
            lines = [fit(line((text, "bold white on red")), width), *[fit(line(), width)] * (height - 1)]
        self._terminal.draw(self._painter.paint(lines))
