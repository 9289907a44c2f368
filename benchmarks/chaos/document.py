"""Document: draws the results that are kept as Markdown, and puts them into docs/reliability.md between its markers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.queue.systems import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

DOCUMENT = ROOT / "docs" / "reliability.md"
RESULTS = ROOT / "benchmarks" / "results"
WHEN_BACK = {  # what their documentation and sources promise for a task whose worker has died
    ("dramatiq", False): "60 s, and then by chance: one command in 1,000 looks",
    ("dramatiq", True): "5 s",
    ("celery", False): "never: acknowledged before it ran; prefetched ones after 1 h",
    ("celery", True): "10 s, when somebody looks",
    ("rq", False): "never by itself: it is failed after 90 s, when somebody looks, every 10 minutes",
    ("rq", True): "61 s, when somebody looks",
    ("huey", False): "never",
    ("huey", True): "never",
}


def write() -> None:
    """Put all that is kept into the document."""
    DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8"), RESULTS), encoding="utf-8")


def written(text: str, results: Path) -> str:
    """Return the document with what stands between its markers replaced, as far as there are results."""
    tables: dict[str, Callable[[dict[str, Any]], str]] = {
        "chaos": _scenarios, "peers": _peers, "queue": _queue, "scorecard": _scorecard,
    }  # fmt: skip
    for name, table in tables.items():
        file = results / f"{name}.json"
        if file.exists():
            begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
            before, rest = text.split(begin)
            _, after = rest.split(end)
            drawn = table(json.loads(file.read_text(encoding="utf-8")))
            text = f"{before}{begin}\n\n{drawn}\n\n{end}{after}"
    return text


def _scenarios(kept: dict[str, Any]) -> str:
    lines = [f"{kept['date']}, {kept['versions']}.", "", "| | what was done | what was found |", "|---|---|---|"]
    for name, found in kept["scenarios"].items():
        zeros = ", ".join(what for what, count in found["misses"].items() if not count)
        size = f"{found['tasks']:,} pictures, {found['workers']} workers, lease {found['lease seconds']:g} s"
        lines.append(
            f"| `{name}` | {size}, seed {found['seed']}; {_deeds(name, found)} | {_findings(name, found)}; 0 {zeros}"
            f"{_missed(found)}; {found['seconds']:.0f} s, load {found['load'][0]} to {found['load'][1]} |"
        )
    return "\n".join(lines)


def _scorecard(kept: dict[str, Any]) -> str:
    lines = [f"{kept['versions']}.", "", "| | | what was done and found | seed, time, load |", "|---|---|---|---|"]
    for name, row in kept["rows"].items():
        missed = "".join(f"; {what}: {json.dumps(of, ensure_ascii=False)}" for what, of in row["missed"].items())
        verdict = "**missed**" if missed else "skipped" if row["skipped"] else "ok"
        facts = f"{row['facts'] or row['skipped']}{missed}".replace("|", "\\|")
        when = f"{row['seed']}, {row['seconds']:.0f} s, {row['load'][0]} to {row['load'][1]}"
        lines.append(f"| {name} {row['title']} | {verdict} | {facts} | {when}, {row['date']} |")
    return "\n".join(lines)


def _missed(found: dict[str, Any]) -> str:
    counts = [f"{count} {what}" for what, count in found["misses"].items() if count]
    return f"; **missed: {', '.join([*counts, *found['not done']])}**" if counts else ""


def _deeds(name: str, found: dict[str, Any]) -> str:
    if name.startswith("kill"):
        return f"{found['kills']} kills; {found['tasks held']:,} tasks were in those hands"
    if name == "zombie":
        return f"{found['stops']} stops"
    faults = found["faults"]
    return f"{faults['kill']} kills of Redis, {faults['pause']} pauses, {faults['full']} times full"


def _findings(name: str, found: dict[str, Any]) -> str:
    if name.startswith("kill"):
        back, anew = _times(found["back"]), _times(found["recovery"])
        return f"{found['run again']} run again; back in the queue after {back}; claimed anew after {anew}"
    if name == "zombie":
        return f"{found['said']['late']} results accepted late, {found['said']['stale']} ignored"
    return "; ".join(f"{kind}: results again after {_times(times)}" for kind, times in found["results again"].items())


def _peers(kept: dict[str, Any]) -> str:
    head = (
        "| | settings | kills, of them during a job | not back | begun again | done twice | temporary files "
        "| recovery: p50, p99, max | back by its documentation after |\n|---|---|---|---|---|---|---|---|---|"
    )
    lines = [f"{kept['date']}, {kept['versions']}; seed {kept['peers'][0]['seed']}.", "", head]
    for row in kept["peers"]:
        patience = row.get("patience seconds")
        missing = f"{row['not back']} of {row['tasks']:,}" + (f" after {patience:.0f} s" if row["not back"] else "")
        promise = WHEN_BACK.get((row["name"], row["best"])) or f"{row['lease seconds']:.0f} s"
        never = f"; {row['never begun again']} never" if row["never begun again"] else ""
        lines.append(
            f"| {row['title']} {row['version']} | {'best' if row['best'] else 'defaults'} "
            f"| {row['kills']}, {row['in work']} "
            f"| {missing} | {row['begun again']} | {row['done twice']} | {row['litter']} "
            f"| {_times(row['recovery'])}{never} | {promise} |"
        )
    return "\n".join(lines)


def _queue(kept: dict[str, Any]) -> str:
    noop = kept["noop"]
    rounds = max(len(of) for of in noop["rounds"].values())
    machine = f"{kept['cores']} cores, {kept['system']}, Python {kept['python']}, Redis {kept['redis']}"
    lines = [
        f"{kept['date']}, {machine}; medians of {rounds} rounds; load {noop['load'][0]} to {noop['load'][1]}.",
        "",
        "| | submitted/s | processed/s | bytes of Redis per waiting task | processor µs per task: submit, work, Redis|",
        "|---|---|---|---|---|",
    ]
    lines += [_queue_row(name, noop["versions"][name], row) for name, row in noop["medians"].items()]
    lines += ["", *(f"- {name} is missing: {why}." for name, why in noop["absent"].items())]
    lines.append(_million(kept["million"]))
    for name, row in kept["pictures"].items():
        if name != "load":
            local = row["processes per second"]
            pairs = f"medians of {len(local)} pairs; {min(local)} to {max(local)} pictures/s there"
            ratio = f"{row['ratio']:.3f} of the local rate, {row['ratio by cpu']:.3f} by processor time ({pairs})"
            lines.append(f"- 4K pictures, `{name}`, {row['children']} children: {ratio}.")
    return "\n".join(lines)


def _million(found: dict[str, Any]) -> str:
    low, high = (size / 1e6 for size in found["redis bytes, lowest and highest after the first quarter"])
    return (
        f"- {found['tasks']:,} no-op tasks through a window of 20,000: {found['seconds']:.0f} s, "
        f"{found['per second']:,} per second with submitting and reading results; Redis held "
        f"{found['redis peak bytes'] / 1e6:.1f} MB at most, {low:.1f} to {high:.1f} MB after the first quarter; "
        f"each counted once; {found['calls above 5 ms']} calls took Redis longer than 5 ms."
    )


def _queue_row(name: str, version: str, row: Mapping[str, float]) -> str:
    title = f"**{name}**" if name == "imgpipe" else name
    cpu = ", ".join(f"{row[what]:.0f}" for what in ("submit cpu us", "workers cpu us", "redis cpu us"))
    return (
        f"| {title} {version} | {row['submitted per second']:,.0f} | {row['processed per second']:,.0f} "
        f"| {row['bytes per waiting task']:,.0f} | {cpu} |"
    )


def _times(times: Mapping[str, float]) -> str:
    return "–" if not times["count"] else f"{times['p50']:.1f}, {times['p99']:.1f}, {times['max']:.1f} s"


if __name__ == "__main__":
    write()
