"""Filters: what happens to the pixels. One file each; `blur.py` is the one to copy for a filter of your own."""

from imgpipe.filters.base import Filter, FilterSpec
from imgpipe.filters.functions import as_filter
from imgpipe.filters.parameters import Parameter, Pattern, Range
from imgpipe.filters.point import PointFilter
from imgpipe.filters.registry import find, import_filters, names
from imgpipe.filters.running import run_filter

__all__ = [
    "Filter",
    "FilterSpec",
    "Parameter",
    "Pattern",
    "PointFilter",
    "Range",
    "as_filter",
    "find",
    "import_filters",
    "names",
    "run_filter",
]
