"""What those who run the service change, by the API or at the desk: each is logged with who did it.
The log is written after the change, in the same turn; if only that fails, the caller hears of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fusionrec.data.item_files import item_of, plain_content
from fusionrec.deploy import build
from fusionrec.errors import UsageError
from fusionrec.ledger import Ledger
from fusionrec.recommend import catalog
from fusionrec.recommend.answer import whole
from fusionrec.recommend.catalog import Catalog
from fusionrec.registry.versions import retained_activations, versions
from fusionrec.service.state import ServiceState


def put_item(state: ServiceState, who: str, id: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Adds or changes an item; returns it as ``shown_item``.

    Raises:
        UsageError, DataError: the version takes no items, or the content does not fit.
    """
    now = _now(state)
    catalog.check_takes(now)
    changed = item_of(now.artifact.schema, id, content)
    action = "change item" if id in now.positions else "add item"

    def write() -> None:
        catalog.put(state.ledger, now, [changed])
        state.ledger.log(who, action, id)

    state.recorder.perform(write)
    return _changed(state, now, id)


def withdraw_item(state: ServiceState, who: str, id: str) -> dict[str, Any]:
    """Takes an item out of every answer; returns it. Raises UsageError where it is unknown."""
    return _set_available(state, who, id, "withdraw item", catalog.withdraw)


def restore_item(state: ServiceState, who: str, id: str) -> dict[str, Any]:
    """Brings an item back; returns it. Raises UsageError where it is unknown."""
    return _set_available(state, who, id, "restore item", catalog.restore)


def _set_available(
    state: ServiceState,
    who: str,
    id: str,
    action: str,
    change: Callable[[Ledger, Catalog, list[str]], Any],
) -> dict[str, Any]:
    state.answer(lambda view: view.recommender.finder.row(id, guess=False))  # or a 404
    now = _now(state)

    def write() -> None:
        change(state.ledger, now, [id])
        state.ledger.log(who, action, id)

    state.recorder.perform(write)
    return _changed(state, now, id)


def _now(state: ServiceState) -> Catalog:
    """The items as the ledger has them now, whatever the answers follow so far."""
    return state.answer(lambda view: view.catalog).until_now(state.ledger)


def _changed(state: ServiceState, before: Catalog, id: str) -> dict[str, Any]:
    """The item after a change; it was written, so it is there."""
    state.follow()
    now = state.answer(lambda view: view.catalog)
    if id not in now.positions:  # another version answers by now
        now = before.until_now(state.ledger)
    return shown_item(now, now.positions[id])


def shown_item(now: Catalog, row: int) -> dict[str, Any]:
    """An item as JSON values."""
    values, title = plain_content(now.items.row(row)), now.artifact.schema.title
    content = {name: whole(value) for name, value in values.items()}
    return {
        "id": now.items.ids[row],
        "title": (title and content[title]) or now.items.ids[row],
        "available": bool(now.available[row]),
        "content": content,
    }


def forget_user(state: ServiceState, who: str, id: str) -> int:
    """Forgets a user; returns how many rows were deleted. The log does not say whom: it stays."""

    def write() -> int:
        deleted = state.ledger.forget(id)
        state.ledger.log(who, "forget user", "")
        return deleted

    deleted = state.recorder.perform(write)
    state.shown.forget(id)
    return deleted


def previous_version(state: ServiceState) -> str | None:
    """The version that was active before this one; None where no other was."""
    before = retained_activations(state.ledger.activations()) if state.ledger.active() else []
    return next((a.version for a in before if a.version != before[0].version), None)


def activate_version(
    state: ServiceState, who: str, name: str, action: str = "activate version"
) -> str:
    """Makes a version the one that answers; returns its place.

    Raises:
        UsageError: there is no such version (code ``not_found``).
        StoreError: it could not be indexed, or another process is building.
    """
    names = [one.name for one in versions(state.workspace)]
    if name not in names:
        raise UsageError(
            f"there is no version {name!r}; there are {', '.join(names)}", code="not_found"
        )
    state.recorder.perform(state.ledger.check_writable)  # before an index is built in vain
    if state.reserve:
        place = build.hand_over(state.workspace, name)
    else:
        place = build.activate(state.workspace, name, state.place)
    state.recorder.perform(lambda: state.ledger.log(who, action, name))
    state.live.refresh(state.settings.write_seconds)  # if that takes longer, it follows later
    return state.folders.hide(place)
