"""Compare: sends the same pictures through every executor, measures, and explains what was measured.

A `Workload` (pictures and a recipe) is run in every `Cell` (an executor with a number of workers), again and again in
random order. `measure` does that; `probe` watches the GIL before; `attribution`, `spread` and `model` are arithmetic;
`explain` and `table` turn the numbers into words, `document` into JSON, `plot`, `gantt` and `trace` into pictures.
"""

from imgpipe.compare.comparison import cells_of, compare, default_workers, default_workloads
from imgpipe.compare.measure import Watcher
from imgpipe.compare.values import Cell, Comparison, Settings
from imgpipe.compare.workload import Scratch, Workload, spread_over

__all__ = [
    "Cell",
    "Comparison",
    "Scratch",
    "Settings",
    "Watcher",
    "Workload",
    "cells_of",
    "compare",
    "default_workers",
    "default_workloads",
    "spread_over",
]
