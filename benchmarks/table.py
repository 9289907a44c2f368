"""Table: draws results as Markdown, and puts them into the document between its markers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.peers import ROWS
from benchmarks.quality import EQUAL_DB

if TYPE_CHECKING:
    from pathlib import Path

BEGIN, END = "<!-- begin: written by `make bench` -->", "<!-- end -->"
BRIEF = 0.3
"""Seconds below which start-up, and what else the machine does, drown a measurement."""
HEAD = (
    "| | images/s (lowest, highest) | MP/s per core | CPU ms per image | start-up, s | peak memory, MB | KB per output "
    "| PSNR, dB: median, minimum | SSIM: median, minimum |\n|---|---|---|---|---|---|---|---|---|"
)


def write(document: Path, results: dict[str, Any]) -> None:
    """Put the tables of results into a document."""
    document.write_text(written(document.read_text(encoding="utf-8"), results), encoding="utf-8")


def written(text: str, results: dict[str, Any]) -> str:
    """Return a document with what stands between its markers replaced."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    rows = [of_row(row, results) for row in results["rows"]]
    parts = [BEGIN, _conditions(results), _overview(results), *rows, END]
    return before + "\n\n".join(parts) + after


def _overview(results: dict[str, Any]) -> str:
    """Draw the medians of all rows, a peer a line."""
    rows = results["rows"]
    lines = ["| images/s | " + " | ".join(rows) + " |", "|---|" + "---|" * len(rows)]
    for name, peer in results["peers"].items():
        rates = [measured["peers"].get(name, {}).get("per_second", [None])[0] for measured in rows.values()]
        if any(rates):
            lines.append(f"| {peer['title']} | " + " | ".join("–" if r is None else _number(r) for r in rates) + " |")
    return "\n".join(lines)


def of_row(row: str, results: dict[str, Any]) -> str:
    """Draw a row: the fastest first, then who is not there and why."""
    measured = results["rows"][row]
    lines = [f"### {row}: `{ROWS[row].pipeline}`", "", HEAD]
    for name, found in sorted(measured["peers"].items(), key=lambda item: -item[1]["per_second"][0]):
        rate, low, high = found["per_second"]
        cells = [
            results["peers"][name]["title"],
            f"{_number(rate)} ({_number(low)}, {_number(high)})",
            f"{found['megapixels_per_second_and_core']:.1f}",
            _number(found["cpu_milliseconds"]),
            f"{found['start_seconds']:.2f}",
            f"{found['peak_bytes'] / 1e6:.0f}",
            f"{found['output_bytes'] / 1000:.1f}",
            *_likeness(name, found),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    absent: dict[str, list[str]] = {}
    for title, reason in measured["absent"].items():
        absent.setdefault(reason, []).append(title.strip("*"))
    counts = sorted({found["pictures"] for found in measured["peers"].values()}, reverse=True)
    lines += ["", f"- Pictures in a round: {' or, for slow peers, '.join(f'{count:,}' for count in counts)}."]
    lines += [f"- Not in this row: {'; '.join(titles)} ({reason})." for reason, titles in absent.items()]
    took = {name: found["pictures"] / found["per_second"][0] for name, found in measured["peers"].items()}
    brief = [results["peers"][name]["title"].strip("*") for name, seconds in took.items() if seconds < BRIEF]
    if brief:
        lines.append(f"- Done in less than {BRIEF} s, too fast to tell: {'; '.join(brief)}. Take more pictures.")
    kinds = {found["stored"] for found in measured["peers"].values()}
    lines += [] if len(kinds) == 1 else [f"- Outputs are not stored alike: {'; '.join(sorted(kinds))}."]
    lines.append(f"- Load of the machine before and after: {measured['load'][0]:.1f}, {measured['load'][1]:.1f}.")
    return "\n".join(lines)


def _likeness(name: str, found: dict[str, Any]) -> list[str]:
    if name == "floor":
        return ["", ""]
    if found["psnr_db"] is None:
        return ["another size", ""]
    noise = ("equal" if value >= EQUAL_DB else f"{value:.1f}" for value in found["psnr_db"])
    return [", ".join(noise), ", ".join(f"{value:.4f}" for value in found["ssim"])]


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _conditions(results: dict[str, Any]) -> str:
    machine, corpus = results["machine"], results["corpus"]
    sizes = (
        f"{kind.capitalize()}: {facts['pictures']} pictures, {facts['megapixels']} megapixels, "
        f"{facts['bytes'] / 1e6:.0f} MB, {', '.join(facts['stored'])}"
        for kind, facts in corpus.items() if kind != "origin"
    )  # fmt: skip
    versions = (f"{peer['title'].strip('*')}: {peer['version'] or 'not here'}" for peer in results["peers"].values())
    return (
        f"- {results['date']}, {machine['cores']} cores of {machine['processor']}, {machine['memory_gb']} GB, "
        f"{machine['system']}, Python {machine['python']}; {results['rounds']} rounds.\n"
        f"- Pictures {corpus['origin']}. {'. '.join(sizes)}.\n"
        f"- {'; '.join(versions)}."
    )
