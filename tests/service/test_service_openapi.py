"""The service against its own description: whatever that allows or forbids is tried."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import HealthCheck, Phase, given, settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi.checks import positive_data_acceptance

ROUTES = {
    "/v1/recommendations": {"get", "post"},
    "/v1/images/{name}": {"get"},
    "/v1/items/{id}": {"get", "put", "delete"},
    "/v1/items/{id}/similar": {"get"},
    "/v1/items/{id}/restore": {"post"},
    "/v1/items/{id}/why-not": {"get"},
    "/v1/search": {"get"},
    "/v1/map": {"get", "post"},
    "/v1/schema": {"get"},
    "/v1/choices": {"get"},
    "/v1/feedback": {"post"},
    "/v1/users": {"get"},
    "/v1/users/{id}": {"get", "put", "delete"},
    "/v1/users/{id}/feedback": {"get"},
    "/v1/users/{id}/feedback/{event}": {"delete"},
    "/v1/users/{id}/history": {"get"},
    "/v1/versions": {"get"},
    "/v1/versions/{name}/activate": {"post"},
    "/v1/versions/rollback": {"post"},
    "/healthz": {"get"},
    "/readyz": {"get"},
    "/v1/traffic": {"get"},
    "/metrics": {"get"},
}


@pytest.fixture
def api(shelf):
    url = f"{shelf.client.base_url}".rstrip("/")
    return schemathesis.openapi.from_url(f"{url}/v1/openapi.json")


def test_every_route_is_described(shelf):
    paths = shelf.client.get("/v1/openapi.json").json()["paths"]
    assert {path: set(routes) for path, routes in paths.items()} == ROUTES
    for routes in paths.values():
        for route in routes.values():
            assert route["summary"]
            assert route["description"]
            assert {"401", "422", "429", "503"} <= route["responses"].keys()
            problem = route["responses"]["422"]["content"]
            assert set(problem) == {"application/problem+json"}


PLAIN = ("/v1/schema", "/v1/versions", "/v1/versions/rollback", "/healthz", "/readyz", "/metrics")


@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        (path, method, mode)
        for path, methods in ROUTES.items()
        for method in sorted(methods)
        for mode in GenerationMode
        if mode == GenerationMode.POSITIVE or path not in PLAIN  # those take no parameters
    ],
)
def test_nothing_that_is_asked_breaks_it(api, shelf, path, method, mode):
    bounded = settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    @bounded
    @given(case=api[path][method].as_strategy(generation_mode=mode))
    def ask(case):
        answer = case.call(headers=shelf.admin)
        if answer.status_code == 431:  # an address so long is refused, whatever it says
            return
        # Which names and values there are depends on the model: 400 says so of well-formed ones.
        case.validate_response(
            answer, headers=shelf.admin, excluded_checks=[positive_data_acceptance]
        )

    ask()
