"""Naming: templates say where results go, and never lead out of the output folder or lie about the format."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.errors import BadOption
from imgpipe.plan.naming import DEFAULT_TEMPLATE, FIELDS, Naming, escaped
from imgpipe.plan.sources import Source


def source(relative: str, path: str = "") -> Source:
    """Return a source of a folder named in."""
    return Source(path or os.path.join("/somewhere/in", relative), relative)


@pytest.mark.parametrize(
    ("template", "relative", "expected"),
    [
        (DEFAULT_TEMPLATE, "sub/x/cat.JPG", "sub/x/cat.JPG"),
        (DEFAULT_TEMPLATE, "cat.jpg", "cat.jpg"),
        (DEFAULT_TEMPLATE, "no-extension", "no-extension"),
        ("{name}", "sub/cat.jpg", "cat.jpg"),
        ("{parent}/{name}", "sub/cat.jpg", "sub/cat.jpg"),
        ("{parent}/{name}", "cat.jpg", "in/cat.jpg"),
        ("{dir}{n:06}{ext}", "sub/cat.jpg", "sub/000007.jpg"),
        ("{n}-{n:3d}{ext}", "cat.jpg", "7-  7.jpg"),
        ("{pipeline}/{name}", "cat.jpg", "0123456789abcdef/cat.jpg"),
        ("{pipeline:.4}/{name}", "cat.jpg", "0123/cat.jpg"),
        ("{stem:.2}/{name}", "cat.jpg", "ca/cat.jpg"),
        ("{{{stem}}}%s{ext}", "cat.jpg", "{cat}%s.jpg"),
        (DEFAULT_TEMPLATE, "{n}%o{{x.jpg", "{n}%o{{x.jpg"),
        ("a//b/{name}", "cat.jpg", "a/b/cat.jpg"),
        ("{name}", "tar.gz.png", "tar.gz.png"),
        ("{stem}_{ext}", "archive.tar.png", "archive.tar_.png"),
    ],
)
def test_fields_are_filled(template, relative, expected):
    """Every field stands for what the documentation says; what looks like a field in a file's name is just a name."""
    naming = Naming(template, fingerprint="0123456789abcdef")

    assert expected == naming.target(source(relative), 7)


@pytest.mark.parametrize(
    ("format_", "relative", "expected"),
    [
        ("webp", "a.png", "a.webp"),
        ("jpeg", "a.JPEG", "a.JPEG"),
        ("jpeg", "a.png", "a.jpg"),
        ("tiff", "a.tiff", "a.tiff"),
        ("jpeg", "a", "a.jpg"),
        ("keep", "a.TiFf", "a.TiFf"),
        ("png", "a.b.c", "a.b.png"),
    ],
)
def test_the_extension_is_that_of_the_output(format_, relative, expected):
    """An extension that already belongs to the output format stays as it is written."""
    assert expected == Naming(format=format_).target(source(relative), 1)


def test_hash_depends_on_the_relative_path_alone():
    """The same picture gets the same hash wherever the input folder lies, and 16 digits of it."""
    naming = Naming("{hash}{ext}")

    first = naming.target(source("sub/a.jpg", "/one/sub/a.jpg"), 1)

    assert first == naming.target(source("sub/a.jpg", "/two/sub/a.jpg"), 99)
    assert first != naming.target(source("a.jpg", "/one/sub/a.jpg"), 1)
    assert len("0123456789abcdef.jpg") == len(first)
    assert f"{first[:2]}/a.jpg" == Naming("{hash:.2}/{name}").target(source("sub/a.jpg"), 1)


@pytest.mark.parametrize(
    ("template", "word"),
    [
        ("", "name of a file"),
        ("{dir}", "name of a file"),
        ("{name}/", "name of a file"),
        ("{name}/.", "name of a file"),
        ("/tmp/{name}", "below the output"),
        ("../{name}", "below the output"),
        ("a/../{name}", "below the output"),
        ("{name}/..", "below the output"),
        ("{stem", "balanced braces"),
        ("stem}", "balanced braces"),
        ("{}", "{stem}"),
        ("{0}", "{stem}"),
        ("{width}{ext}", "{stem}"),
        ("{stem.__class__}", "{stem}"),
        ("{stem[0]}", "{stem}"),
        ("{stem!r}", "plain {stem}"),
        ("{stem:>10}", "plain {stem}"),
        ("{n:x}", "plain {n}"),
        ("{n:999999999}", "plain {n}"),
        ("{n:{n}}", "plain {n}"),
        ("{name}\0", "NUL"),
        ("{stem}.png", "--format png"),
        ("{dir}x.JPG", "--format jpeg"),
        ("{stem}x.tif", "--format tiff"),
    ],
)
def test_bad_templates_are_refused_when_made(template, word):
    """A template that cannot be right says so before any picture is touched, and says what would be."""
    with pytest.raises(BadOption, match=r"(?s).*") as caught:
        Naming(template)

    assert word in str(caught.value)
    assert "name" == caught.value.option


def test_a_literal_extension_must_fit_the_format():
    """`.jpg` is right for JPEG, wrong for anything else; extensions of no format of ours promise nothing."""
    assert "a.jpg" == Naming("{stem}.jpg", "jpeg").target(source("a.png"), 1)
    assert "a.bak" == Naming("{stem}.bak", "keep").target(source("a.png"), 1)
    with pytest.raises(BadOption, match=r"pictures are written as png"):
        Naming("{stem}.jpg", "png")


def test_an_unknown_format_is_refused():
    """The format is one of ours, or `keep`."""
    with pytest.raises(BadOption, match="format"):
        Naming(format="jpg2000")


@pytest.mark.parametrize("relative", ["..a.jpg", "...jpg"])
def test_what_a_source_makes_of_a_template_stays_below_the_output(relative):
    """A source's name cannot complete a template to one that climbs out of the output folder."""
    with pytest.raises(BadOption, match="names a file"):
        Naming("{stem:.2}/x{ext}").target(source(relative), 1)


@pytest.mark.parametrize("template", [".imgpipe/{name}", ".IMGPIPE/{name}", "./.imgpipe/{name}"])
def test_no_result_goes_where_the_ledger_lies(template):
    """The folder of imgpipe's own files is not written to, however it is spelled."""
    with pytest.raises(BadOption):
        Naming(template).target(source("lock"), 1)


names = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=20).filter(
    lambda text: text not in (".", "..")
)


@given(
    st.lists(st.sampled_from([*(f"{{{name}}}" for name in FIELDS), "/", "-", "..", ".", "{stem:.1}", "a"]), max_size=6),
    st.lists(names, min_size=1, max_size=4),
)
def test_no_template_and_name_lead_out_of_the_output(parts, pieces):
    """Whatever is accepted gives a relative path to a file, without `.` or `..`, for any source."""
    try:
        target = Naming("".join(parts)).target(source("/".join(pieces)), 3)
    except BadOption:
        return

    components = target.split("/")

    assert not os.path.isabs(target)
    assert not {"", ".", ".."} & set(components)


@given(names)
def test_escaped_text_stands_for_itself(name):
    """The name of an output file is taken as it is typed."""
    template = "x" + escaped(name)
    try:
        naming = Naming(template, "keep")
    except BadOption as error:
        assert "--format" in str(error)  # noqa: PT017 - only names that promise a format may be refused
        return

    assert "x" + name == naming.target(source("a.jpg"), 1)
