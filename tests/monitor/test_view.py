"""View: what each key does, and in which order workers are shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet_samples import RUN, SNAPSHOT, sample_worker
from imgpipe_cli.dashboard.view import Control, View, Wish, press, selected_worker, shown_runs, shown_workers

CONTROL = View(allow_control=True, page=1)


def typed(view: View, *keys: str) -> View:
    """Return the view after some keys."""
    for key in keys:
        view, _ = press(view, key, SNAPSHOT)
    return view


@pytest.mark.parametrize(
    ("key", "wish"),
    [("q", Wish.QUIT), ("ctrl-c", Wish.QUIT), ("r", Wish.REFRESH), ("x", Wish.EXPORT), ("m", Wish.MARK),
     ("+", Wish.FASTER), ("-", Wish.SLOWER)],
)  # fmt: skip
def test_keys_that_ask_for_something(key, wish):
    """They change nothing in the view itself."""
    assert (View(), wish) == press(View(), key, SNAPSHOT)


@pytest.mark.parametrize(
    ("keys", "view"),
    [
        (("3",), View(page=2)),
        (("5", "tab"), View(page=0)),
        (("e",), View(page=4)),
        (("p",), View(paused=True)),
        ((" ", "p"), View()),
        (("?",), View(help=True)),
        (("?", "z"), View()),
        (("w",), View(window=2)),
        (("w", "w"), View(window=0)),
        (("s",), View(sort="name")),
        (("S",), View(reverse=True)),
        (("S", "s"), View(sort="name")),
        (("/", "i", "o", "enter"), View(filter="io")),
        (("/", "i", "o", "backspace", "enter"), View(filter="i")),
        (("/", "i", "escape"), View()),
        (("/", "i", "enter", "escape"), View()),
        (("2", "j", "j", "k"), View(page=1, selected=1)),
        (("2", "up"), View(page=1)),
        (("2", *["down"] * 9), View(page=1, selected=3)),
        (("4", *["down"] * 9), View(page=3, selected=2)),
        (("4", "down", "enter"), View(page=3, selected=1, detail="TIMEOUT")),
        (("2", "enter", "escape"), View(page=1)),
        (("unknown",), View()),
        (("D",), View()),
        (("P",), View()),
    ],
)
def test_keys_that_change_the_view(keys, view):
    """Each key does what the help says; without --allow-control, none that could change the queue does anything."""
    assert view == typed(View(), *keys)


def test_keys_of_a_filter_are_text():
    """While a filter is typed, q is a letter."""
    assert View(filter="q", typing=True) == typed(View(), "/", "q")
    assert (View(filter="q", typing=True), Wish.QUIT) == press(View(filter="q", typing=True), "ctrl-c", SNAPSHOT)


def test_keys_before_the_first_look():
    """Nothing is there to be marked or opened, and nothing breaks."""
    for key in ("enter", "j", "k", "D", "P", "R", "x", "s"):
        view, _ = press(View(allow_control=True, page=1), key, None)

        assert ("", 0) == (view.detail, view.selected)


def test_stuck_workers_come_first():
    """Whatever the order, a picture that hangs is on top."""
    for sort in ("busy", "name", "rate", "cpu", "memory", "done", "age"):
        for reverse in (False, True):
            assert "node-a:4212" == shown_workers(View(sort=sort, reverse=reverse), SNAPSHOT.workers)[0].name


@pytest.mark.parametrize(
    ("sort", "reverse", "names"),
    [
        ("name", False, "abc"),
        ("name", True, "cba"),
        ("rate", False, "bac"),
        ("rate", True, "cab"),
        ("cpu", False, "abc"),
    ],
)
def test_order_of_workers(sort, reverse, names):
    """The largest first; what is unknown is least; equals are in the order of their names."""
    workers = [
        sample_worker("c", rate_per_second=None),
        sample_worker("a", rate_per_second=1.0),
        sample_worker("b", rate_per_second=float("inf")),
    ]

    assert names == "".join(worker.name for worker in shown_workers(View(sort=sort, reverse=reverse), workers))


@pytest.mark.parametrize(
    ("text", "names"),
    [("IO", ["node-b:991"]), ("lost", ["node-c:77"]), ("huge", ["node-a:4212"]), ("nothing", []), ("node-a:4", 2)],
)
def test_filter(text, names):
    """It is looked for in name, labels, state, host and picture, small and large letters alike."""
    found = [worker.name for worker in shown_workers(View(filter=text), SNAPSHOT.workers)]

    assert names == (len(found) if isinstance(names, int) else found)


def test_marked_worker():
    """The mark is on a row of the filtered list; a detail stays with its worker."""
    assert "node-b:991" == getattr(selected_worker(View(page=1, filter="io", selected=7), SNAPSHOT), "name", None)
    assert "node-c:77" == getattr(selected_worker(View(page=1, detail="node-c:77:1f"), SNAPSHOT), "name", None)
    assert selected_worker(View(page=1, filter="nothing"), SNAPSHOT) is None
    assert selected_worker(View(page=3), SNAPSHOT) is None


def test_open_jobs_come_before_old_ones():
    """If all are over, the newest is shown."""
    old, new = replace(RUN, id="old", state="finished"), replace(RUN, id="new")

    assert ["new"] == [run.id for run in shown_runs(replace(SNAPSHOT, runs=(old, new)))]
    assert ["old"] == [run.id for run in shown_runs(replace(SNAPSHOT, runs=(old, replace(old, id="older"))))]


def test_worker_is_drained_after_four_letters_of_its_name():
    """Only the whole confirmation carries it out."""
    view = typed(CONTROL, "D", "n", "o", "d")
    assert view.control is not None
    assert ("drain", "node-a:4212:1f", "node", "nod") == (
        view.control.verb, view.control.target, view.control.asked, view.control.typed
    )  # fmt: skip

    after, wish = press(view, "e", SNAPSHOT)

    assert after.control is None
    assert wish == Control("drain", "node-a:4212:1f", "node-a:4212", "node")


@pytest.mark.parametrize("keys", [("D", "x"), ("D", "n", "escape"), ("P", "q"), ("R", "t", "x")])
def test_any_other_key_changes_nothing(keys):
    """A slip of the finger is no confirmation."""
    view = typed(CONTROL, *keys)

    assert view.control is None
    assert "nothing was changed" in view.message


@pytest.mark.parametrize(
    ("key", "state", "verb"), [("P", "running", "pause"), ("P", "paused", "resume"), ("R", "running", "retry")]
)
def test_jobs_are_paused_and_tried_again(key, state, verb):
    """The newest job that is not over is meant; one that is paused goes on."""
    snapshot = replace(SNAPSHOT, runs=(replace(RUN, state=state),))
    view, _ = press(CONTROL, key, snapshot)
    wish = None
    for letter in "thum":
        view, wish = press(view, letter, snapshot)

    assert Control(verb, "thumbs-2024", "thumbs-2024", "thum") == wish


def test_control_of_nothing():
    """Without a live worker or a job there is nothing to be asked."""
    lost = replace(SNAPSHOT, workers=SNAPSHOT.workers[3:], runs=())

    assert "no live worker" in press(CONTROL, "D", lost)[0].message
    assert "no job" in press(CONTROL, "P", lost)[0].message
