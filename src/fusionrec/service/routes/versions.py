"""Routes of versions: list them, activate one, go back."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Request
from starlette.responses import Response

from fusionrec.errors import UsageError
from fusionrec.registry.versions import versions
from fusionrec.service import actions
from fusionrec.service.paths import VERSION
from fusionrec.service.responses import StateOf, as_json, given
from fusionrec.service.schemas import Id

router = APIRouter(tags=["versions"])

_WORTH = {"ndcg@10": 0.2, "best": "ease", "gain": 0.1, "sentence": "lists 10% better than …"}
_ALL = given("The versions", {"versions": [{"name": "v1", "active": True, "worth": _WORTH}]})
_ACTIVE = given("It answers", {"version": "v1", "place": "milvus.db"})


@router.get("/v1/versions", summary="The versions of the model", responses=_ALL)
def listed(state: StateOf) -> Response:
    """The oldest first; one that is damaged says its `problem`. `worth` is what its lists are worth
    beside simple methods, on what was held out of the training; null where that is not known.
    """
    found = [asdict(one) for one in versions(state.workspace)]
    hide = state.folders.hide
    return as_json({"versions": [one | {"problem": hide(one["problem"])} for one in found]})


@router.post("/v1/versions/rollback", summary="Go back to the version before", responses=_ACTIVE)
def rollback(request: Request, state: StateOf) -> Response:
    """The version that was active before this one answers again. Asked twice, the first one is
    back: each time these two change places. For an older one use `activate`.
    """
    before = actions.previous_version(state)
    if before is None:
        raise UsageError(
            "no other version was active before", "list them: /v1/versions", code="not_found"
        )
    place = actions.activate_version(state, request.state.who, before, "roll back to version")
    return as_json({"version": before, "place": place})


@router.post(
    f"{VERSION}/activate", summary="Make a version the one that answers", responses=_ACTIVE
)
def activate(name: Id, request: Request, state: StateOf) -> Response:
    """At once where its index is still there, else as soon as it is built."""
    place = actions.activate_version(state, request.state.who, name)
    return as_json({"version": name, "place": place})
