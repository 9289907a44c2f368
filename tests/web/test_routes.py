"""Routes: the table, and all that is made from it: router, document, index, methods."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from imgpipe.web.problems import TITLES
from imgpipe.web.routes import ROUTES, find


def filled(path):
    """Return a path with something in place of each of its variables."""
    return re.sub(r"\{\w+\}", "busy", path)


def document(ask):
    """Return the OpenAPI document."""
    return ask("GET", "/api/openapi.json").data


def test_document_and_table_say_the_same(ask):
    """Every route is in the document, and every operation of the document is a route."""
    described = {(method.upper(), path) for path, operations in document(ask)["paths"].items() for method in operations}

    assert {(route.method, route.path) for route in ROUTES} == described


def test_operations_have_names_of_their_own(ask):
    """No two operations share an id, and each has a summary and a good answer."""
    operations = [one for path in document(ask)["paths"].values() for one in path.values()]
    names = [one["operationId"] for one in operations]

    assert sorted(set(names)) == sorted(names)
    assert all(one["summary"] and {"200", "202"} & one["responses"].keys() for one in operations)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_path_works_with_and_without_its_slash(route):
    """Both forms are the same route."""
    path = filled(route.path)

    for form in {path, path.rstrip("/") or "/"}:
        routes, variables = find(form)
        assert route in routes
        assert dict.fromkeys(re.findall(r"\{(\w+)\}", route.path), "busy") == variables


@pytest.mark.parametrize(
    "path", ["/api", "/api/health//", "/api/health/x", "/API/health/", "/problems/", "/problems/a/b"]
)
def test_other_paths(path):
    """Nothing else is a route."""
    assert ((), {}) == find(path)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_options_and_other_methods(ask, route):
    """Every path says which methods it has, and refuses others with the same list."""
    path = filled(route.path)
    options, wrong = ask("OPTIONS", path), ask("PATCH", path)

    assert 204 == options.status
    assert route.method in options.headers["allow"].split(", ")
    assert ("HEAD" in options.headers["allow"]) is ("GET" in options.headers["allow"])
    assert (405, options.headers["allow"]) == (wrong.status, wrong.headers["allow"])


def test_options_for_the_server(ask):
    """`OPTIONS *` asks for nothing in particular."""
    assert 204 == ask("OPTIONS", "*").status


def test_unknown_path(ask):
    """What is not there says where to look."""
    answer = ask("GET", "/api/nothing/", x_request_id="mine")

    assert (404, "not-found", "mine", "/api/nothing/") == (
        answer.status, answer.data["code"], answer.data["request_id"], answer.data["instance"],
    )  # fmt: skip


def test_every_answer_is_protected(ask):
    """No answer is sniffed, framed into other sites, or kept; all name their request."""
    for target in ("/", "/api/health/", "/nothing", "/api/image/4k/"):
        headers = ask("GET", target, x_request_id="mine").headers
        assert ("nosniff", "same-origin", "mine") == (
            headers["x-content-type-options"], headers["cross-origin-resource-policy"], headers["x-request-id"],
        )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "name", "wrong"),
    [
        ("/api/image/slow/", "delay", ["31", "-1", "nan", "inf", "1e1", "1_0", "", "x", "30.0000001", "9" * 400]),
        ("/api/task/x/status/", "wait", ["31", "-1", "1.5", "1e1", "", "x"]),
        ("/api/task/x/results/", "cursor", ["-1", "x", "1000000000"]),
        ("/api/task/x/results/", "limit", ["0", "1001", "1e2"]),
        ("/api/metrics/", "format", ["xml", "", "JSON"]),
    ],
)
def test_parameters_that_cannot_be_right(ask, path, name, wrong):
    """What the table does not allow is refused before anything is looked at, with the name of the parameter."""
    for text in wrong:
        answer = ask("GET", f"{path}?{name}={text}")
        assert (422, "bad-parameter", name) == (
            answer.status, answer.data["code"], answer.data["errors"][0]["parameter"],
        )  # fmt: skip


def test_misspelt_parameter(ask):
    """A parameter that nobody would read is refused, with the nearest name."""
    answer = ask("GET", "/api/image/info/?nam=cat.jpg")

    assert 422 == answer.status
    assert [{"detail": "no such parameter", "parameter": "nam", "suggestion": "did you mean name?"}] == (
        answer.data["errors"]
    )


def test_index(ask):
    """The page lists every route with a line for curl, and lets no script in."""
    answer = ask("GET", "/", host="localhost:1234")
    page = answer.body.decode()

    for route in ROUTES:
        assert f"{route.method} {route.path}" in page
    assert page.count("<pre>curl ") == len(ROUTES)
    assert "http://localhost:1234/api/health/" in page
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "text/html; charset=utf-8" == answer.headers["content-type"]


def test_health(ask, worker):
    """Health says what is checked, which queue there is, and how many live to work for it."""
    data = ask("GET", "/api/health/").data

    assert ("healthy", "memory", 1) == (data["status"], data["queue"], data["workers"])
    assert {"images", "processed", "disk", "queue", "workers"} == set(data["checks"])


def test_health_without_workers(ask):
    """Where nobody is there to work, not all is well."""
    data = ask("GET", "/api/health/").data

    assert ("degraded", 0) == (data["status"], data["workers"])
    assert {"ok": False, "count": 0} == data["checks"]["workers"]


def test_server_that_cannot_work(ask, settings, worker):
    """Without a folder for results, it lives, but not all is well, and requests had better go elsewhere."""
    Path(settings.processed).rmdir()
    health, live, ready = (ask("GET", f"/api/health/{what}") for what in ("", "live/", "ready/"))

    assert (200, "degraded", 200) == (health.status, health.data["status"], live.status)
    assert (503, "not-ready", "2") == (ready.status, ready.data["code"], ready.headers["retry-after"])
    assert "processed" in [fault["detail"] for fault in ready.data["errors"]]


def test_ready_until_it_stops(app, ask):
    """A server is ready without any worker, and not any more once it has been told to stop."""
    before = ask("GET", "/api/health/ready/")
    app.draining.set()
    after = ask("GET", "/api/health/ready/")

    assert (200, 503, "stopping") == (before.status, after.status, after.data["code"])


def test_stats_count(ask):
    """Requests are counted by their status, pictures with their bytes."""
    ask("GET", "/nothing")
    data = ask("GET", "/api/stats/").data

    assert {"404": 1} == data["requests"]["by_status"]
    assert 3 == data["images"]["count"]
    assert data["process"]["memory_bytes"] > 1 << 20


@pytest.mark.parametrize("code", TITLES)
def test_problem_types_can_be_looked_up(ask, code):
    """The type of a problem is a path that says what it means."""
    assert {"code": code, "title": TITLES[code]} == ask("GET", f"/problems/{code}/").data


def test_unknown_problem(ask):
    """There is no page for a problem that is none."""
    assert 404 == ask("GET", "/problems/nonsense/").status


def test_examples_are_those_of_the_schema():
    """The example of an order is one that its schema allows, as far as its keys go."""
    for route in ROUTES:
        if isinstance(route.example, dict):
            assert route.body is not None
            assert set(route.example) <= set(route.body.schema["properties"])
            assert json.loads(re.findall("-d '(.*)'", route.curl("x"))[0]) == route.example
