"""Document: requests made up from the OpenAPI document, right ones and wrong ones, get the answers that it promises."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from imgpipe.web.routes import ROUTES

CASES = [("positive", route) for route in ROUTES] + [
    ("negative", route) for route in ROUTES if route.parameters or (route.body and "image/*" not in route.body.media)
]


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "route"), CASES, ids=[f"{mode} {route.method} {route.path}" for mode, route in CASES])
def test_answers_are_those_of_the_document(app, running, mode, route):
    """No request gets a 5xx, or a status, a type or a shape that the document does not know."""
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
        cases = operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode))

        @given(case=cases)
        @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
        def check(case):
            delay = (case.query or {}).get("delay")
            if isinstance(delay, (int, float)):
                case.query["delay"] = min(delay, 0.1)
            case.call_and_validate(checks=promises)

        check()
