"""Payload: jobs, tasks and results survive the way through a queue, and nothing else gets in."""

from __future__ import annotations

import json
import os
import random
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgpipe import Failure, FailureCode, Outcome, Pipeline, Recipe, Result, Task
from imgpipe.errors import BadPayload, UnknownHere
from imgpipe.pictures.options import Limits, ReadOptions, WriteOptions
from imgpipe.queue.payload import (
    JobPayload,
    decode_result,
    decode_task,
    encode_result,
    encode_task,
    needs_of_recipe,
)
from imgpipe.queue.values import MOST_RESULT_BYTES
from imgpipe.usage import Usage

RECIPE = Recipe(Pipeline.parse("resize:800x600 | blur:radius=3 | brightness:1.1"), write=WriteOptions(format="webp"))
JOB = JobPayload(recipe=RECIPE, source_root="/srv/in", target_root="/srv/out")
SAME_ROOT = replace(JOB, source_root="/", target_root="/")

# What a file may be called: any bytes but NUL and the separator, as Python shows them.
names = st.binary(min_size=1, max_size=60).map(
    lambda raw: os.fsdecode(raw.replace(b"\0", b"0").replace(b"/", b"_"))
).filter(lambda name: name not in {".", ".."})  # fmt: skip
relative_paths = st.lists(names, min_size=1, max_size=4).map("/".join)
texts = st.text(max_size=300)
seconds = st.floats(0, 1e6).map(lambda value: round(value, 6))
failures = st.builds(Failure, st.sampled_from(FailureCode), texts, texts, st.text(max_size=20), st.booleans())
results = st.builds(
    Result,
    task_id=st.text(max_size=80),
    source=relative_paths.map("/srv/in/".__add__),
    target=relative_paths.map("/srv/out/".__add__),
    outcome=st.sampled_from(Outcome),
    seconds=st.dictionaries(st.sampled_from(["header", "decode", "filter", "encode", "publish"]), seconds),
    failure=st.none() | failures,
    notes=st.lists(st.sampled_from(["flattened", "frames-dropped", "copied"]), max_size=3).map(tuple),
    format=st.sampled_from(["", "jpeg", "avif"]),
    width=st.integers(0, 1 << 20),
    height=st.integers(0, 1 << 20),
    megapixels=seconds,
    bytes_in=st.integers(0, 1 << 40),
    bytes_out=st.integers(0, 1 << 40),
    conversions=st.integers(0, 9),
    worker=st.text(max_size=40),
    attempt=st.integers(1, 9),
)


def changed(data: bytes, **fields: Any) -> bytes:
    """Return a JSON object with other fields."""
    return json.dumps({**json.loads(data), **fields}).encode()


def test_a_job_comes_back_as_it_was():
    """Recipe, folders, limits: all of a job survives, and the same job is always the same bytes."""
    recipe = Recipe(
        Pipeline.parse("crop:10x10 | sharpen | grayscale"),
        ReadOptions(frames="first"),
        WriteOptions(quality=70, strip_gps=True),
        Limits(max_pixels=1000, formats=("jpeg", "png")),
    )
    job = JobPayload(recipe=recipe, source_root="/a", target_root="/b c", durable=True, timeout_seconds=2.5)

    assert job == JobPayload.decode(job.encode())
    assert job.encode() == JobPayload.decode(job.encode()).encode()


@given(relative_paths, relative_paths, st.booleans())
def test_a_task_comes_back_as_it_was(source, target, may_replace):
    """Whatever bytes a file name has, the task names it again; it is one that is run only once."""
    task = Task("j:7", f"/srv/in/{source}", f"/srv/out/{target}", RECIPE, replace=may_replace, once=True)

    assert (task, None) == decode_task(encode_task(task, JOB), JOB, "j:7")


def test_a_task_is_small():
    """A name is written once where source and target have the same, and options only where they are unusual."""
    task = Task("j:7", "/srv/in/2024/05/IMG_4711.jpg", "/srv/out/2024/05/IMG_4711.jpg", RECIPE, replace=False)

    assert b'{"s":"2024/05/IMG_4711.jpg"}' == encode_task(task, JOB)


def test_a_picture_in_place_travels_with_what_it_was_like(tmp_path):
    """Where the result replaces the picture, the task knows the size and the time of what was to be replaced."""
    picture = tmp_path / "a.png"
    picture.write_bytes(b"12345")
    os.utime(picture, ns=(1, 1_700_000_000_123_456_789))
    job = replace(JOB, source_root=str(tmp_path), target_root=str(tmp_path))
    task = Task("1", str(picture), str(picture), RECIPE, once=True)

    assert (task, (5, 1_700_000_000_123_456_789)) == decode_task(encode_task(task, job), job, "1")


@settings(max_examples=60)
@given(results)
def test_a_result_comes_back_as_it_was(result):
    """All of a result survives, except what its thread has used."""
    measured = replace(result, usage=Usage(started=1.0, wall_seconds=1.0, cpu_seconds=1.0, queue_seconds=None))

    encoded = encode_result(measured, JOB)

    assert MOST_RESULT_BYTES >= len(encoded)
    if len(encoded) < 1000:  # nothing had to be shortened
        assert result == decode_result(encoded, JOB)


@pytest.mark.parametrize("letter", ["x", "é", "画", "🖼", "\udcff"])
def test_a_long_result_is_shortened_and_says_so(letter):
    """A result always fits: its long texts lose their middle, and the mark of that is there."""
    failure = Failure(FailureCode.FILTER_FAILED, letter * 5000, letter * 5000, "filter")
    result = Result("1", "/srv/in/a", "/srv/out/b", Outcome.FAILED, failure=failure, notes=(letter * 99,) * 99)

    encoded = encode_result(result, JOB)

    assert MOST_RESULT_BYTES >= len(encoded)
    decoded = decode_result(encoded, JOB)
    assert decoded.failure is not None
    assert "…" in decoded.failure.message
    assert "…" in decoded.notes
    assert ("/srv/in/a", "/srv/out/b", FailureCode.FILTER_FAILED) == (
        decoded.source,
        decoded.target,
        decoded.failure.code,
    )


def test_paths_that_do_not_fit_are_left_out():
    """A path longer than a whole result is not cut to the name of another file: it is left out."""
    long = "/srv/in/" + "/".join(["画" * 80] * 12)
    result = Result("j:3", long, "/srv/out/b", Outcome.DONE, bytes_out=9)

    decoded = decode_result(encode_result(result, JOB), JOB)

    assert replace(result, source="", target="") == decoded


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "..", "../a", "a/../../b", "a/..", "", ".", "./.", "a\0b", "x" * 5000, 7, None, ["a"]],
)
def test_a_task_stays_below_its_folders(path):
    """A path that leads out of its root, or is none, is refused for the source, the target, and in a result."""
    for fields in ({"s": path}, {"s": "a", "t": path}):
        with pytest.raises(BadPayload):
            decode_task(json.dumps(fields).encode(), JOB, "1")
    if path:
        with pytest.raises(BadPayload):
            decode_result(json.dumps({"id": "1", "o": "done", "s": path}).encode(), JOB)


@pytest.mark.parametrize("path", ["/srv/inner/a", "/srv/in", "/srv/in/", "a", "/srv/in/../x", "/srv/other/a"])
def test_only_what_lies_below_the_roots_can_be_handed_over(path):
    """A task or a result whose source is elsewhere is refused where it is made."""
    with pytest.raises(BadPayload):
        encode_task(Task("1", path, "/srv/out/a", RECIPE), JOB)
    with pytest.raises(BadPayload):
        encode_result(Result("1", path, "/srv/out/a", Outcome.DONE), JOB)


def test_the_root_of_everything_is_a_root():
    """Pictures may lie anywhere below /."""
    task = Task("1", "/a/b", "/c/d", RECIPE, once=True)

    assert (task, None) == decode_task(encode_task(task, SAME_ROOT), SAME_ROOT, "1")


@pytest.mark.parametrize(
    "fields",
    [
        {"v": 0}, {"v": "1"}, {"v": True}, {"v": None},
        {"recipe": []}, {"recipe": "blur"}, {"recipe": None},
        {"source_root": "in"}, {"source_root": "/a/../b"}, {"source_root": "/a\0"}, {"target_root": 5},
        {"durable": 1}, {"timeout_seconds": 0}, {"timeout_seconds": -1}, {"timeout_seconds": "9"},
        {"timeout_seconds": True}, {"timeout_seconds": float("inf")}, {"timeout_seconds": float("nan")},
        {"transport": 3}, {"extra": 1},
    ],
)  # fmt: skip
def test_a_job_with_a_wrong_field_is_refused(fields):
    """Wrong types, folders that are none, limits that are none, and fields that nobody knows."""
    with pytest.raises(BadPayload) as caught:
        JobPayload.decode(changed(JOB.encode(), **fields))
    assert BadPayload is caught.type


@pytest.mark.parametrize(
    "fields",
    [
        {"v": 2, "anything": "else"},
        {"transport": "pigeon"},
        {"recipe": {"filters": [{"name": "no.such.filter", "params": {}}]}},
        {"recipe": {"filters": [{"name": "blur", "params": {"depth": 1}}]}},
        {"recipe": {"filters": [{"name": "os.system", "params": {}}]}},
        {"recipe": {"filters": [], "write": {"hologram": True}}},
        {"recipe": {"filters": [], "limits": {"formats": [{}]}}},
    ],
)
def test_what_is_only_unknown_here_is_told_apart(fields):
    """A newer version, a filter or an option that is not known here: another worker may be able to do it."""
    with pytest.raises(UnknownHere):
        JobPayload.decode(changed(JOB.encode(), **fields))


def test_a_failure_of_a_newer_worker_is_only_unknown_here():
    """The code of a failure that this version does not have is no sign of damage."""
    with pytest.raises(UnknownHere):
        decode_result(b'{"id":"1","o":"failed","failure":["FLOODED","","","",false]}', JOB)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"null", b"[]", b"7", b"{", b"\xff\xfe{}", b'{"s":NaN}', b"[" * 60_000, b'{"s":' * 9_000, b"1" * 5_000,
        b" " * 70_000, b'{"s":"a","b":[1]}', b'{"s":"a","b":[1,-2]}', b'{"s":"a","b":[1,2.5]}',
        b'{"s":"a","r":1}', b'{"s":"a","x":1}',
    ],
)  # fmt: skip
def test_what_is_no_task_is_refused(data):
    """No JSON, no object, too deep, too large, wrong types, unknown fields."""
    with pytest.raises(BadPayload):
        decode_task(data, JOB, "1")


@pytest.mark.parametrize(
    "fields",
    [
        {"o": "fine"}, {"id": 3}, {"seconds": {"decode": "1"}}, {"seconds": []}, {"notes": [1]}, {"width": 1.5},
        {"mp": "1"}, {"failure": ["CRASHED"]}, {"failure": ["CRASHED", "", "", "", 0]}, {"attempt": None, "w": 1},
    ],
)  # fmt: skip
def test_a_result_with_a_wrong_field_is_refused(fields):
    """Wrong types, an outcome that is none, half a failure."""
    with pytest.raises(BadPayload):
        decode_result(json.dumps({"id": "1", "o": "done", **fields}).encode(), JOB)


@pytest.mark.parametrize("seed", range(4))
def test_random_and_damaged_bytes_are_read_or_refused(seed):
    """Whatever comes: it is read, or it is a `BadPayload`; nothing else is ever raised."""
    chance = random.Random(seed)
    good = [
        JOB.encode(),
        encode_task(Task("1", "/srv/in/a/b.jpg", "/srv/out/a/c.jpg", RECIPE), JOB),
        encode_result(
            Result("1", "/srv/in/a", "/srv/out/b", Outcome.FAILED, {"decode": 0.5},
                   Failure(FailureCode.TIMEOUT, "late"), ("copied",), "jpeg", 1, 2, 0.3), JOB),
    ]  # fmt: skip
    read = refused = 0
    for _ in range(700):
        data = damaged(chance, chance.choice(good)) if chance.random() < 0.9 else chance.randbytes(chance.randrange(99))
        for decode in (JobPayload.decode, partial(decode_task, payload=JOB, task_id="1"),
                       partial(decode_result, payload=JOB)):  # fmt: skip
            try:
                decode(data)
                read += 1
            except BadPayload:
                refused += 1

    assert read > 10
    assert refused > 1000


def damaged(chance: random.Random, data: bytes) -> bytes:
    """Return JSON with some bytes, or some values, replaced by others."""
    if chance.random() < 0.5:
        raw = bytearray(data)
        for _ in range(chance.randrange(1, 4)):
            raw[chance.randrange(len(raw))] = chance.choice(b'"{}[]:,0-9aenul\\\0\xff')
        return bytes(raw)
    odd: list[Any] = [None, True, 0, -1, 1.5, 1e300, "", "..", "x\0", [], [[]], {}, {"name": {}}, "a" * 200, 10**30]

    def swap(value: Any) -> Any:
        if chance.random() < 0.15:
            return chance.choice(odd)
        if isinstance(value, dict):
            return {key: swap(inner) for key, inner in value.items()}
        return [swap(inner) for inner in value] if isinstance(value, list) else value

    return json.dumps(swap(json.loads(data))).encode()


def test_needs_are_the_kinds_of_the_filters():
    """A worker must be able to run each filter; pictures that are left alone need nothing."""
    assert frozenset({"io", "cpu"}) == needs_of_recipe(Recipe(Pipeline.parse("resize:10x10 | sharpen")))
    assert frozenset({"cpu"}) == needs_of_recipe(Recipe(Pipeline.parse("sharpen | edges")))
    assert frozenset() == needs_of_recipe(Recipe())


def test_a_folder_that_is_not_absolute_is_refused_where_the_job_is_made():
    """It would be another one on every machine."""
    with pytest.raises(BadPayload):
        replace(JOB, source_root="in").encode()
