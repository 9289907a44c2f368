"""Frame: what the dashboard looks like at each size, and that nothing in a snapshot can spoil it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from fleet_samples import ADVICE, QUEUE, RUN, SNAPSHOT, any_snapshot, sample_worker
from imgpipe.display import display_name
from imgpipe.monitor import Snapshot  # noqa: TC001 - hypothesis reads the annotation
from imgpipe.monitor.values import Percentiles, Slots
from imgpipe_cli.dashboard.canvas import ASCII
from imgpipe_cli.dashboard.frame import render
from imgpipe_cli.dashboard.scene import Scene
from imgpipe_cli.dashboard.trend import Trend
from imgpipe_cli.dashboard.view import PAGES, Control, View
from sample_frames import FOLDER, SIZES, frame, sample_scene, text

VIEWS = [*(View(page=page) for page in range(len(PAGES))), View(help=True), View(help=True, allow_control=True),
         View(detail="node-a:4212:1f"), View(detail="TIMEOUT"), View(detail="gone"), View(typing=True, filter="io"),
         View(control=Control("drain", "x", "node-a"), allow_control=True), View(message="done"),
         View(paused=True)]  # fmt: skip


def with_snapshot(**fields: object) -> Scene:
    """Return the sample scene with a snapshot that differs."""
    return sample_scene(snapshot=replace(SNAPSHOT, **fields))  # type: ignore[arg-type]


def shown(scene: Scene, width: int = 160, height: int = 45) -> str:
    """Return a frame as one text."""
    return "\n".join(frame(scene, width, height))


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_frames_are_as_expected(width, height):
    """At each size the frame is that of the file; `python tests/sample_frames.py` writes the files anew."""
    assert (FOLDER / f"{width}x{height}.txt").read_text(encoding="utf-8") == text(width, height)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("width", "height"), [*SIZES, (118, 26), (117, 25), (40, 6), (1, 1), (300, 100)])
def test_every_view_fits(view, width, height):
    """Every line is exactly as wide as the terminal, and there are exactly as many as it has."""
    lines = render(sample_scene(view=view), width, height)

    assert [width] * height == [cell_len(line.plain) for line in lines]


@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(any_snapshot(), st.sampled_from(VIEWS), st.sampled_from([*SIZES, (118, 26), (45, 8)]), st.booleans())
def test_any_snapshot_can_be_drawn(snapshot: Snapshot, view: View, size: tuple[int, int], ascii_only: bool):
    """Whatever is in it, it is drawn, fits, and does nothing to the terminal."""
    trend = Trend()
    trend.add(snapshot)
    scene = Scene(snapshot=snapshot, view=view, trend=trend)
    lines = render(replace(scene, symbols=ASCII) if ascii_only else scene, *size)

    assert [size[0]] * size[1] == [cell_len(line.plain) for line in lines]
    assert [] == [line.plain for line in lines if line.plain != display_name(line.plain)]
    assert not ascii_only or all(line.plain.isascii() for line in lines)


def test_ten_thousand_workers():
    """As many as there is room for are shown, and all are counted."""
    workers = tuple(sample_worker(f"node-{number:05}") for number in range(10_000))
    picture = shown(with_snapshot(workers=workers))

    assert "workers: 10 000 alive" in picture
    assert 20 < picture.count("● busy") < 40


def test_wide_characters_are_counted_by_their_width():
    """Chinese names and pictures of faces take two cells each."""
    worker = sample_worker("机器" * 20, current=replace(SNAPSHOT.workers[1].current, item="😀" * 60))  # type: ignore[type-var]
    lines = frame(with_snapshot(workers=(worker,)), 100, 30)

    assert {100} == {cell_len(line) for line in lines}


def test_names_cannot_act_on_the_terminal():
    """Escapes are shown, wherever a name appears."""
    evil = "a\x1b[2J\x07\u202eb"
    scene = with_snapshot(
        namespace=evil,
        runs=(replace(RUN, id=evil, why=evil, state=evil, capability=evil),),
        queues=(replace(QUEUE, capability=evil),),
        workers=(sample_worker(evil, capability=evil, state=evil),),
        errors=(replace(SNAPSHOT.errors[0], code=evil, example=evil),),
        scaling=({**ADVICE, "capability": evil, "action": evil, "reason": {"text": evil}},),
    )

    for page in range(len(PAGES)):
        picture = shown(replace(scene, view=View(page=page))).replace("\n", "")
        assert picture.isprintable()
        assert "\\x1b" in picture


def test_before_the_first_look():
    """There is something to see at once, and if it does not come, why."""
    assert "looking" in shown(sample_scene(snapshot=None))
    assert "no way" in shown(sample_scene(snapshot=None, trouble="no way"))
    assert "no way" in shown(sample_scene(snapshot=None, trouble="no way"), 39, 5)


def test_trouble_is_a_red_bar_over_dimmed_numbers():
    """The last numbers stay, but nobody can take them for new ones."""
    lines = render(sample_scene(trouble="no data for 12 s"), 100, 30)

    assert "no data for 12 s" in lines[1].plain
    assert "bold white on red" == lines[1].style
    assert {"dim"} == {str(line.style) for number, line in enumerate(lines) if number != 1}
    assert "✗ no data" in lines[0].plain


def test_nothing_there():
    """An empty queue says what to do."""
    picture = shown(with_snapshot(runs=(), queues=(), workers=(), errors=(), scaling=(), hosts=(), redis=None))

    assert "no job yet" in picture
    assert "`imgpipe worker` starts one" in picture
    assert "nothing to advise on yet" in picture


def test_unknown_is_a_dash_and_never_0():
    """Before the second look there are no rates, and no time of the end."""
    run = replace(RUN, eta_seconds=None, rate_per_second=replace(RUN.rate_per_second, now=None, one_minute=None))
    picture = shown(with_snapshot(runs=(run,)))

    assert "now – img/s · 1 min –" in picture
    assert "ETA –" in picture


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"finishing": True, "pending": 0, "running": 3}, "finishing: 3 in work"),
        ({"total": None}, "more may come"),
        ({"state": "paused", "why": "by hand"}, "paused: by hand"),
    ],
)
def test_what_is_said_in_place_of_the_time_of_the_end(fields, words):
    """Where no end can be foreseen, it says why."""
    assert words in shown(with_snapshot(runs=(replace(RUN, **fields),)))


def test_times_above_all_bounds():
    """Longer than half an hour is all that is known."""
    waits = Percentiles(count=100, beyond=60, mean=4000.0)

    assert "> 30:00/> 30:00" in shown(with_snapshot(queues=(replace(QUEUE, wait_seconds=waits),)))


def test_class_without_workers_is_called_so():
    """The page of queues says for how long nobody could take its tasks."""
    queue = replace(QUEUE, slots=Slots(total=0, busy=0), stuck_seconds=75.0)
    picture = shown(replace(with_snapshot(queues=(queue,)), view=View(page=2)))

    assert "for 1:15 nobody can take tasks that need cpu" in picture


def test_silent_worker_is_called_so():
    """A worker that is not heard of may be dead, long before its lease ends."""
    worker = sample_worker(heartbeat_age_seconds=11.0)

    assert "not heard of for 11 s" in shown(with_snapshot(workers=(worker,)))


def test_numbers_that_do_not_fit_are_called_so():
    """Little's law is checked on the screen."""
    assert QUEUE.little is not None
    queue = replace(QUEUE, little=replace(QUEUE.little, mismatch=0.5))

    assert "50.0 % these numbers do not fit" in shown(with_snapshot(queues=(queue,)))


def test_detail_of_a_stuck_worker():
    """It names the picture, how long it has been seen, and that it may hang."""
    picture = shown(sample_scene(view=View(page=1, detail="node-a:4212:1f")))

    for expected in ("worker node-a:4212", "c/huge.tif", "27 s", "it may hang"):
        assert expected in picture


def test_detail_of_a_failure():
    """It says when it happened last, where, and what can be done."""
    picture = shown(sample_scene(view=View(page=3, detail="TIMEOUT")))

    for expected in ("failure TIMEOUT", "2026-03-01T14:03:02.000Z", "c/huge.tif", "give it more time with --timeout"):
        assert expected in picture


def test_advice_is_explained():
    """The page of the advice has the whole reason, what lowers the confidence, and the table of alternatives."""
    picture = shown(sample_scene(view=View(page=4)), 100, 30)

    for expected in ("SCALE_UP 12 → 17 workers", "node-b has 5 idle cores", "COVERAGE", "17 workers: done in 1:33:00"):
        assert expected in picture


def test_marked_worker_is_on_the_screen():
    """However far down the mark is, its row is shown, and only there reversed."""
    workers = tuple(sample_worker(f"node-{number:03}") for number in range(300))
    scene = replace(with_snapshot(workers=workers), view=View(page=1, sort="name", selected=250))
    lines = render(scene, 100, 30)

    marked = [
        line.plain for line in lines if any(span.style == "reverse" for span in line.spans) and "node" in line.plain
    ]
    assert ["node-250"] == [line.split()[1] for line in marked]


def test_compact_counts_what_matters():
    """Six lines are enough for progress, failures, slots, what is stuck, and the advice."""
    picture = shown(sample_scene(), 60, 15)

    for expected in ("68.4 %", "failed 1 324", "4/6 slots busy", "1 stuck, 1 lost", "SCALE_UP 12 → 17 workers"):
        assert expected in picture
