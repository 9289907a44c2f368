"""Benchmark: sends the same pictures through imgpipe and its peers, in turns, and writes down what came of it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks import corpus, table
from benchmarks.measure import adopt_orphans
from benchmarks.peers import ROOT, ROWS, peers
from benchmarks.rounds import Bench
from imgpipe.machine import usable_cores

WORK = ROOT / "build" / "bench"


def main() -> None:
    """Measure what the command line asks for, show it, and keep it."""
    asked = _arguments()
    adopt_orphans()
    work = asked.work.resolve()
    large, small, thumbnails = (8, 32, 1_000) if asked.quick else (24, 256, 10_000)
    pictures = corpus.given(work, asked.corpus) if asked.corpus else corpus.sampled(work, large, small)
    bench = Bench(work, pictures, usable_cores(), asked.rounds)
    wanted = {name: peer for name, peer in peers(asked.python).items() if name in (asked.peers or [name])}
    versions = {name: peer.version() for name, peer in wanted.items()}
    rows: dict[str, Any] = {}
    results = {
        "schema": "imgpipe.benchmark/1",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": _machine(bench.cores),
        "corpus": {
            "origin": pictures.described,
            "large": corpus.facts(pictures.large),
            "small": corpus.facts(pictures.small),
        },
        "rounds": bench.rounds,
        "peers": {name: {"title": peer.title, "version": versions[name]} for name, peer in wanted.items()},
        "rows": rows,
    }
    for row in asked.rows or ROWS:
        count = len(pictures.of(ROWS[row].kind)) * ROWS[row].times
        if ROWS[row].kind == "small" and not asked.corpus:
            count = thumbnails
        before = os.getloadavg()[0]
        measured = bench.row(row, count, {n: p for n, p in wanted.items() if versions[n] and row in p.rows})
        absent = {
            peer.title: peer.lacks if versions[name] else "not on this machine"
            for name, peer in wanted.items()
            if name not in measured
        }
        rows[row] = {"peers": measured, "absent": absent, "load": [round(before, 2), round(os.getloadavg()[0], 2)]}
        print(table.of_row(row, results), end="\n\n", flush=True)  # now: the next row may take minutes
    kept = asked.results / f"{asked.name}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"kept in {os.path.relpath(kept)}")
    if asked.document:
        table.write(asked.document, results)


def _arguments() -> argparse.Namespace:
    """Read the command line. Only a complete run on the samples goes into the document, unless one is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=_some_of(list(ROWS)), help=f"some of {','.join(ROWS)}")
    parser.add_argument("--peers", type=_some_of(list(peers(""))), help=f"some of {','.join(peers(''))}")
    parser.add_argument("--corpus", type=Path, help="a folder of your JPEGs instead of samples")
    parser.add_argument("--quick", action="store_true", help="fewer pictures and rounds")
    parser.add_argument("--rounds", type=int, help="timed runs of each peer and row: 5, or 3 with --quick")
    parser.add_argument(
        "--python", default=str(WORK / "bin" / "python"), help="where the peers of requirements.txt are"
    )
    parser.add_argument("--name", default="latest", help="name of the results")
    parser.add_argument("--work", type=Path, default=WORK / "work", help="folder for pictures")
    parser.add_argument("--results", type=Path, help="folder for results")
    parser.add_argument("--document", type=Path, help="document to write the tables into")
    asked = parser.parse_args()
    complete = not (asked.rows or asked.peers or asked.corpus or asked.quick)
    asked.rounds = asked.rounds or (3 if asked.quick else 5)
    asked.results = asked.results or (ROOT / "benchmarks" / "results" if complete else WORK)
    asked.document = asked.document or (ROOT / "docs" / "benchmarks.md" if complete else None)
    return asked


def _some_of(known: list[str]) -> Any:
    def names(text: str) -> list[str]:
        chosen = text.split(",")
        if not set(chosen) <= set(known):
            raise argparse.ArgumentTypeError(f"{text}: expected some of {','.join(known)}")
        return chosen

    return names


def _machine(cores: int) -> dict[str, Any]:
    """Return what the figures depend on, and nothing that says whose machine it is."""
    processor = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), processor)
    return {
        "cores": cores,
        "processor": processor,
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
