"""Uploads: a picture in the body becomes the picture in the answer; what is hostile costs its sender alone."""

from __future__ import annotations

import io
import json
import os
import tempfile
import threading
import zlib
from dataclasses import replace
from multiprocessing.util import get_temp_dir

import pytest
from PIL import Image

from imgpipe.children.sandbox import landlock_abi
from imgpipe.web.app import App
from imgpipe.web.uploads import Uploads

URL = "/api/image/process/"
HEALTH = b"GET /api/health/live/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> str:
    """Give uploads a place of their own, so that what stays behind is seen."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    get_temp_dir()  # multiprocessing keeps its own, which must outlast this test
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return str(folder)


def picture(size=(64, 48), mode="RGB", kind="jpeg", **options):
    """Return a picture as bytes."""
    file = io.BytesIO()
    Image.new(mode, size, 200 if mode == "I;16" else None).save(file, kind, **options)
    return file.getvalue()


def opened(body) -> Image.Image:
    """Return the picture that bytes are."""
    return Image.open(io.BytesIO(body))


def head(target=URL, *lines, length) -> bytes:
    """Return the head of an upload."""
    fields = [f"POST {target} HTTP/1.1", "Host: localhost", "Connection: close", "Content-Type: image/jpeg", *lines]
    return "\r\n".join([*fields, f"Content-Length: {length}", "", ""]).encode()


def files_below(folder) -> list[str]:
    """Return the names of all files below a folder."""
    return [name for _, _, names in os.walk(folder) for name in names]


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def bomb(width, height) -> bytes:
    """Return a PNG of a few bytes that says to be very large."""
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    pixels = zlib.compress(bytes(1000))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size + bytes([8, 2, 0, 0, 0]))
    return start + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("query", "kind", "size"),
    [
        ("?filters=resize:32x24|sharpen", "JPEG", (32, 24)),
        ("?filters=resize:32x24%20%7C%20grayscale&format=webp&quality=70", "WEBP", (32, 24)),
        ("?format=png&metadata=none", "PNG", (64, 48)),
    ],
)
def test_picture_comes_back(live, place, query, kind, size):
    """The answer is the picture, with its type and its length, and of neither of them anything is kept."""
    body = picture()
    answer = live.talk(head(URL + query, length=len(body)) + body)
    start, _, content = answer.partition(b"\r\n\r\n")

    assert start.startswith(b"HTTP/1.1 200 "), answer
    assert f"Content-Type: image/{kind.lower()}\r\n" in start.decode()
    assert f"Content-Length: {len(content)}\r\n" in f"{start.decode()}\r\n"
    assert (kind, size) == (opened(content).format, opened(content).size)
    assert [] == files_below(place)


def test_metadata_is_kept_unless_asked_otherwise(ask):
    """What a picture says of itself stays, as everywhere else; `metadata=none` leaves it out."""
    exif = Image.Exif()
    exif[0x013B] = "Somebody"
    body = picture(exif=exif)
    kept = ask("POST", f"{URL}?filters=resize:32x24", body=body, content_type="image/jpeg")
    bare = ask("POST", f"{URL}?filters=resize:32x24&metadata=none", body=body, content_type="image/jpeg")

    assert "Somebody" == opened(kept.body).getexif()[0x013B]
    assert {} == dict(opened(bare.body).getexif())


def test_what_was_given_up_is_named(ask):
    """Alpha that the format of the answer has no room for is in a header, not lost in silence."""
    body = picture(mode="RGBA", kind="png")
    answer = ask("POST", f"{URL}?format=jpeg", body=body, content_type="image/png")

    assert (200, "flattened") == (answer.status, answer.headers["imgpipe-notes"])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "unreadable"),
        (b"no picture", 422, "unreadable"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 100, 422, "unreadable"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", 422, "unreadable"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422, "unreadable"),
        (picture(kind="avif"), 415, "format-not-allowed"),
        (bomb(10_000, 5_001), 413, "too-large"),
        (bomb(2**31 - 1, 2**31 - 1), 413, "too-large"),
    ],
)
@pytest.mark.parametrize("target", ["/api/image/info/", f"{URL}?filters=blur"])
def test_bodies_that_are_no_pictures_for_us(ask, place, target, body, status, code):
    """Each has its problem, from the header alone, without a word about the server's files, and leaves nothing."""
    answer = ask("POST", target, body=body, content_type="image/jpeg")

    assert (status, code) == (answer.status, answer.data["code"])
    assert place not in answer.body.decode()
    assert [] == files_below(place)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (picture()[:-100], "truncated"),
        (picture(kind="png", size=(300, 300))[:200], "truncated"),
        (picture(mode="I;16", kind="png"), "sixteen-bit"),
    ],
)
def test_pictures_that_cannot_be_processed(ask, place, body, code):
    """What is found out later leaves nothing behind either."""
    answer = ask("POST", f"{URL}?filters=blur", body=body, content_type="image/jpeg")

    assert (422, code) == (answer.status, answer.data["code"])
    assert place not in answer.body.decode()
    assert [] == files_below(place)


def test_content_decides_the_format(ask):
    """A picture may call itself what it likes; what it is can be seen."""
    answer = ask("POST", f"{URL}?filters=flip", body=picture(kind="png"), content_type="image/x-../../etc/passwd")

    assert (200, "image/png") == (answer.status, answer.headers["content-type"])


@pytest.mark.parametrize(
    ("query", "code", "parameter"),
    [
        ("", "bad-parameter", None),
        ("?filter=blur", "bad-parameter", "filter"),
        ("?filters=blurr", "unknown-filter", "filters"),
        ("?filters=blur:radius=-1", "bad-pipeline", "filters"),
        ("?filters=" + "|".join(["blur"] * 40), "bad-pipeline", "filters"),
        ("?filters=resize:999999x999999,mode=fill", "bad-pipeline", "filters"),
        ("?format=exe", "bad-parameter", "format"),
        ("?format=../x", "bad-parameter", "format"),
        ("?format=jpeg&quality=101", "bad-parameter", "quality"),
        ("?format=jpeg&quality=1e1", "bad-parameter", "quality"),
        ("?format=jpeg&metadata=some", "bad-parameter", "metadata"),
    ],
)
def test_queries_that_cannot_be_right(ask, query, code, parameter):
    """The problem names the parameter."""
    answer = ask("POST", URL + query, body=picture(), content_type="image/jpeg")

    assert (422, code) == (answer.status, answer.data["code"])
    assert parameter in (None, answer.data.get("errors", [{}])[0].get("parameter"))


@pytest.mark.parametrize(
    ("lines", "length", "status"),
    [
        (("Content-Type: image/jpeg", "Transfer-Encoding: chunked"), None, 411),
        (("Content-Type: image/jpeg",), None, 411),
        (("Content-Type: image/jpeg", "Expect: 100-continue"), 60 << 20, 413),
        (("Content-Type: image/jpeg",), 999_999_999_999, 413),
        (("Content-Type: text/html",), 5, 415),
        (("Content-Type: multipart/form-data; boundary=x",), 5, 415),
        ((), 5, 415),
    ],
)
def test_heads_that_are_refused(live, lines, length, status):
    """What the head tells is refused before any of the body is read."""
    told = () if length is None else (f"Content-Length: {length}",)
    fields = [f"POST {URL}?filters=blur HTTP/1.1", "Host: localhost", "Connection: close", *lines, *told, "", ""]

    assert status == int(live.talk("\r\n".join(fields).encode()).split()[1])


def test_expectation_is_met(live, until_closed):
    """A client that asks first is told to go on."""
    body = picture()
    with live.connect() as sock:
        sock.sendall(head(f"{URL}?filters=blur", "Expect: 100-continue", length=len(body)))
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == sock.recv(100)
        sock.sendall(body)
        assert b"HTTP/1.1 200 OK" == until_closed(sock)[:15]


@pytest.mark.parametrize(
    ("deed", "status", "code"),
    [("segfault", 422, "crashed"), ("hang", 504, "timeout"), ("raise", 422, "filter-failed")],
)
def test_deadly_pictures(settings, place, running, deed, status, code):
    """A decoder that crashes or hangs ends its child; meanwhile others are served, and afterwards its sender is."""
    import deadly_filters  # noqa: F401 - registers the filters, for this test alone

    body = picture()
    deadly = head(f"{URL}?filters=test.deadly:deed={deed},width=64", length=len(body)) + body
    app = App(replace(settings, picture_seconds=1.5))
    with running(app) as live:
        answers: list[bytes] = []
        thread = threading.Thread(target=lambda: answers.append(live.talk(deadly)))
        thread.start()
        while not answers:
            assert b"HTTP/1.1 200 OK" == live.talk(HEALTH)[:15]
        thread.join()
        after = live.talk(head(f"{URL}?filters=flip", length=len(body)) + body)
    app.close()

    assert (status, code) == (int(answers[0].split()[1]), json.loads(answers[0].partition(b"\r\n\r\n")[2])["code"])
    assert b"HTTP/1.1 200 OK" == after[:15]
    assert [] == os.listdir(place)


@pytest.mark.skipif(not landlock_abi(), reason="the kernel has no Landlock")
def test_children_see_nothing_else(app, ask, settings):
    """A picture that has taken over its process cannot read the other pictures of the server."""
    import deadly_filters  # noqa: F401 - registers the filters, for this test alone

    secret = f"{settings.images}/cat.jpg"
    stolen = ask("POST", f'{URL}?filters=test.trespass:deed=read,where="{secret}"', body=picture(),
                 content_type="image/jpeg")  # fmt: skip

    assert (422, "filter-failed") == (stolen.status, stolen.data["code"])
    assert "Permission denied" in stolen.data["detail"]


def test_no_slot_for_long(app, ask, monkeypatch):
    """Where all children are at work, and stay so, one more is told to come again."""
    monkeypatch.setattr("imgpipe.web.uploads._PATIENCE_SECONDS", 0.01)
    while not app.uploads._free.empty():
        app.uploads._free.get()
    answer = ask("POST", f"{URL}?filters=blur", body=picture(), content_type="image/jpeg")

    assert (503, "busy", "5") == (answer.status, answer.data["code"], answer.headers["retry-after"])


def test_nothing_is_started_before_it_is_needed(place):
    """Whoever never sends a picture costs no child and no folder."""
    Uploads(20.0).close()

    assert [] == os.listdir(place)
