"""Versions: list, compare, report, activate with a look at what changes, go back."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from fusionrec.errors import UsageError
from fusionrec.registry.versions import versions
from fusionrec.service import actions
from fusionrec.service.desk.list_preview import preview
from fusionrec.service.desk.pages import page, see
from fusionrec.service.desk.reports import Reports
from fusionrec.service.desk.route import DeskRoute, FormOf, VisitorOf
from fusionrec.service.desk.version_facts import COUNTING, VersionFacts, verdict
from fusionrec.service.responses import StateOf
from fusionrec.service.state import ServiceState

router = APIRouter(route_class=DeskRoute, include_in_schema=False)

# Of a report, which has its styles and pictures in itself, and no script.
_REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


@router.get("/ops/versions")
def listed(request: Request, state: StateOf) -> Response:
    """All versions, the newest first."""
    shown = list(reversed(_all(state)))
    return page(
        request,
        "versions.html",
        title="Versions",
        versions=shown,
        previous=actions.previous_version(state),
        counting=COUNTING,
    )


@router.get("/ops/versions/{name}")
def version(request: Request, name: str, state: StateOf) -> Response:
    """One version."""
    found = _one(state, name)
    others = [one.version.name for one in _all(state) if one.version.name != name]
    progress, said = Reports(state).progress(name)
    about: dict[str, Any] = {
        "report": progress,
        "report_said": said,
        "others": others,
        "one": found,
    }
    return page(request, "version.html", title=f"Version {name}", **about)


@router.get("/ops/compare")
def compare(request: Request, state: StateOf) -> Response:
    """Two versions side by side."""
    a, b = (request.query_params.get(name, "") for name in ("a", "b"))
    one, other = _one(state, a), _one(state, b)
    settings = sorted({*one.settings, *other.settings})
    differing = [
        (name, one.settings.get(name, ""), other.settings.get(name, ""))
        for name in settings
        if one.settings.get(name) != other.settings.get(name)
    ]
    figures, theirs = dict(one.rows), dict(other.rows)
    rows = [(name, figures.get(name), theirs.get(name)) for name in {**figures, **theirs}]
    facts = dict(one.facts), dict(other.facts)
    known = [(name, *(f.get(name, "") for f in facts)) for name in {**facts[0], **facts[1]}]
    return page(
        request,
        "compare.html",
        title=f"{a} and {b}",
        one=one,
        other=other,
        verdict=verdict(one, other),
        rows=rows,
        facts=known,
        settings=differing,
        preview=preview(state, a, b),
    )


@router.get("/ops/versions/{name}/activate")
def before_activation(request: Request, name: str, state: StateOf) -> Response:
    """What changes for users if this version answers; then the button."""
    found, active = _one(state, name), state.ledger.active()
    if active is None:
        raise UsageError("no version is active yet, so there is nothing to compare with")
    back = name == actions.previous_version(state) and "back" in request.query_params
    return page(
        request,
        "activate.html",
        title=f"{'Go back to' if back else 'Activate'} {name}",
        one=found,
        active=active.version,
        back=back,
        verdict="" if name == active.version else verdict(_one(state, active.version), found),
        preview=None if name == active.version else preview(state, active.version, name),
    )


@router.post("/ops/versions/{name}/activate")
def activate(name: str, state: StateOf, visitor: VisitorOf, form: FormOf) -> Response:
    """Makes it the one that answers, unless another has become active since the look."""
    active, seen = state.ledger.active(), form.need("active")
    if active is None or active.version != seen:
        now = "none" if active is None else active.version
        raise UsageError(
            f"{now} is active by now, and not {seen}: what you looked at is not what would change",
            "look again at what changes",
            code="conflict",
        )
    back = form.get("back") and name == actions.previous_version(state)
    action = "roll back to version" if back else "activate version"
    actions.activate_version(state, visitor.who, name, action)
    return see("/ops/versions", done="activated")


@router.get("/ops/versions/{name}/report")
def report(request: Request, name: str, state: StateOf) -> Response:
    """The report, or how far it is."""
    _one(state, name)
    reports = Reports(state)
    progress, said = reports.progress(name)
    file = reports.file(name)
    if progress == "made" and file is not None:
        headers = {"Content-Security-Policy": _REPORT_POLICY}
        return HTMLResponse(file.read_bytes(), headers=headers)
    about: dict[str, Any] = {
        "progress": progress,
        "said": said,
        "name": name,
        "there": file is not None,
    }
    return page(request, "report.html", title=f"Report of {name}", **about)


@router.post("/ops/versions/{name}/report")
def make_report(name: str, state: StateOf, visitor: VisitorOf) -> Response:
    """Begins to make the report."""
    _one(state, name)
    Reports(state).make(name)
    state.recorder.perform(lambda: state.ledger.log(visitor.who, "make report", name))
    return see(f"/ops/versions/{name}/report")


def _all(state: ServiceState) -> list[VersionFacts]:
    return [VersionFacts.of(state.workspace, one) for one in versions(state.workspace)]


def _one(state: ServiceState, name: str) -> VersionFacts:
    found = [one for one in versions(state.workspace) if one.name == name]
    if not found:
        raise UsageError(f"there is no version {name[:100]!r}", code="not_found")
    return VersionFacts.of(state.workspace, found[0])
