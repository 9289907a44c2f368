"""Wire: what is HTTP, what could be read in two ways, and what is nothing at all."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgpipe.web.problems import Refused
from imgpipe.web.wire import MAX_FIELDS, MAX_HEAD_BYTES, MAX_LINE_BYTES, read_request, take_head

GOOD = b"GET /api/health/ HTTP/1.1\r\nHost: localhost\r\n"

REFUSED = {
    "chunked": (GOOD + b"Transfer-Encoding: chunked\r\n\r\n", 411),
    "other coding": (GOOD + b"Transfer-Encoding: gzip\r\n\r\n", 411),
    "length and coding": (GOOD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "coding in 1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "two lengths": (GOOD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
    "the same length twice": (GOOD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400),
    "a list of lengths": (GOOD + b"Content-Length: 5, 5\r\n\r\n", 400),
    "plus": (GOOD + b"Content-Length: +5\r\n\r\n", 400),
    "underscore": (GOOD + b"Content-Length: 0_5\r\n\r\n", 400),
    "minus": (GOOD + b"Content-Length: -1\r\n\r\n", 400),
    "hexadecimal": (GOOD + b"Content-Length: 0x5\r\n\r\n", 400),
    "20 digits": (GOOD + b"Content-Length: 99999999999999999999\r\n\r\n", 400),
    "other digits": (GOOD + b"Content-Length: \xb2\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (GOOD + b"Host: other\r\n\r\n", 400),
    "folded line": (GOOD + b"X-Long: a\r\n b\r\n\r\n", 400),
    "folded first line": (b"GET / HTTP/1.1\r\n Host: localhost\r\n\r\n", 400),
    "space before colon": (GOOD + b"Content-Length : 5\r\n\r\n", 400),
    "no colon": (GOOD + b"nonsense\r\n\r\n", 400),
    "no name": (GOOD + b": value\r\n\r\n", 400),
    "NUL in a value": (GOOD + b"X: a\0b\r\n\r\n", 400),
    "lone CR in a value": (GOOD + b"X: a\rb\r\n\r\n", 400),
    "lone LF": (b"GET / HTTP/1.1\nHost: localhost\n\n", 400),
    "LF inside": (GOOD + b"X: a\nContent-Length: 5\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /\r\n", 400),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
    "HTTP/1.10": (b"GET / HTTP/1.10\r\nHost: localhost\r\n\r\n", 400),
    "two spaces": (b"GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "tab": (b"GET\t/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "space in the target": (b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00", 400),
    "endless line": (b"GET /" + b"a" * MAX_LINE_BYTES, 414),
    "long line": (b"GET /" + b"a" * MAX_LINE_BYTES + b" HTTP/1.1\r\n", 414),
    "many headers": (GOOD + b"X: y\r\n" * 0 + b"".join(b"X%d: y\r\n" % n for n in range(MAX_FIELDS)) + b"\r\n", 431),
    "long head": (GOOD + b"X: " + b"a" * MAX_HEAD_BYTES, 431),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    """What is no request, or could be two, is refused as soon as that is known."""
    data, status = REFUSED[name]

    with pytest.raises(Refused) as caught:
        take_head(bytearray(data))
    assert status == caught.value.status


def test_head_is_taken_and_the_rest_stays():
    """A head is read with its names in lower case; what follows it is left where it is."""
    incoming = bytearray(b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-LENGTH:  3 \r\nEmpty:\r\n\r\nabcGET / HT")
    head = take_head(incoming)

    assert head is not None
    assert ("POST", "/a?b=c", (1, 1)) == (head.method, head.target, head.version)
    assert {"host": "x", "content-length": "3", "empty": ""} == head.headers
    assert 3 == head.body_bytes
    assert b"abcGET / HT" == incoming


@pytest.mark.parametrize(
    ("connection", "version", "expected"),
    [("", "1.1", True), ("close", "1.1", False), ("Keep-Alive, CLOSE", "1.1", False), ("keep-alive", "1.0", False)],
)
def test_keeps_alive(connection, version, expected):
    """A connection stays unless the client says otherwise or is of another time."""
    head = take_head(bytearray(f"GET / HTTP/{version}\r\nHost: x\r\nConnection: {connection}\r\n\r\n".encode()))

    assert head is not None
    assert expected is head.keeps_alive


def test_newer_minor_versions_are_read_as_1_1():
    """HTTP/1.9 is what RFC 9110 says it is: to be read as the newest 1.x that is known."""
    head = take_head(bytearray(b"GET / HTTP/1.9\r\nHost: x\r\n\r\n"))

    assert head is not None
    assert head.keeps_alive


def test_one_line_break_may_come_first():
    """Clients that end a body with a line break too many are understood."""
    assert take_head(bytearray(b"\r\n" + GOOD + b"\r\n")) is not None


def test_lists_may_be_given_in_parts():
    """A header that is a list may be given more than once."""
    head = take_head(bytearray(GOOD + b'If-None-Match: "a"\r\nIf-None-Match: "b"\r\n\r\n'))

    assert head is not None
    assert '"a", "b"' == head.headers["if-none-match"]


@given(st.lists(st.integers(1, len(GOOD) + 1), max_size=5))
@settings(max_examples=50)
def test_pieces_make_no_difference(cuts):
    """However a request is cut into pieces, it is the same; no piece makes it a wrong one."""
    data, incoming, start = GOOD + b"X: y\r\n\r\n", bytearray(), 0
    heads = []
    for cut in [*sorted(set(cuts)), len(data)]:
        incoming += data[start:cut]
        start = max(start, cut)
        heads.append(take_head(incoming))

    assert take_head(bytearray(data)) == heads[-1]
    assert {None} >= set(heads[:-1])


@given(st.binary(max_size=200) | st.lists(st.sampled_from([b"GET", b" ", b"/", b"HTTP/1.1", b"\r\n", b"\n", b"\r",
       b":", b"Host", b"x", b"\0", b"Content-Length", b"5"]), max_size=30).map(b"".join))  # fmt: skip
@settings(max_examples=300)
def test_any_bytes(data):
    """Any bytes are a head, the beginning of one, or refused."""
    with suppress(Refused):
        head = take_head(bytearray(data))
        if head is not None:
            read_request(head, peer="")


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        ("/a%20b/%C3%A9", "/a b/é", "x"),
        ("http://other:80/a?b=c", "/a", "other:80"),
        ("http://other", "/", "other"),
        ("//other/a", "//other/a", "x"),
        ("/", "/", "x"),
    ],
)
def test_target(target, path, host):
    """A target is a path, or a whole address, whose host counts."""
    head = take_head(bytearray(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()))
    assert head is not None
    request = read_request(head, peer="")

    assert (path, host) == (request.path, request.headers["host"])


@pytest.mark.parametrize("target", ["*", "a", "ftp://x/", "/%ff", "/?a=%ff", "/?a=1&a=2", "/?" + "a&" * 50])
def test_bad_target(target):
    """What is no path, no text, or says a thing twice is refused."""
    head = take_head(bytearray(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()))
    assert head is not None

    with pytest.raises(Refused) as caught:
        read_request(head, peer="")
    assert 400 == caught.value.status


@pytest.mark.parametrize("given_id", ["a b", "x" * 65, "é", "a\x1b[0m", ""])
def test_request_ids_of_clients_are_looked_at(given_id):
    """What would not stand well in a log is no name of a request."""
    from imgpipe.web.wire import request_id

    assert "mine-1" == request_id({"x-request-id": "mine-1"})
    assert 16 == len(request_id({"x-request-id": given_id}))
