"""Routes of versions: list them, activate one, go back."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter
from starlette.responses import Response

from fusionrec.deploy import build
from fusionrec.errors import UsageError
from fusionrec.registry.versions import retained_activations, versions
from fusionrec.service.paths import VERSION
from fusionrec.service.responses import StateOf, as_json, given
from fusionrec.service.schemas import Id
from fusionrec.service.state import ServiceState

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
def rollback(state: StateOf) -> Response:
    """The version that was active before this one answers again. Asked twice, the first one is
    back: each time these two change places. For an older one use `activate`.
    """
    before = retained_activations(state.ledger.activations())
    others = [a.version for a in before if a.version != before[0].version]
    if not others:
        raise UsageError(
            "no other version was active before", "list them: /v1/versions", code="not_found"
        )
    return _activated(state, others[0])


@router.post(
    f"{VERSION}/activate", summary="Make a version the one that answers", responses=_ACTIVE
)
def activate(name: Id, state: StateOf) -> Response:
    """At once where its index is still there, else as soon as it is built."""
    names = [one.name for one in versions(state.workspace)]
    if name not in names:
        raise UsageError(
            f"there is no version {name!r}; there are {', '.join(names)}", code="not_found"
        )
    return _activated(state, name)


def _activated(state: ServiceState, name: str) -> Response:
    state.recorder.perform(state.ledger.check_writable)  # before an index is built in vain
    if state.reserve:
        place = build.hand_over(state.workspace, name)
    else:
        place = build.activate(state.workspace, name, state.place)
    state.live.refresh(state.settings.write_seconds)  # if that takes longer, it follows later
    return as_json({"version": name, "place": state.folders.hide(place)})
