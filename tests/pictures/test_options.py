"""Tests of the options: what makes no sense is refused by name, and what is given survives the trip."""

from __future__ import annotations

import dataclasses
import json

import pytest

from imgpipe.errors import BadOption
from imgpipe.pictures.options import FORMATS, Limits, ReadOptions, WriteOptions, changed, options_from


@pytest.mark.parametrize("name", ["max_pixels", "max_file_bytes", "max_frames"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "5", None, float("nan")])
def test_limits_are_whole_numbers_above_zero(name, value):
    """A limit is a whole number above 0; the error names it."""
    with pytest.raises(BadOption, match=f"^{name}: "):
        Limits(**{name: value})


@pytest.mark.parametrize("value", [(), ("eps",), ("jpeg", "JPEG"), "jpeg", ["jpeg"], None, 5, ([],)])
def test_formats_are_some_of_ours(value):
    """Formats that imgpipe does not read, or no format at all, are refused."""
    with pytest.raises(BadOption, match=r"^formats: .*jpeg, png"):
        Limits(formats=value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "jpg"),
        ("format", []),
        ("quality", 0),
        ("quality", 101),
        ("quality", 85.0),
        ("quality", True),
        ("effort", 10),
        ("effort", -1),
        ("subsampling", "4:1:1"),
        ("progressive", 1),
        ("optimize", "yes"),
        ("lossless", None),
        ("tiff_compression", "jpeg"),
        ("background", "white"),
        ("background", "#fff"),
        ("background", "#ffffff\n"),
        ("background", 0xFFFFFF),
        ("background", None),
        ("metadata", "all"),
        ("strip_gps", 0),
    ],
)
def test_write_options_refuse(name, value):
    """A value outside the choices, the range or the kind is refused by the option's name."""
    with pytest.raises(BadOption, match=f"^{name}: "):
        WriteOptions(**{name: value})


@pytest.mark.parametrize(("name", "value"), [("frames", "last"), ("frames", 1), ("allow_8bit", "no")])
def test_read_options_refuse(name, value):
    """The same holds for reading."""
    with pytest.raises(BadOption, match=f"^{name}: "):
        ReadOptions(**{name: value})


@pytest.mark.parametrize("quality", [None, 1, 100])
@pytest.mark.parametrize("effort", [None, 0, 9])
def test_ends_of_ranges(quality, effort):
    """The ends of the ranges belong to them."""
    options = WriteOptions(quality=quality, effort=effort)

    assert (quality, effort) == (options.quality, options.effort)


def test_every_format_can_be_asked_for():
    """Each format that can be read can also be written, and `keep` besides."""
    assert "keep" == WriteOptions().format
    for name in FORMATS:
        assert name == WriteOptions(format=name).format


@pytest.mark.parametrize(
    "options",
    [
        Limits(),
        Limits(max_pixels=1, formats=("png", "gif")),
        ReadOptions(frames="first", allow_8bit=True),
        WriteOptions(format="avif", quality=3, background="#00FF7f", strip_gps=True),
    ],
)
def test_trip_through_json(options):
    """Options written as JSON, whole or only where they differ, come back equal."""
    for data in (dataclasses.asdict(options), changed(options)):
        assert options == options_from(type(options), json.loads(json.dumps(data)), "recipe")


def test_changed_names_what_differs():
    """Only what differs from the defaults is named."""
    assert {} == changed(WriteOptions())
    assert {"quality": 85, "strip_gps": True} == changed(WriteOptions(quality=85, strip_gps=True))


def test_unknown_key_is_refused():
    """A key that is no option is refused with the keys that are."""
    with pytest.raises(BadOption, match=r"^write\.qualty: .*quality"):
        options_from(WriteOptions, {"qualty": 3}, "write")


@pytest.mark.parametrize("values", [None, 5, "quality", ["quality"]])
def test_what_is_no_table_is_refused(values):
    """Options are a table, nothing else."""
    with pytest.raises(BadOption, match=r"^write: "):
        options_from(WriteOptions, values, "write")


def test_bad_value_in_a_table():
    """A bad value in a table is as bad as elsewhere."""
    with pytest.raises(BadOption, match=r"^formats: "):
        options_from(Limits, {"formats": 5}, "limits")
