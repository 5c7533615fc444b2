"""Activations of versions, and changes of items."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select

from fusionrec.ledger.records import Activation, ItemChange
from fusionrec.ledger.schema import activations, chunks, item_changes, now

Content = Mapping[str, Any] | None  # of an item, as JSON values; None to withdraw it


def activate(connection: Connection, version: str, place: str, changes: int, name: str) -> None:
    connection.execute(
        activations.insert().values(
            version=version, place=place, at=now(), changes=changes, collection=name
        )
    )


_ACTIVATION = select(*[activations.c[field.name] for field in fields(Activation)])


def all_activations(connection: Connection) -> list[Activation]:
    rows = connection.execute(_ACTIVATION.order_by(activations.c.number))
    return [Activation(*row) for row in rows]


def last_activation(connection: Connection) -> Activation | None:
    newest = _ACTIVATION.order_by(activations.c.number.desc()).limit(1)
    row = connection.execute(newest).first()
    return Activation(*row) if row else None


def stamp(connection: Connection) -> tuple[int, int]:
    """Numbers of the last activation and the last change; 0 for none."""
    numbers = [
        select(func.coalesce(func.max(table.c.number), 0)).scalar_subquery()
        for table in (activations, item_changes)
    ]
    activation, change = connection.execute(select(*numbers)).one()
    return activation, change


class _StoredItem(NamedTuple):
    """The state of an item in the ledger.

    Attributes:
        withdrawn: whether it is withdrawn.
        content: the last one, as JSON; None where there is none.
        number: of the change with that content.
    """

    withdrawn: bool = False
    content: str | None = None
    number: int = 0


def change_items(
    connection: Connection,
    contents: Mapping[str, Content],
    changed: Mapping[str, frozenset[str]],
    since: int | None,
    *,
    restore: bool,
) -> int:
    """Writes changes, returns how many were written. See ``Ledger.change_items``."""
    stored = _stored_items(connection, list(contents))
    rows, at = [], now()
    for item, content in contents.items():
        before = stored.get(item, _StoredItem())
        text = None
        if content is not None:
            newer = before.content if since is not None and before.number > since else None
            # Attributes that the change does not name keep what was written since.
            values, named = json.loads(newer or "{}"), changed.get(item, frozenset())
            merged = {n: v if n in named else values.get(n, v) for n, v in content.items()}
            text = json.dumps(merged, sort_keys=True)  # equal contents are equal texts
        withdrawn = text is None or (before.withdrawn and not restore)
        same = before.withdrawn == withdrawn and text in (None, before.content)
        if item not in stored or not same:
            rows.append({"item": item, "content": text, "at": at, "withdrawn": int(withdrawn)})
    if rows:
        connection.execute(item_changes.insert(), rows)
    return len(rows)


def withdrawn(connection: Connection, items: Sequence[str]) -> frozenset[str]:
    """Those of some items that are withdrawn."""
    stored = _stored_items(connection, items)
    return frozenset(item for item, state in stored.items() if state.withdrawn)


def _stored_items(connection: Connection, items: Sequence[str]) -> dict[str, _StoredItem]:
    """The state of each item that was ever changed."""
    table = item_changes.c
    stored: dict[str, _StoredItem] = {}
    for chunk in chunks(items):
        contents = {row.item: row for row in _last(connection, chunk, table.content.is_not(None))}
        for last in _last(connection, chunk):
            withdrawn = last.content is None or bool(last.withdrawn)
            row = contents.get(last.item)
            stored[last.item] = (
                _StoredItem(withdrawn, row.content, row.number) if row else _StoredItem(withdrawn)
            )
    return stored


def _last(
    connection: Connection, items: Sequence[str], *conditions: ColumnElement[bool]
) -> Sequence[Any]:
    """The last change of each item, among those that meet the conditions."""
    table = item_changes.c
    numbers = select(func.max(table.number)).where(table.item.in_(items), *conditions)
    rows = select(table.number, table.item, table.content, table.withdrawn)
    last = rows.where(table.number.in_(numbers.group_by(table.item)))
    return connection.execute(last).all()


def changes_after(connection: Connection, after: int) -> list[ItemChange]:
    table = item_changes.c
    rows = connection.execute(
        select(table.number, table.item, table.content, table.withdrawn)
        .where(table.number > after)
        .order_by(table.number)
    )
    return [
        ItemChange(number, item, json.loads(text) if text else None, bool(withdrawn))
        for number, item, text, withdrawn in rows
    ]
