"""Notation: text, JSON and TOML say the same, and everything that is wrong is said at once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tomllib
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filter_samples import any_filter, values_of
from imgpipe.errors import BadPipeline
from imgpipe.filters import Filter, find, registry
from imgpipe.filters.blur import Blur
from imgpipe.filters.brightness import Brightness
from imgpipe.filters.edges import Edges
from imgpipe.filters.resize import Resize
from imgpipe.filters.sharpen import Sharpen
from imgpipe.frame import Frame  # noqa: TC001 - a filter's annotations are read when it is defined
from imgpipe.pipeline import Pipeline

FIT_AND_BLUR = Pipeline([Resize(800, 600), Blur(3)])


@pytest.fixture(scope="module", autouse=True)
def _caption() -> Any:
    """Register a filter with a free text among the others, while this file is tested."""
    before = dict(registry._filters)

    class Caption(Filter, name="test.caption"):
        text: Annotated[str, "what is written"] = "none"
        other: Annotated[str | None, "what else is written"] = None
        flag: Annotated[bool | str, "whether, or what"] = False

        def apply(self, frame: Frame) -> Frame:
            return frame

    yield Caption
    registry._filters.clear()
    registry._filters.update(before)


def steps() -> st.SearchStrategy[Filter]:
    """Return a strategy for any filter, the one with text too."""
    return st.one_of(any_filter(), st.deferred(lambda: any_filter("test.caption")))


@settings(max_examples=200, deadline=None)
@given(st.lists(steps(), max_size=4).map(Pipeline))
def test_round_trips(pipeline: Pipeline) -> None:
    """For all filters and parameters, every form reads back as the same pipeline."""
    assert pipeline == Pipeline.parse(str(pipeline))
    assert pipeline == Pipeline.from_json(pipeline.to_json())
    assert pipeline == Pipeline.from_data(tomllib.loads(pipeline.to_toml()))
    assert pipeline == Pipeline.from_data({"filters": [str(step) for step in pipeline.filters]})
    assert pipeline.fingerprint == Pipeline.parse(str(pipeline)).fingerprint


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text whatever does anything but make a pipeline or `BadPipeline`."""
    try:
        pipeline = Pipeline.parse(text)
    except BadPipeline:
        return
    assert pipeline == Pipeline.parse(str(pipeline))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just("blur"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "params", "filters", "filter_params", "blur", "radius", "x"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(JSON)
def test_any_data_is_read_or_refused(data: Any) -> None:
    """No JSON whatever does anything but make a pipeline or `BadPipeline`."""
    try:
        pipeline = Pipeline.from_data(data)
    except BadPipeline:
        return
    assert pipeline == Pipeline.from_json(pipeline.to_json())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("resize:800x600 | blur:radius=3", FIT_AND_BLUR),
        ("resize:800x600|blur:3", FIT_AND_BLUR),
        ("  resize : 800x600 |\n blur : radius = 3.0 ", FIT_AND_BLUR),
        ('resize:width="800",height=600|blur:sigma=3', None),  # quotes make text
        ("resize:800x600|blur:sigma=3", FIT_AND_BLUR),
        ("", Pipeline()),
        (" \n", Pipeline()),
        ([], Pipeline()),
        ({}, Pipeline()),
        ("sharpen|edges", Pipeline([Sharpen(), Edges()])),
        (Blur(3), Pipeline([Blur(3)])),
        ([Blur(3), "edges"], Pipeline([Blur(3), Edges()])),
        ((Resize(800, 600), Blur(3)), FIT_AND_BLUR),
        (FIT_AND_BLUR, FIT_AND_BLUR),
        (
            {
                "filters": ["resize", "blur"],
                "filter_params": {"resize": {"width": 800, "height": 600}, "blur": {"radius": 3.0}},
            },
            FIT_AND_BLUR,
        ),
        ({"filters": ["sharpen", "edges"]}, Pipeline([Sharpen(), Edges()])),
        ({"filters": ["sharpen"], "filter_params": None}, Pipeline([Sharpen()])),
        (
            {"filters": ["brightness"], "filter_params": {"brightness": {"factor": 1.5}}},
            Pipeline([Brightness(1.5)]),
        ),
        (["resize:800x600", {"name": "blur", "params": {"sigma": 3}}], FIT_AND_BLUR),
        ([{"name": "resize", "width": 800, "height": 600}, {"name": "blur", "radius": 3}], FIT_AND_BLUR),
        # What a filter says itself goes before what is said for all of its name.
        (
            {
                "filters": ["blur", "blur:sigma=5", {"name": "blur", "sigma": 6}],
                "filter_params": {"blur": {"radius": 3}},
            },
            Pipeline([Blur(3), Blur(5), Blur(6)]),
        ),
    ],
)
def test_readings(source: object, expected: Pipeline | None) -> None:
    """Each way to write a pipeline is understood."""
    if expected is None:
        with pytest.raises(BadPipeline, match="expected a whole number"):
            Pipeline.of(source)
    else:
        assert expected == Pipeline.of(source)


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        ("blurr", ["filter 1, blurr: unknown filter (did you mean blur?)"]),
        ("blur:sigm=2", ["filter 1, blur: no parameter 'sigm' (did you mean sigma?)"]),
        ("blur:radius=1,radius=2", ["filter 1, blur.radius: given twice"]),
        ("blur:radius=1,sigma=2", ["filter 1, blur.radius: given twice"]),
        ("blur:1,radius=2", ["filter 1, blur.radius: given twice"]),
        (
            "blur:radius=1,2",
            ["filter 1, blur: '2' has no name but stands after one that has", "filter 1, blur.radius: given twice"],
        ),
        ("blur:1,2", ["filter 1, blur: takes 1 values, got 2"]),
        ("blur | | edges", ["filter 2, filter: no name in ' ' (as resize:800x600 | blur:radius=3)"]),
        ("blur |", ["filter 2, filter: no name in '' (as resize:800x600 | blur:radius=3)"]),
        (":5", ["filter 1, filter: no name in ':5' (as resize:800x600 | blur:radius=3)"]),
        ('blur:radius="', ["filter 1, blur: '\"' is not a quoted text"]),
        ('blur:radius="3"', ["filter 1, blur.radius: expected a number at least 0 and at most 250, got '3'"]),
        (
            "blur:radius=x | resize:width=1.5,fitt=cover | edgs | sharpen",
            [
                "filter 1, blur.radius: expected a number at least 0 and at most 250, got 'x'",
                "filter 2, resize.width: expected a whole number at least 1 and at most 65535 or nothing, got '1.5'",
                "filter 2, resize: no parameter 'fitt' (did you mean fit?)",
                "filter 3, edgs: unknown filter (did you mean edges?)",
            ],
        ),
        ("|".join(["blur"] * 33), ["pipeline: has 33 filters, at most 32 are allowed"]),
        ([Blur()] * 33, ["pipeline: has 33 filters, at most 32 are allowed"]),
        (
            {"filters": ["resize", "blur"], "filter_params": {"resize": {"width": True}, "blr": {}, "blur": 3}},
            [
                "filter_params: 'blr' is not in filters (did you mean blur?)",
                "filter_params.blur: expected parameters by name, got 3",
                "filter 1, resize.width: expected a whole number at least 1 and at most 65535 or nothing, got True",
            ],
        ),
        ({"filter_parms": {}}, ["pipeline: no key 'filter_parms' (did you mean filter_params?)"]),
        ({"filters": "blur"}, ['pipeline: expected a list of filters (as {"filters": ["resize", "blur"]})']),
        (
            {"filters": ["blur"], "filter_params": []},
            ['filter_params: expected parameters by filter (as {"blur": {"radius": 3}})'],
        ),
        (5, ['pipeline: expected a list of filters (as {"filters": ["resize", "blur"]})']),
        ([{"params": {}}], ["filter 1, filter: expected a name and parameters, got {'params': {}}"]),
        ([["blur"]], ["filter 1, filter: expected a name and parameters, got ['blur']"]),
        (
            [{"name": "blur", "params": []}],
            ["filter 1, filter: expected a name and parameters, got {'name': 'blur', 'params': []}"],
        ),
        ([{"name": "blur", "radius": 1, "params": {"radius": 2}}], ["filter 1, blur.radius: given twice"]),
        ([{"name": "blur", "radius": 1, "params": {"sigma": 2}}], ["filter 1, blur.radius: given twice"]),
        (
            [{"name": "blur", "radius": None}],
            ["filter 1, blur.radius: expected a number at least 0 and at most 250, got None"],
        ),
    ],
)
def test_refusals(source: object, messages: list[str]) -> None:
    """Everything that is wrong is reported at once, each with its place and what would be right."""
    with pytest.raises(BadPipeline) as caught:
        Pipeline.of(source)

    assert messages == [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "",
        "NaN",
        "[" * 100_000,
        "9" * 10_000,
        '[{"name": "blur", "radius": 1e999}]',
        '[{"name": "blur", "radius": NaN}]',
    ],
    ids=range(7),
)
def test_bad_json(text: str) -> None:
    """JSON that cannot be read, or says what no JSON should, is refused and not let through."""
    with pytest.raises(BadPipeline):
        Pipeline.from_json(text)


def test_long_input_gives_short_errors() -> None:
    """A megabyte of nonsense is not repeated in the message."""
    for source in (
        "x" * 10**6,
        [{"name": "x" * 10**6}],
        [{"name": "blur", "y" * 10**6: 1}],
        "blur:" + "1" * 10**6,
        "blur:" + '"\\' * 10**5,
    ):
        with pytest.raises(BadPipeline) as caught:
            Pipeline.of(source)

        assert len(str(caught.value)) < 1000


def test_not_a_filter() -> None:
    """Something else among the filters is refused in Python too."""
    with pytest.raises(BadPipeline, match="Blur'> is not a filter"):
        Pipeline([Blur])  # type: ignore[list-item]


def test_text_shows_what_differs() -> None:
    """The text form is what one would type: no defaults, and no decimals that say nothing."""
    pipeline = Pipeline([Resize(800, 600, fit="cover"), Blur(), Brightness(1.25)])

    assert "resize:width=800,height=600,fit=cover | blur | brightness:factor=1.25" == str(pipeline)


@pytest.mark.parametrize(
    "text", ["none", "", "a,b|c", 'say "hi"', "back\\slash", "true", "Größe", "🙂\x7f\x00\n", " x "]
)
def test_awkward_text_survives(text: str) -> None:
    """Texts that look like something else are quoted where they must be."""
    caption: Any = find("test.caption")
    step = caption(text=text, other=text, flag=text)
    pipeline = Pipeline([step])

    assert pipeline == Pipeline.parse(str(pipeline))
    assert pipeline == Pipeline.from_data(tomllib.loads(pipeline.to_toml()))
    assert pipeline == Pipeline.from_data(json.loads(pipeline.to_json()))


@pytest.mark.parametrize(
    ("text", "fingerprint"),
    [
        ("", "4f53cda18c2baa0c"),
        ("resize:800x600 | blur:radius=3", "d4b11fa24197ad24"),
        ("sharpen | edges", "0a4aab2d985aef0c"),
        ("crop:10x10 | pad:20x20 | rotate:45 | flip | grayscale", "9de34cd5fad60488"),
        ("brightness:1.5 | contrast:1.2 | gamma:2.2", "eb7a024d195d8573"),
    ],
)
def test_fingerprints_stay(text: str, fingerprint: str) -> None:
    """A pinned fingerprint only changes when the pixels do; then its filter has a new version.

    Everybody's outputs would be made again otherwise.
    """
    assert fingerprint == Pipeline.parse(text).fingerprint


def test_fingerprint_ignores_the_writing() -> None:
    """The order of keys, aliases, defaults and the way numbers are written make no difference."""
    expected = Pipeline([Resize(800, 600, fit="cover"), Blur(3)]).fingerprint

    others = [
        "resize:fit=cover,height=600,width=800|blur:sigma=3.000",
        [{"fit": "cover", "height": 600, "name": "resize", "width": 800}, {"name": "blur", "radius": 3}],
        "resize:800x600,cover,enlarge=no,kernel=auto|blur:3e0",
    ]

    assert {expected} == {Pipeline.of(other).fingerprint for other in others}


@given(st.data())
def test_fingerprint_tells_pipelines_apart(data: st.DataObject) -> None:
    """Another value of any parameter is another fingerprint, and so is another order."""
    step = data.draw(any_filter())
    pipeline = Pipeline([step, Blur(7)])
    values = step.params()
    for name, parameter in step.parameters().items():
        changed, _ = parameter.check(data.draw(values_of(parameter)))
        try:
            other = type(step)(**{**values, name: changed})
        except BadPipeline:
            continue
        same = changed == values[name]
        assert same == (Pipeline([other, Blur(7)]).fingerprint == pipeline.fingerprint)
    assert pipeline.fingerprint != Pipeline([Blur(7), step, Blur(7)]).fingerprint


def test_fingerprint_ignores_the_hash_seed() -> None:
    """Another process, with other hashes, gives the same fingerprint."""
    text = "resize:800x600,fit=cover | edges | sharpen"
    code = f"from imgpipe.pipeline import Pipeline; print(Pipeline.parse({text!r}).fingerprint)"
    seed = str(random.Random(1).randrange(1, 1000))

    result = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    assert Pipeline.parse(text).fingerprint == result.stdout.strip()
