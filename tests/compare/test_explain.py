"""Explain and table: what is said follows from the numbers; made-up measurements, known sentences."""

from __future__ import annotations

import dataclasses

import pytest

from comparison_samples import cell, comparison, curves, difference, workload
from imgpipe.compare import table
from imgpipe.compare.attribution import Shares
from imgpipe.compare.explain import about_fit, predicted, why
from imgpipe.compare.model import Fit
from imgpipe.compare.prediction import Prediction
from imgpipe.compare.probe import GilProbe

STARVED = Shares(run=0.3, core=0.1, gil=0.5, io=0.04, idle=0.06)


def text_of(*cells, **given) -> str:
    """Return everything that is said about a pipeline."""
    return "\n".join(why(workload(*cells, **given)))


def test_prediction():
    """The GIL's share, how sure it is, what it allows, what the cores allow, and the lesser of both."""
    assert predicted("blur", Prediction(GilProbe(20, 200), 1.0, 8), 16) == (
        "blur: one thread holds the GIL 10 % of its time (7 % to 15 %, 200 looks), so threads can reach 10x at most; "
        "8 cores allow 8.00x. Ceiling for 16 threads: 8.00x."
    )


def test_prediction_of_pure_python():
    """A GIL that is always held leaves nothing to gain."""
    text = predicted("slow", Prediction(GilProbe(200, 200), 1.0, 8), 8)

    assert "threads can reach 1.00x at most" in text
    assert "Ceiling for 8 threads: 1.00x." in text


def test_prediction_of_waiting():
    """What waits needs no core: more workers than cores may be right."""
    prediction = Prediction(GilProbe(0, 200), 0.1, 2)

    assert "which sets threads no limit" in predicted("wait", prediction, 8)
    assert "2 cores allow 20x, for a picture computes only 10 % of its time" in predicted("wait", prediction, 8)
    assert (8.0, 20.0) == (prediction.ceiling("threads", 8), prediction.ceiling("threads", 64))


def test_prediction_without_gil():
    """Without a GIL, only cores and workers count, and one core is not called cores."""
    prediction = Prediction(None, 1.0, 1)

    assert "blur: this Python has no GIL; 1 core allows 1.00x. Ceiling for 4 threads: 1.00x." == (
        predicted("blur", prediction, 4)
    )
    assert 1.0 == prediction.ceiling("threads", 4)


def test_gil_does_not_limit_processes():
    """Each process has a GIL of its own."""
    prediction = Prediction(GilProbe(200, 200), 1.0, 4)

    assert (1.0, 4.0) == (prediction.ceiling("threads", 4), prediction.ceiling("processes", 4))


def test_losses_are_named_the_largest_first():
    """What took a twentieth of the time or more is named, what took less is not."""
    text = text_of(cell("threads", 2, 1.0, shares=STARVED), gil=GilProbe(200, 200))

    assert (
        "threads ×2: measured 1.00x (0.95 to 1.05), 100 % of its ceiling 1.00x. Of its time a worker spent "
        "50 % waiting for the GIL, 10 % waiting for a core and 6 % without a picture"
    ) in text
    assert "outside" not in text


def test_busy_cores_are_somebody_elses():
    """Two workers on two cores that wait for a core were disturbed."""
    disturbed = cell("threads", 2, 1.0, shares=STARVED)

    assert "something else used them" in text_of(disturbed)
    assert "something else used them" not in text_of(cell("threads", 2, 1.0))


def test_more_work_than_alone_is_told():
    """Workers share caches and memory; then each picture takes longer."""
    assert "A picture takes 30 % more processor time than alone" in text_of(cell("threads", 2, 1.5, work=1.3))
    assert "more processor time" not in text_of(cell("threads", 2, 1.5, work=1.05))


def test_overlapping_intervals_are_no_verdict():
    """Nobody is called faster unless the intervals are apart."""
    text = text_of(cell("threads", 2, 1.8, half=0.2), cell("processes", 2, 1.6, half=0.2))

    assert "No difference shown between threads ×2 (1.80x) and processes ×2 (1.60x): their intervals overlap." in text
    assert "faster" not in text


def test_intervals_apart_are_a_verdict():
    """The better one is named first."""
    text = text_of(cell("threads", 2, 1.2), cell("processes", 2, 1.8))

    assert "processes ×2 is faster than threads ×2: their intervals are apart." in text


def test_no_difference_from_sequential():
    """An interval around 1 shows nothing."""
    assert "threads ×2: no difference from sequential shown" in text_of(cell("threads", 2, 1.0))
    assert "no difference" not in text_of(cell("threads", 2, 1.5))


def test_one_repetition_is_no_verdict():
    """Without intervals, no executor is called anything."""
    text = text_of(cell("threads", 2, 1.8, half=None), cell("processes", 2, 1.1, half=None))

    assert 2 == text.count("one repetition shows nothing; no verdict.")
    assert "is faster" not in text


def test_surpassed_ceiling_is_admitted():
    """A prediction that was wrong is called wrong."""
    assert "the prediction was wrong" in text_of(cell("threads", 2, 1.9), gil=GilProbe(190, 200))
    assert "the prediction was wrong" not in text_of(cell("threads", 2, 1.9), gil=GilProbe(10, 200))


@pytest.mark.parametrize(
    ("median", "said"),
    [(1.8, "the saying does not hold here"), (1.2, "shows nothing either way"), (1.1, "as little as that")],
)
def test_the_saying_is_measured(median, said):
    """That threads gain 1.2x is held against what was measured."""
    text = text_of(cell("threads", 2, median))

    assert "It is said that threads gain 1.2x" in text
    assert said in text


@pytest.mark.parametrize("given", [{"cpu_only": False}, {"releases_gil": False}])
def test_the_saying_is_not_about_this(given):
    """Filters that hold the GIL, or wait, are another matter; so is a single thread."""
    assert "It is said" not in text_of(cell("threads", 2, 1.8), **given)
    assert "It is said" not in text_of(cell("threads", 1, 1.0))


def test_fit_of_two_counts():
    """It is said that such a fit explains nothing."""
    assert about_fit("threads", Fit(0.1, 0.0, 2, 2, None)) == (
        "threads, fit of Amdahl on 2 worker counts: 10 % of the work goes on alone (sigma); one number through one "
        "point always fits, so that it explains nothing. With cores enough, 4 workers would reach 3.08x; not measured, "
        "and nothing is said about more. A fit does not know whether cores or GIL are short."
    )


def test_fit_of_many_counts():
    """R², both parameters, and a peak within reach; one beyond twice the largest count is nobody's business."""
    near, far = Fit(0.02, 0.01, 7, 8, 0.998), Fit(0.02, 0.0001, 7, 8, 0.998)

    assert "2 % of the work goes on alone (sigma), workers cost each other 0.0100 (kappa); R² 0.998" in (
        about_fit("threads", near)
    )
    assert "More than 10 workers would be slower" in about_fit("threads", near)
    assert "slower" not in about_fit("threads", far)
    assert "16 workers would reach 12x" in about_fit("threads", far)


def test_no_fit_is_said():
    """Intervals too wide for a fit do not pass in silence."""
    assert "no fit" in about_fit("threads", None)


def test_table():
    """A row for each executor: speed-ups with spread, efficiency, and the shares, all in columns."""
    lines = list(table.table_lines(comparison(curves())))

    assert ["pipeline", "executor", "×1", "×2", "each", "run", "core", "GIL", "I/O", "idle"] == lines[0].split()
    assert ["sharpen", "threads", "1.00±0.05", "1.90±0.05", "95", "95", "2", "1", "1", "1"] == lines[2].split()
    assert 1 == len({len(line) for line in lines[:4]})
    assert len(lines[0]) <= 80


def test_table_knows_what_is_not_known():
    """A share that the system does not tell is a dash."""
    unknown = cell("threads", 2, 1.5, shares=dataclasses.replace(STARVED, core=None))

    lines = list(table.table_lines(comparison(workload(unknown))))

    assert ["30", "–", "50", "4", "6"] == lines[2].split()[-5:]


def test_differences_are_named():
    """What differs is named with cell, picture and both outcomes; that sequential differs from itself, too."""
    one = workload(cell("threads", 2, 1.5), differences=(difference(),))
    own = workload(cell("threads", 2, 1.5), differences=(difference("sequential", 1),))

    lines = list(table.difference_lines(comparison(one), "!!"))

    assert lines == [
        "!! sharpen: 1 outputs differ from the first run; with threads ×2",
        "    threads ×2  in/a.jpg",
        "      11 bytes, sha256 aa00, not 10 bytes, sha256 00ff",
    ]
    assert "sequential differs from itself" in list(table.difference_lines(comparison(own), "!!"))[-1]
    assert [] == list(table.difference_lines(comparison(curves()), "!!"))


def test_lines_are_wrapped():
    """The explanation fits the terminal."""
    lines = list(table.why_lines(comparison(curves()), explain=True, width=60))

    assert max(map(len, lines)) <= 60
    assert any("fit of Amdahl" in line for line in lines)
