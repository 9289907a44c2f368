"""Terminal and loop: keys, resizing, stopping and ending, on a real (pseudo) terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import termios
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imgpipe_cli.dashboard.terminal import Terminal, keys_in
from screens import on_a_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from screens import Screen

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there are no pseudo terminals")

PROGRAM = """
import sys
sys.path[:0] = {path!r}
from fleet_samples import SNAPSHOT
from imgpipe_cli.dashboard.canvas import BLOCK
from imgpipe_cli.dashboard.loop import Doings, Loop
from imgpipe_cli.dashboard.painter import Painter
from imgpipe_cli.dashboard.poller import Poller
from imgpipe_cli.dashboard.terminal import Terminal
from imgpipe_cli.dashboard.view import View
import imgpipe_cli.dashboard.loop as loop
{before}
poller = Poller(lambda: SNAPSHOT, 0.1)
doings = Doings(control=lambda control: "did " + control.verb, export=lambda *_: "exported", look_at=lambda task: None)
with Terminal() as terminal:
    poller.start()
    ended = Loop(poller, terminal, Painter(is_terminal=True), BLOCK, doings, View(allow_control=True)).run()
poller.close()
print("ended by", ended)
"""

SECOND_LOOK = """
import itertools, threading
looks, Real = itertools.count(), Poller
Poller = lambda take, seconds: Real(lambda: {does} if next(looks) else SNAPSHOT, seconds)
"""


@contextmanager
def screen(before: str = "", columns: int = 100, lines: int = 30) -> Iterator[Screen]:
    """Start the dashboard over the sample snapshot, on a terminal of its own."""
    program = PROGRAM.format(path=[str(Path(__file__).parent.parent)], before=before)
    with on_a_terminal(["-c", program], columns, lines) as shown:
        yield shown


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"q", ["q"]),
        (b"jk\r", ["j", "k", "enter"]),
        (b"\x1b[A\x1b[Bx", ["up", "down", "x"]),
        (b"\x1bOA", ["up"]),
        (b"\x1b", ["escape"]),
        (b"\x7f\t\x03", ["backspace", "tab", "ctrl-c"]),
        ("ü€😀".encode(), ["ü", "€", "😀"]),
        (b"\x1b[200~\x1b[1;5Cz", ["z"]),
        (b"\x00\x01\xff", ["\ufffd"]),
        (b"\x1b[", []),
        (b"", []),
    ],
)
def test_keys(data, keys):
    """Sequences become names; what means nothing here is left out."""
    assert keys == keys_in(data)


def test_every_key_of_any_bytes():
    """Nothing that a terminal sends breaks the reading."""
    for first in range(256):
        for second in (0, 27, 91, 79, 65, 200, 255):
            assert isinstance(keys_in(bytes([first, second])), list)


def test_no_terminal_has_a_size_all_the_same():
    """Where nobody tells, it is the old one."""
    read, write = os.pipe()

    assert (80, 24) == Terminal(write, read).size
    os.close(read)
    os.close(write)


def test_dashboard_draws_answers_keys_and_ends():
    """It takes the size of the terminal, not that of exported variables, and gives the terminal back."""
    with screen() as shown:
        before = shown.settings
        shown.wait_for("\x1b[?1049h")
        shown.wait_for("thumbs-2024")
        shown.type("2")
        shown.wait_for("workers: 3 alive")
        shown.type("?")
        shown.wait_for("let the picture stand still")
        shown.type("zx")
        shown.wait_for("exported")
        shown.type("q")
        shown.wait_for("\x1b[?25h\x1b[?1049l")
        shown.wait_for("ended by None")

        assert 0 == shown.wait_for_end()
        assert before == shown.settings


def test_frames_come_whole():
    """Each is between the marks of synchronized output, every line in its place; nothing is cleared between two."""
    with screen() as shown:
        shown.wait_for("\x1b[2J")
        shown.wait_for("\x1b[?2026h")
        shown.wait_for("thumbs-2024")
        shown.type("2")
        shown.wait_for("workers: 3 alive")
        shown.wait_for("\x1b[?2026l")

        assert b"\x1b[2J" not in shown.output


def test_same_frame_is_not_written_twice():
    """A line that is slow is not kept busy for nothing."""
    with screen() as shown:
        shown.wait_for("live 0.1 s")
        shown.wait_for("\x1b[?2026l")
        shown.type("!")
        shown.type("2")
        shown.wait_for("workers: 3 alive")

        assert b"live" not in shown.output.split(b"\x1b[?2026h")[0]


def test_resizing_redraws_everything():
    """After a change of size, the screen is cleared once, and drawn in the new one."""
    with screen() as shown:
        shown.wait_for("1 overview")
        for columns in range(99, 59, -1):
            shown.resize(columns, 20)
        shown.wait_for("\x1b[2J")
        shown.wait_for("slots busy")
        shown.resize(160, 45)
        shown.wait_for("\x1b[2J")
        shown.wait_for("errors, grouped")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_end_it_and_give_the_terminal_back(number):
    """However it is ended, the cursor is there again."""
    with screen() as shown:
        before = shown.settings
        shown.wait_for("thumbs-2024")
        shown.process.send_signal(number)
        shown.wait_for("\x1b[?25h\x1b[?1049l")
        shown.wait_for(f"ended by {int(number)}")

        assert 0 == shown.wait_for_end()
        assert before == shown.settings


def test_stopping_gives_the_terminal_back_and_going_on_takes_it_again(monkeypatch):
    """While the process stands still, the terminal is what it was before; afterwards everything is drawn anew."""
    main, other = pty.openpty()
    before, during = termios.tcgetattr(other), []
    monkeypatch.setattr(os, "kill", lambda pid, number: during.append((number, termios.tcgetattr(other))))
    with Terminal(other, other) as terminal:
        terminal.draw(["one"])
        signal.raise_signal(signal.SIGTSTP)
        terminal.draw(["one"])
        written = b""
        while select.select([main], [], [], 0)[0]:
            written += os.read(main, 65536)

        assert [(signal.SIGTSTP, before)] == during
        assert before != termios.tcgetattr(other)
        assert 2 == written.count(b"one")
        assert written.index(b"\x1b[?1049l") < written.rindex(b"\x1b[?1049h")
    assert before == termios.tcgetattr(other)
    os.close(main)
    os.close(other)


def test_error_while_drawing_is_shown_and_survived():
    """The screen says what is wrong; keys still work."""
    before = "loop.render = lambda scene, width, height: [][1]"
    with screen(before) as shown:
        shown.wait_for("cannot draw this: IndexError")
        shown.type("q")

        assert 0 == shown.wait_for_end()


def test_source_that_fails_is_shown_and_survived():
    """What the look raised is in a red bar."""
    with screen(SECOND_LOOK.format(does="1 // 0")) as shown:
        shown.wait_for("thumbs-2024")
        shown.wait_for("unexpected ZeroDivisionError")
        shown.type("q")

        assert 0 == shown.wait_for_end()


def test_source_that_hangs_is_called_so():
    """Old numbers never look like new ones, and q ends it at once."""
    with screen(SECOND_LOOK.format(does="threading.Event().wait(60)")) as shown:
        shown.wait_for("thumbs-2024")
        shown.wait_for("the queue does not answer yet")
        shown.type("q")

        assert 0 == shown.wait_for_end()


def test_pause_keeps_the_picture():
    """It says so, and goes on when told."""
    with screen() as shown:
        shown.wait_for("live 0.1 s")
        shown.type("p")
        shown.wait_for("paused")
        shown.type("p")
        shown.wait_for("live 0.1 s")


def test_control_asks_and_tells():
    """Four letters of the name, then it is done, and what came of it is said."""
    with screen() as shown:
        shown.wait_for("thumbs-2024")
        shown.type("D")
        shown.wait_for("drain node-a:4212: type")
        shown.type("node")
        shown.wait_for("did drain")


def test_interval_and_marks():
    """+ and - go through the steps, m leaves a mark in the chart."""
    with screen(columns=160, lines=45) as shown:
        shown.wait_for("thumbs-2024")
        shown.type("-")
        shown.wait_for("a look every 0.5 s")
        shown.type("-")
        shown.wait_for("a look every 1 s")
        shown.type("+")
        shown.wait_for("a look every 0.5 s")
        shown.type("m")
        shown.wait_for("^")


def test_colours_are_there():
    """A terminal gets colours, and they end where they should."""
    with screen() as shown:
        shown.wait_for("1 overview")
        shown.wait_for("\x1b[?2026l")
        shown.type("2")
        shown._read_until(lambda: b"workers: 3 alive" in shown.output, "workers")

        assert re.search(rb"\x1b\[[\d;]*3\dm", shown.output)
