"""Guard: who may ask what, as each case of the threat model has it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imgpipe.web.app import App
from imgpipe.web.guard import is_loopback

TOKEN = "0123456789abcdef"
BATCH = "/api/process-batch/sequential/"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:8000", "[::1]:8000", "192.168.1.2", "localhost."]
)
def test_hosts_that_are_ours(ask, host):
    """Addresses and localhost are names of this machine, whatever the port."""
    assert 200 == ask("GET", "/api/health/", host=host).status


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000", "1.2.3"])
def test_other_hosts(ask, host):
    """A name that anybody can let point to this machine is refused (DNS rebinding)."""
    answer = ask("GET", "/api/health/", host=host)

    assert (403, "unknown-host") == (answer.status, answer.data["code"])


@pytest.mark.parametrize("host", ["", "a b", "user@localhost", "localhost:", "localhost:123456", "[::1", "a/b"])
def test_no_hosts(ask, host):
    """What is no name and port is refused."""
    assert 400 == ask("GET", "/api/health/", host=host).status


def test_allowed_host(settings, asking):
    """A name that was allowed is ours."""
    ask = asking(App(replace(settings, allowed_hosts=("Pictures.example",))))

    assert 200 == ask("GET", "/api/health/", host="pictures.example:8000").status


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 401),
        (f"Basic {TOKEN}", 401),
        (TOKEN, 401),
        ("Bearer", 401),
        ("Bearer \xff", 401),
        (None, 401),
    ],
)
def test_token(settings, asking, authorization, status):
    """With a token, only who knows it is answered, from wherever."""
    ask = asking(App(replace(settings, token=TOKEN)))
    headers = {} if authorization is None else {"authorization": authorization}
    answer = ask("GET", "/api/health/", peer="203.0.113.5", **headers)

    assert status == answer.status
    assert (status == 401) is ("www-authenticate" in answer.headers)


def test_without_token_only_this_machine(ask):
    """Whatever server it runs under, without a token other machines get nothing."""
    assert "not-local" == ask("GET", "/api/health/", peer="203.0.113.5").data["code"]
    assert 200 == ask("GET", "/api/health/", peer="::1").status
    assert 200 == ask("GET", "/api/health/", peer="").status


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:9999"},
        {"origin": "null"},
    ],
)
def test_pages_of_other_sites_post_nothing(ask, headers):
    """A page that the user has open elsewhere cannot start a batch here."""
    answer = ask("POST", BATCH, body={"filters": ["blur"]}, **headers)

    assert (403, "cross-site") == (answer.status, answer.data["code"])


@pytest.mark.parametrize("headers", [{"sec_fetch_site": "same-origin", "origin": "http://localhost:8000"}, {}])
def test_own_pages_and_programs_post(ask, headers):
    """A page of this server, and programs that are no browsers, may."""
    assert 200 == ask("POST", BATCH, body={"filters": ["blur"]}, **headers).status


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
def test_only_json_for_batches(ask, media):
    """A form, which any page may send, is no order."""
    answer = ask("POST", BATCH, body=b'{"filters": ["blur"]}', content_type=media)

    assert (415, "unsupported-media-type") == (answer.status, answer.data["code"])


def test_json_with_a_charset(ask):
    """Parameters of the media type do not matter."""
    body = b'{"filters": ["blur"]}'

    assert 200 == ask("POST", BATCH, body=body, content_type="Application/JSON; charset=utf-8").status


def test_lengths(ask, app):
    """Bodies need a length, and not too large a one; where none is taken, none is."""
    from imgpipe.web.dispatch import admit
    from imgpipe.web.http import Request, Response

    json_type = {"host": "localhost", "content-type": "application/json"}
    missing = admit(Request(method="POST", path=BATCH, id="1", headers=json_type), app)
    large = admit(Request(method="POST", path=BATCH, id="1", headers={**json_type, "content-length": "1048577"}), app)

    assert isinstance(missing, Response)
    assert isinstance(large, Response)
    assert (411, 413) == (missing.status, large.status)
    assert 413 == ask("GET", "/api/health/", body=b"x").status


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:192.0.2.1", False),
        ("localhost", True),
        ("0.0.0.0", False),
        ("x", False),
    ],
)
def test_loopback(address, expected):
    """This machine's own addresses are told from those that others reach."""
    assert expected is is_loopback(address)
