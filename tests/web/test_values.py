"""Values: JSON that is read strictly, answers that cannot be two, problems with codes that stay, and settings."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import imgpipe.web
from imgpipe.errors import (
    BadOption,
    BadPipeline,
    ExecutorError,
    FailureCode,
    NothingToDo,
    OutputLocked,
    PictureError,
    Problem,
    UsageError,
)
from imgpipe.web.http import Response, json_response
from imgpipe.web.problems import TITLES, Fault, Refused, code_of, refusal_of
from imgpipe.web.settings import WebSettings, from_environ, read_token
from imgpipe.web.strict_json import MAX_DEPTH, MAX_VALUES, pointer, read_object


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"a": NaN}', 400),
        (b'{"a": -Infinity}', 400),
        (b'{"a": 1e999}', 400),
        (b'{"a": 1, "a": 2}', 400),
        (b'{"a": {"b": 1, "b": 1}}', 400),
        (b'{"a": "\xff"}', 400),
        (b'\xef\xbb\xbf{"a": 1}', 400),
        ('{"a": 1}'.encode("utf-16"), 400),
        (b'{"a": ' + b"9" * 5000 + b"}", 400),
        (b"[" * 100_000, 400),
        (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", 400),
        (b'{"a": [' + b"1," * MAX_VALUES + b"1]}", 400),
        (b"[]", 422),
        (b"null", 422),
    ],
)
def test_json_that_is_refused(body, status):
    """What JSON does not say, says twice, or says without end is refused."""
    with pytest.raises(Refused) as caught:
        read_object(body)
    assert status == caught.value.status


def test_json_that_is_read():
    """Depth and values up to the limits are read."""
    deep = b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"1" + b"]" * (MAX_DEPTH - 1) + b', "b": 1.5e3}'

    assert 1500.0 == read_object(deep)["b"]


def test_repeated_keys_cost_no_time():
    """A body full of keys, one of them twice at the end, is refused in passing."""
    keys = b",".join(b'"%d":1' % number for number in range(100_000))

    with pytest.raises(Refused, match="'7' is given twice"):
        read_object(b"{" + keys + b',"7":1}')


def test_pointer_escapes():
    """Names with / and ~ are written as RFC 6901 has it."""
    assert "/filters/0/a~1b~0" == pointer("filters", 0, "a/b~")


@pytest.mark.parametrize(
    "header", [("X", "a\r\nSet-Cookie: b"), ("X", "a\n"), ("X: y\r\nZ", "a"), ("", "a"), ("X", "é€")]
)
def test_headers_stay_one(header):
    """A header with a line break or a control character is an error, not an answer."""
    with pytest.raises(ValueError, match="not a header"):
        Response(headers=(header,))


def test_json_without_nan():
    """NaN never leaves: there is no such word in JSON."""
    with pytest.raises(ValueError, match="JSON"):
        json_response({"a": float("nan")})


def test_problem_details():
    """A problem is a document of RFC 9457 with the request's id and what is wrong where."""
    problem = Refused(422, "bad-body", "no", Fault("wrong", "/a", suggestion="b"), headers=(("Retry-After", "1"),))
    response = problem.response("id-1", "/path")
    assert isinstance(response.body, bytes)

    assert "application/problem+json" == response.header("content-type")
    assert "1" == response.header("retry-after")
    assert {
        "type": "/problems/bad-body/", "title": TITLES["bad-body"], "status": 422, "detail": "no",
        "instance": "/path", "code": "bad-body", "request_id": "id-1",
        "errors": [{"detail": "wrong", "pointer": "/a", "suggestion": "b"}],
    } == json.loads(response.body)  # fmt: skip


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (PictureError(FailureCode.TOO_LARGE, "x"), 413, "too-large"),
        (PictureError(FailureCode.NOT_FOUND, "x"), 404, "not-found"),
        (PictureError(FailureCode.TRUNCATED, "x", "y"), 422, "truncated"),
        (NothingToDo("x"), 404, "nothing-to-do"),
        (OutputLocked("x"), 409, "output-locked"),
        (BadOption("a", 1, "b"), 422, "bad-request"),
        (UsageError("x"), 400, "bad-request"),
        (BadPipeline([Problem("filter", "x")]), 422, "bad-pipeline"),
        (ExecutorError("x"), 500, "internal"),
        (Refused(418, "busy", "x"), 418, "busy"),
    ],
)
def test_errors_become_problems(error, status, code):
    """Every error that is not the server's own fault has a status and a code."""
    problem = refusal_of(error)

    assert (status, code) == (problem.status, problem.code)
    assert problem.code in TITLES


def test_every_failure_of_a_picture_has_a_title():
    """Whatever fails in a picture can be told over HTTP."""
    for code in FailureCode:
        problem = refusal_of(PictureError(code, "x"))
        assert TITLES[problem.code]
        assert 400 <= problem.status < 600


def test_every_code_has_a_title_and_a_use():
    """What the code refuses has a title, and no title is left of what it does not refuse any more."""
    sources = "".join(path.read_text() for path in Path(imgpipe.web.__file__).parent.rglob("*.py"))
    used = set(re.findall(r'Refused\(\s*\d{3}, "([a-z-]+)"', sources))
    chosen = {"bad-pipeline", "unknown-filter", "too-slow", "stopping"}  # where the code is chosen between two
    pictures = {code_of(code) for code in FailureCode}

    assert set(TITLES) == used | chosen | pictures


def test_settings_from_the_environment(tmp_path):
    """The environment names folders, hosts and the token's file; without it, there are defaults."""
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\nsecond line\n")
    environ = {
        "IMGPIPE_IMAGES": str(tmp_path / "in"), "IMGPIPE_PROCESSED": str(tmp_path / "out"),
        "IMGPIPE_ROOTS": f"{tmp_path}/a:{tmp_path}/b", "IMGPIPE_ALLOWED_HOSTS": "One.example, two.example.",
        "IMGPIPE_TOKEN_FILE": str(token),
    }  # fmt: skip
    settings = from_environ(environ)

    assert (f"{tmp_path}/in", f"{tmp_path}/in", f"{tmp_path}/a", f"{tmp_path}/b") == (
        settings.images,
        *settings.folders,
    )
    assert ("one.example", "two.example") == settings.allowed_hosts
    assert "0123456789abcdef" == settings.token
    assert "0123456789abcdef" not in repr(settings)
    assert from_environ({}).images.endswith("/static/images")


@pytest.mark.parametrize("content", [b"", b"short\n", b"with a space in it\n", b"\xff" * 20])
def test_bad_token(tmp_path, content):
    """A token that is easy to guess, or could not be sent, is refused."""
    path = tmp_path / "token"
    path.write_bytes(content)

    with pytest.raises(BadOption, match="token-file"):
        read_token(str(path))


def test_settings_that_contradict_each_other(tmp_path):
    """Results do not go where pictures come from."""
    with pytest.raises(BadOption, match="another folder"):
        WebSettings(images=str(tmp_path), processed=f"{tmp_path}/.")
    with pytest.raises(BadOption, match="a folder"):
        WebSettings(images="")
