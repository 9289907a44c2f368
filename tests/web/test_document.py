"""Document: requests made up from the OpenAPI document, right ones and wrong ones, get the answers that it promises."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from imgpipe.web.routes import ROUTES

HAVE_IDS = [route for route in ROUTES if "{id}" in route.path]
CASES = [
    *(("positive", route) for route in ROUTES),
    *(
        ("negative", route)
        for route in ROUTES
        if route.parameters or (route.body and "image/*" not in route.body.media)
    ),
    *(("unknown", route) for route in HAVE_IDS),
]


@pytest.fixture
def task_id(ask, worker) -> str:
    """Return the id of a task that is done."""
    task_id = ask("POST", "/api/process-batch/distributed/", body={"filters": ["blur"]}).data["task_id"]
    while worker.step():
        pass
    return str(task_id)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "route"), CASES, ids=[f"{mode} {route.method} {route.path}" for mode, route in CASES])
def test_answers_are_those_of_the_document(app, running, task_id, mode, route, monkeypatch):
    """No request gets a 5xx, or a status, a type or a shape that the document does not know."""
    monkeypatch.setattr("imgpipe.web.views.comparisons._PROBE_SECONDS", 0.02)
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    promises = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    with running(app) as live:
        described = schemathesis.openapi.from_url(f"{live.server.url}/api/openapi.json")
        operation = described[route.path][route.method]
        cases = operation.as_strategy(
            generation_mode=schemathesis.GenerationMode("negative" if mode == "negative" else "positive")
        )

        @given(case=cases)
        @settings(
            max_examples=2 if route.lane == "long" and mode == "positive" else 8,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        def check(case):
            delay = (case.query or {}).get("delay")
            if isinstance(delay, (int, float)):
                case.query["delay"] = min(delay, 0.1)
            if mode == "positive" and route in HAVE_IDS:
                case.path_parameters["id"] = task_id
            case.call_and_validate(checks=promises)

        check()
