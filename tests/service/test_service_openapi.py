"""The service against its own description: whatever that allows or forbids is tried."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from serving import opened

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi.checks import positive_data_acceptance

ROUTES = {
    "/v1/recommendations": {"get", "post"},
    "/v1/items/{id}": {"get", "put", "delete"},
    "/v1/items/{id}/similar": {"get"},
    "/v1/items/{id}/restore": {"post"},
    "/v1/search": {"get"},
    "/v1/map": {"get", "post"},
    "/v1/schema": {"get"},
    "/v1/choices": {"get"},
    "/v1/feedback": {"post"},
    "/v1/users/{id}": {"get", "put", "delete"},
    "/v1/users/{id}/feedback": {"get"},
    "/v1/versions": {"get"},
    "/v1/versions/{name}/activate": {"post"},
    "/v1/versions/rollback": {"post"},
    "/healthz": {"get"},
    "/readyz": {"get"},
    "/metrics": {"get"},
}


@pytest.fixture(scope="module")
def described(built, tmp_path_factory):
    """A service that may be changed at will, and its description."""
    import shutil

    from fusionrec.workspace import Workspace

    home = tmp_path_factory.mktemp("described") / "shop"
    shutil.copytree(built.home, home)
    with opened(Workspace(home)) as shop:
        yield shop


@pytest.fixture
def api(described):
    url = f"{described.client.base_url}".rstrip("/")
    return schemathesis.openapi.from_url(f"{url}/v1/openapi.json")


def test_every_route_is_described(described):
    paths = described.client.get("/v1/openapi.json").json()["paths"]
    assert {path: set(routes) for path, routes in paths.items()} == ROUTES
    for routes in paths.values():
        for route in routes.values():
            assert route["summary"]
            assert route["description"]
            assert {"401", "422", "429", "503"} <= route["responses"].keys()
            problem = route["responses"]["422"]["content"]
            assert set(problem) == {"application/problem+json"}


def wrong(path: str, method: str) -> bool:
    """Whether a request can be of another form than is described."""
    plain = (
        "/v1/schema",
        "/v1/versions",
        "/v1/versions/rollback",
        "/healthz",
        "/readyz",
        "/metrics",
    )
    return path not in plain


@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        (path, method, mode)
        for path, methods in ROUTES.items()
        for method in sorted(methods)
        for mode in GenerationMode
        if mode == GenerationMode.POSITIVE or wrong(path, method)
    ],
)
def test_nothing_that_is_asked_breaks_it(api, described, path, method, mode):
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
        answer = case.call(headers=described.admin)
        if answer.status_code == 431:  # an address so long is refused, whatever it says
            return
        # Which names and values there are depends on the model: 400 says so of well-formed ones.
        case.validate_response(
            answer, headers=described.admin, excluded_checks=[positive_data_acceptance]
        )

    ask()
