"""Images: what they are; the sample whole, in part, or not at all; and no way out of the folders."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from imgpipe.web.app import App
from imgpipe.web.folders import SAMPLE, prepare
from imgpipe.web.settings import WebSettings

INFO, WHOLE, SLOW = "/api/image/info/", "/api/image/4k/", "/api/image/slow/"


def test_info_is_about_the_sample(ask, settings):
    """Without a name it is the sample; its digest is that of the file."""
    data = ask("GET", INFO).data
    content = Path(settings.images, SAMPLE).read_bytes()

    assert (SAMPLE, 320, 180, "jpeg", len(content)) == tuple(
        data[key] for key in ("name", "width", "height", "format", "bytes")
    )
    assert hashlib.sha256(content).hexdigest() == data["sha256"]
    assert {"mode": "RGB", "frames": 1, "animated": False, "exif_orientation": 1, "megapixels": 0.058}.items() <= (
        data.items()
    )


def test_digest_follows_the_file(ask, settings, picture_file):
    """A file that has been replaced has another digest."""
    first = ask("GET", f"{INFO}?name=cat.jpg").data["sha256"]
    again = ask("GET", f"{INFO}?name=cat.jpg").data["sha256"]
    picture_file(Path(settings.images), "cat.jpg", size=(50, 40))

    assert first == again
    assert first != ask("GET", f"{INFO}?name=cat.jpg").data["sha256"]


@pytest.mark.parametrize("query", ["name=more/dog.png", "path=more/dog.png", "path=more/../more/dog.png"])
def test_info_about_a_named_picture(ask, query):
    """A picture is named by its path below the image folder."""
    data = ask("GET", f"{INFO}?{query}").data

    assert ("more/dog.png", "RGBA", "png") == (data["name"], data["mode"], data["format"])


def test_absolute_paths_below_a_root(ask, asking, settings, tmp_path, picture_file):
    """A further folder can be named; without being named, it is as if it were not there."""
    path = picture_file(tmp_path / "elsewhere", "bird.jpg")
    rooted = asking(App(replace(settings, roots=(str(tmp_path / "elsewhere"),))))

    assert 404 == ask("GET", f"{INFO}?path={path}").status
    assert "bird.jpg" == rooted("GET", f"{INFO}?path={path}").data["name"]
    assert "bird.jpg" == rooted("GET", f"{INFO}?path=bird.jpg").data["name"]


@pytest.mark.parametrize(
    "name",
    [
        "../secret.jpg", "more/../../secret.jpg", "/etc/passwd", "..%2Fsecret.jpg", "%2e%2e/secret.jpg", "..", ".", "",
        "more", "more/", "nothing.jpg", "cat.jpg/x", "cat.jpg%00", "%00", "a" * 5000,
        "link.jpg", "folder/secret.jpg", "loop", "fifo", "C:\\secret.jpg", "~/secret.jpg", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_nothing_leads_out(ask, settings, tmp_path, picture_file, name):
    """Neither dots, links, special files nor odd names reach what is not in the folders, and nobody learns if it is."""
    picture_file(tmp_path, "secret.jpg")
    images = Path(settings.images)
    (images / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (images / "folder").symlink_to(tmp_path)
    (images / "loop").symlink_to(images / "loop")
    if hasattr(os, "mkfifo"):
        os.mkfifo(images / "fifo")
    answer = ask("GET", f"{INFO}?path={name}")

    assert 404 == answer.status
    assert str(tmp_path) not in answer.body.decode()


def test_links_inside_are_followed(ask, settings):
    """A link to another picture of the folder is that picture."""
    Path(settings.images, "kitty.jpg").symlink_to(Path(settings.images, "cat.jpg"))

    assert "cat.jpg" == ask("GET", f"{INFO}?name=kitty.jpg").data["name"]


def test_name_and_path_together(ask):
    """Two names for one picture are one too many."""
    assert (422, "bad-parameter") == (
        (answer := ask("GET", f"{INFO}?name=a&path=b")).status,
        answer.data["code"],
    )


def test_upload(ask, settings):
    """The picture in the body is described as one in the folder is."""
    content = Path(settings.images, "more", "dog.png").read_bytes()
    sent = ask("POST", INFO, body=content, content_type="image/png").data

    assert {**ask("GET", f"{INFO}?name=more/dog.png").data, "name": ""} == sent


def test_whole_picture(ask, settings):
    """The sample comes as it is, with a strong tag."""
    answer = ask("GET", WHOLE)
    content = Path(settings.images, SAMPLE).read_bytes()

    assert (200, content, "image/jpeg", "bytes") == (
        answer.status, answer.body, answer.headers["content-type"], answer.headers["accept-ranges"],
    )  # fmt: skip
    assert f'"{hashlib.sha256(content).hexdigest()}"' == answer.headers["etag"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-9", (0, 10)), ("bytes=5-5", (5, 6)), ("bytes=10-", (10, None)), ("bytes=-7", (-7, None)),
        ("bytes=0-999999999", (0, None)), ("bytes=-999999999", (0, None)), ("BYTES=0-0", (0, 1)),
    ],
)  # fmt: skip
def test_ranges(ask, text, expected):
    """One range gets its part, cut off at the end of the file, and says where it lies."""
    whole = ask("GET", WHOLE).body
    answer = ask("GET", WHOLE, range=text)
    part = whole[expected[0] : expected[1]]
    start = whole.index(part)

    assert (206, part) == (answer.status, answer.body)
    assert f"bytes {start}-{start + len(part) - 1}/{len(whole)}" == answer.headers["content-range"]


@pytest.mark.parametrize("text", ["bytes=99999999-", "bytes=99999999-99999999", "bytes=-0"])
def test_ranges_beyond_the_end(ask, text):
    """A range that has nothing in it is said to be one, with the size of the file."""
    answer = ask("GET", WHOLE, range=text)

    assert 416 == answer.status
    assert answer.headers["content-range"].startswith("bytes */")


@pytest.mark.parametrize(
    "text", ["bytes=0-1,5-6", "bytes=", "bytes=-", "bytes=9-5", "items=0-5", "bytes=a-b", "0-5", ""]
)
def test_ranges_that_may_be_ignored(ask, text):
    """Several ranges, and what is none, get the whole file, as RFC 9110 allows."""
    assert 200 == ask("GET", WHOLE, range=text).status


def test_unchanged(ask):
    """Who has the picture already is told so."""
    tag = ask("GET", WHOLE).headers["etag"]

    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        answer = ask("GET", WHOLE, if_none_match=known)
        assert (304, b"", tag) == (answer.status, answer.body, answer.headers["etag"])
    assert 200 == ask("GET", WHOLE, if_none_match='"other"').status


def test_ranges_of_a_changed_file(ask):
    """With If-Range, a part is only given of the file that the client knows."""
    tag = ask("GET", WHOLE).headers["etag"]

    assert 206 == ask("GET", WHOLE, range="bytes=0-1", if_range=tag).status
    assert 200 == ask("GET", WHOLE, range="bytes=0-1", if_range='"other"').status


def test_slow(ask):
    """The slow picture is put off by as much as was asked for, and keeps no thread meanwhile."""
    assert (3.5, 200) == ((answer := ask("GET", f"{SLOW}?delay=3.5")).waited_seconds, answer.status)
    assert 206 == ask("GET", f"{SLOW}?delay=0", range="bytes=0-1").status


def test_sample_is_missing(ask, settings):
    """A sample that somebody has removed is not found; it is painted again at the next start."""
    Path(settings.images, SAMPLE).unlink()

    assert 404 == ask("GET", WHOLE).status
    prepare(settings, size=(32, 18))
    assert 200 == ask("GET", WHOLE).status


def test_preparing_twice_changes_nothing(settings):
    """A folder that has its sample keeps it, whatever it is."""
    before = Path(settings.images, SAMPLE).read_bytes()
    prepare(settings)

    assert before == Path(settings.images, SAMPLE).read_bytes()


def test_sample_is_the_same_everywhere(tmp_path, settings):
    """Two servers paint the same bytes."""
    other = WebSettings(images=str(tmp_path / "a"), processed=str(tmp_path / "b"))
    prepare(other, size=(320, 180))

    assert Path(settings.images, SAMPLE).read_bytes() == Path(other.images, SAMPLE).read_bytes()
    assert [SAMPLE] == os.listdir(other.images)
