"""Rounds: measures one row for all peers: first memory, bytes and pixels, then the time, in turns.

A timed run is the wall time of a whole command. What the same command takes for a single picture of 16x16 pixels is
measured in the same rounds, told apart as start-up, and taken off: it would weigh the more, the fewer pictures there
are. The page cache is warm, since the run that is watched for memory has read all files.
"""

from __future__ import annotations

import contextlib
import shutil
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import quality
from benchmarks.corpus import Corpus, megapixels, stored
from benchmarks.measure import Seconds, peak_bytes_of, seconds_of
from benchmarks.peers import ROWS, Job, Peer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMPARED = 6
"""So many pictures are compared with the exact ones."""
SLOW_SHARE = 12
"""A slow peer processes one picture of so many, but one for each core."""


@dataclass(frozen=True)
class Bench:
    """What all measurements have in common. Everything is written below `work`."""

    work: Path
    corpus: Corpus
    cores: int
    rounds: int

    def row(self, row: str, count: int, peers: dict[str, Peer]) -> dict[str, Any]:
        """Measure a row with `count` pictures."""
        kind = ROWS[row].kind
        everything = self._folder("all", kind, count)
        fewer = self._folder("fewer", kind, min(max(count // SLOW_SHARE, self.cores), count))
        folders = {name: fewer if peer.slow else everything for name, peer in peers.items()}
        compared = self._folder("compared", kind, min(COMPARED, len(self.corpus.of(kind))))
        exact = {path.stem: quality.exact(row, path) for path in compared.iterdir()}
        found: dict[str, Any] = {}
        for name, peer in peers.items():
            found[name] = self._weights(peer, row, folders[name])
            if name != "floor":
                found[name] |= self._likeness(peer, row, compared, exact)

        tiny = self._folder("tiny", "tiny", 1)
        starts: dict[str, list[Seconds]] = {name: [] for name in peers}
        times: dict[str, list[Seconds]] = {name: [] for name in peers}
        for _ in range(self.rounds):
            for name, peer in peers.items():
                starts[name].append(self._seconds(peer, row, tiny))
                times[name].append(self._seconds(peer, row, folders[name]))
        return {name: found[name] | self._speed(folders[name], starts[name], times[name]) for name in peers}

    def _folder(self, name: str, kind: str, count: int) -> Path:
        return self.corpus.laid_out(self.work / "in" / name, kind, count)

    def _weights(self, peer: Peer, row: str, folder: Path) -> dict[str, Any]:
        """Return the most memory held, the bytes of an output, and how it is stored."""
        with self._target() as target:
            peak = peak_bytes_of(self._commands(peer, row, folder, target), folder, peer.surroundings())
            written = sorted(target.glob("*.jpg"))
            if len(written) != len(list(folder.iterdir())):
                raise SystemExit(f"{peer.title} wrote {len(written)} pictures of {len(list(folder.iterdir()))}")
            mean = statistics.mean(path.stat().st_size for path in written)
            return {"peak_bytes": peak, "output_bytes": round(mean), "stored": stored(written[0])}

    def _likeness(self, peer: Peer, row: str, folder: Path, exact: dict[str, quality.Pixels]) -> dict[str, Any]:
        """Compare pixels, before any JPEG loses some of them: the peer writes PNG."""
        with self._target() as target:
            seconds_of(self._commands(peer, row, folder, target, ".png"), folder, peer.surroundings())
            return quality.compare([(pixels, target / f"{name}.png") for name, pixels in exact.items()])

    def _seconds(self, peer: Peer, row: str, folder: Path) -> Seconds:
        with self._target() as target:
            return seconds_of(self._commands(peer, row, folder, target), folder, peer.surroundings())

    def _speed(self, folder: Path, starts: list[Seconds], times: list[Seconds]) -> dict[str, Any]:
        """Return pictures per second without start-up: median, lowest, highest; and what else follows from times."""
        paths = list(folder.iterdir())
        start = statistics.median(seconds.wall for seconds in starts)
        rates = sorted(len(paths) / max(seconds.wall - start, 1e-3) for seconds in times)
        rate = statistics.median(rates)
        cpu = statistics.median(seconds.cpu for seconds in times) - statistics.median(seconds.cpu for seconds in starts)
        each = megapixels(paths) / len(paths)
        return {
            "pictures": len(paths),
            "per_second": [round(value, 2) for value in (rate, rates[0], rates[-1])],
            "megapixels_per_second_and_core": round(rate * each / self.cores, 1),
            "cpu_milliseconds": round(max(cpu, 0) / len(paths) * 1e3, 2),
            "start_seconds": round(start, 3),
            "seconds": [round(seconds.wall, 3) for seconds in times],
        }

    def _commands(self, peer: Peer, row: str, folder: Path, target: Path, suffix: str = ".jpg") -> list[list[str]]:
        names = sorted(path.name for path in folder.iterdir())
        return peer.commands(Job(row, names, str(target), suffix, self.cores))

    @contextlib.contextmanager
    def _target(self) -> Iterator[Path]:
        """Offer an empty folder to write to."""
        target = self.work / "out"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        yield target
        shutil.rmtree(target)
