"""Benchmarks: the harness runs, peers do the same to a picture, its document tells all. No test asks how fast."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from imgpipe.samples import sample

ROOT = Path(__file__).parent.parent
PEERS = ("imgpipe-threads", "pillow", "opencv", "pyvips")
ROWS = ("fit", "edges")
MARKERS = ("<!-- begin: written by `make bench` -->", "<!-- end -->")

pytest.importorskip("resource", reason="processor time is asked for as POSIX has it")


class Ran(NamedTuple):
    """What a run has left behind."""

    work: Path
    results: dict[str, Any]
    document: str


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmark as `make bench` does."""
    command = [sys.executable, "-m", "benchmarks", "--rounds", "1", "--python", sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Ran:
    """Run two rows on two tiny pictures; a third file is none that all peers read alike."""
    folder: Path = tmp_path_factory.mktemp("bench")
    (folder / "in").mkdir()
    for number in (1, 2):
        sample(number, 2400, 1350).save(folder / "in" / f"{number}.jpg", quality=90)
    Image.new("L", (8, 8)).save(folder / "in" / "grey.jpg")
    document = folder / "benchmarks.md"
    document.write_text("\n".join(("Before.", *MARKERS, "After.")), encoding="utf-8")
    done = bench(
        "--rows", ",".join(ROWS), "--peers", ",".join(PEERS), "--corpus", str(folder / "in"),
        "--work", str(folder / "work"), "--results", str(folder), "--name", "tiny", "--document", str(document),
    )  # fmt: skip
    assert (0, "") == (done.returncode, done.stderr)
    results = json.loads((folder / "tiny.json").read_text(encoding="utf-8"))
    return Ran(folder, results, document.read_text(encoding="utf-8"))


def test_each_peer_is_measured_or_said_to_be_missing(ran):
    """Nobody is left out without a word."""
    for row in ran.results["rows"].values():
        told = set(row["peers"]) | {name for name in PEERS if ran.results["peers"][name]["title"] in row["absent"]}

        assert set(PEERS) == told
        assert {"imgpipe-threads", "opencv"} <= set(row["peers"])

    assert "no Canny" == ran.results["rows"]["edges"]["absent"][ran.results["peers"]["pillow"]["title"]]


def test_peers_do_the_same_to_a_picture(ran):
    """The pixels of all of them are near the exact ones, so that their speeds can be compared."""
    nearness = {
        (row, name): found["psnr_db"][1]
        for row, measured in ran.results["rows"].items()
        for name, found in measured["peers"].items()
    }

    assert {} == {key: decibels for key, decibels in nearness.items() if decibels < 34}


def test_outputs_are_stored_alike(ran):
    """Quality, subsampling and so the cost of encoding are the same for all."""
    for row in ran.results["rows"].values():
        stored = {found["stored"] for found in row["peers"].values()}
        sizes = [found["output_bytes"] for found in row["peers"].values()]

        assert 1 == len(stored)
        assert max(sizes) < 1.1 * min(sizes)


def test_pictures_that_are_not_read_alike_are_counted(ran):
    """A file that is no upright RGB JPEG takes no part, and the results say so."""
    corpus = ran.results["corpus"]

    assert 2 == corpus["large"]["pictures"]
    assert "1 files left out" in corpus["origin"]


def test_results_say_what_they_depend_on_but_not_whose_they_are(ran):
    """Cores, versions and rounds are kept; paths are not."""
    text = json.dumps(ran.results)

    assert ran.results["machine"].keys() == {"cores", "processor", "memory_gb", "system", "python"}
    assert all(ran.results["peers"][name]["version"] for name in ("imgpipe-threads", "pillow", "opencv"))
    assert str(ran.work) not in text
    assert str(ROOT) not in text


def test_document_tells_all(ran):
    """Every row and every peer in it stand between the markers; what stands around them is left alone."""
    before, rest = ran.document.split(MARKERS[0])
    tables, after = rest.split(MARKERS[1])

    assert ("Before.\n", "\nAfter.") == (before, after)
    for row in ROWS:
        (section,) = [part for part in tables.split("### ") if part.startswith(f"{row}:")]
        assert [] == [name for name in PEERS if ran.results["peers"][name]["title"] not in section]


def test_the_document_of_the_project_is_what_its_results_say():
    """Its tables are those of the results that are kept: nobody has edited them by hand, or forgotten them."""
    sys.path.insert(0, str(ROOT))
    try:
        from benchmarks import table
    finally:
        sys.path.remove(str(ROOT))
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    results = json.loads((ROOT / "benchmarks" / "results" / "latest.json").read_text(encoding="utf-8"))

    assert text == table.written(text, results)


def test_an_unknown_row_is_refused():
    """The error names the rows that there are."""
    done = bench("--rows", "fit,shrink")

    assert 2 == done.returncode
    assert "fit,shrink: expected some of fit,blur" in done.stderr


def test_a_folder_without_a_picture_for_all_is_refused(tmp_path):
    """Nothing is measured; the error says what is wanted."""
    Image.new("L", (8, 8)).save(tmp_path / "grey.jpg")

    done = bench("--rows", "fit", "--corpus", str(tmp_path), "--work", str(tmp_path / "work"))

    assert 1 == done.returncode
    assert "none of the 1 files is an upright RGB JPEG" in done.stderr
