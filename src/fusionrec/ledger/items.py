"""Activations of versions and changes of items: what answers are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select

from fusionrec.ledger.records import Activation, ItemChange
from fusionrec.ledger.schema import activations, in_parts, item_changes, now

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
    wanted = _ACTIVATION.order_by(activations.c.number.desc()).limit(1)
    row = connection.execute(wanted).first()
    return Activation(*row) if row else None


def stamp(connection: Connection) -> tuple[int, int]:
    """Numbers of the last activation and the last change; 0 for none."""
    last = [
        select(func.coalesce(func.max(table.c.number), 0)).scalar_subquery()
        for table in (activations, item_changes)
    ]
    first, second = connection.execute(select(*last)).one()
    return first, second


class _StoredItem(NamedTuple):
    """What the ledger has of an item.

    Attributes:
        withdrawn: whether it is withdrawn.
        content: as it was last given; None where it never was.
        number: of the change that gave it.
    """

    withdrawn: bool = False
    content: str | None = None
    number: int = 0


def change_items(
    connection: Connection,
    contents: Mapping[str, Content],
    given: Mapping[str, frozenset[str]],
    since: int | None,
    *,
    restore: bool,
) -> int:
    """Writes the changes that change something; gives how many. See ``Ledger.change_items``."""
    held = _held(connection, list(contents))
    rows, at = [], now()
    for item, content in contents.items():
        was = held.get(item, _StoredItem())
        text = None
        if content is not None:
            newer = was.content if since is not None and was.number > since else None
            merged = _merged(content, newer, given.get(item, frozenset()))
            text = json.dumps(merged, sort_keys=True)  # equal contents are equal texts
        withdrawn = text is None or (was.withdrawn and not restore)
        same = was.withdrawn == withdrawn and text in (None, was.content)
        if item not in held or not same:
            rows.append({"item": item, "content": text, "at": at, "withdrawn": int(withdrawn)})
    if rows:
        connection.execute(item_changes.insert(), rows)
    return len(rows)


def _merged(
    content: Mapping[str, Any], newer: str | None, given: frozenset[str]
) -> Mapping[str, Any]:
    """A content with the values of a newer one, if there is one, for attributes that are not
    given.
    """
    values = json.loads(newer) if newer else {}
    return {name: content[name] if name in given else values.get(name, content[name])
            for name in content}  # fmt: skip


def withdrawn(connection: Connection, items: Sequence[str]) -> frozenset[str]:
    """Those of some items that are withdrawn."""
    return frozenset(item for item, held in _held(connection, items).items() if held.withdrawn)


def _held(connection: Connection, items: Sequence[str]) -> dict[str, _StoredItem]:
    """What the ledger has of each item that was ever changed."""
    table = item_changes.c
    found: dict[str, _StoredItem] = {}
    for part in in_parts(items):
        given = {row.item: row for row in _last(connection, part, table.content.is_not(None))}
        for last in _last(connection, part):
            gone = last.content is None or bool(last.withdrawn)
            row = given.get(last.item)
            found[last.item] = (
                _StoredItem(gone, row.content, row.number) if row else _StoredItem(gone)
            )
    return found


def _last(
    connection: Connection, items: Sequence[str], *conditions: ColumnElement[bool]
) -> Sequence[Any]:
    """The last change of each item, of those that meet conditions."""
    table = item_changes.c
    numbers = select(func.max(table.number)).where(table.item.in_(items), *conditions)
    wanted = select(table.number, table.item, table.content, table.withdrawn)
    found = wanted.where(table.number.in_(numbers.group_by(table.item)))
    return connection.execute(found).all()


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
