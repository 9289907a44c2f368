"""Page: a report as one HTML file with its drawings inside: no script, and nothing that would have to be fetched."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from imgpipe.compare.shapes import to_svg
from imgpipe.display import display_name
from imgpipe.stress.plot import latencies, rates, spread
from imgpipe.stress.table import report_lines

if TYPE_CHECKING:
    from imgpipe.stress.slo import Reached
    from imgpipe.stress.values import Report

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
body {{ font-family: sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em; color: #222; background: #fff; }}
h1 span {{ font-size: .6em; padding: .2em .6em; border-radius: .3em; color: #fff; background: {colour}; }}
pre {{ overflow-x: auto; background: #f6f6f6; padding: 1em; font-size: 13px; line-height: 1.35; }}
svg {{ max-width: 100%; height: auto; }}
</style>
</head>
<body>
<h1>{title} <span>{word}</span></h1>
{drawings}
<pre>{lines}</pre>
</body>
</html>
"""
_COLOURS = {True: "#3f7d2c", False: "#c2412d"}


def to_html(report: Report, reached: Reached | None = None) -> str:
    """Return the page."""
    drawings = [latencies(report), rates(report), spread(report)] if report.total.count else []
    lines = (display_name(line) for line in report_lines(report, reached))
    return _PAGE.format(
        title=html.escape(f"stress {report.run.plan.kind}"),
        word=report.verdict.word,
        colour=_COLOURS[report.verdict.is_valid],
        drawings="\n".join(to_svg(drawing) for drawing in drawings),
        lines=html.escape("\n".join(lines)),
    )
