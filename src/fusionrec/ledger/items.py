"""Activations of versions and changes of items: what answers are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, func, select

from fusionrec.ledger.records import Activation, ItemChange
from fusionrec.ledger.tables import activations, in_parts, item_changes, now


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


def change_items(connection: Connection, contents: Mapping[str, str | None]) -> int:
    """Writes the changes that change something; gives how many."""
    held = _held(connection, list(contents))
    at = now()
    rows = [
        {"item": item, "content": content, "at": at}
        for item, content in contents.items()
        if item not in held or held[item] != content
    ]
    if rows:
        connection.execute(item_changes.insert(), rows)
    return len(rows)


def _held(connection: Connection, items: list[str]) -> dict[str, str | None]:
    """The last content of each item that was ever changed."""
    table = item_changes.c
    found: dict[str, str | None] = {}
    for part in in_parts(items):
        last = select(func.max(table.number)).where(table.item.in_(part)).group_by(table.item)
        wanted = select(table.item, table.content).where(table.number.in_(last))
        for item, content in connection.execute(wanted):
            found[item] = content
    return found


def changes_after(connection: Connection, after: int) -> list[ItemChange]:
    table = item_changes.c
    rows = connection.execute(
        select(table.number, table.item, table.content)
        .where(table.number > after)
        .order_by(table.number)
    )
    return [ItemChange(n, item, json.loads(text) if text else None) for n, item, text in rows]


def as_text(content: Mapping[str, Any] | None) -> str | None:
    """Content as the ledger keeps it: equal contents are equal texts."""
    return None if content is None else json.dumps(content, sort_keys=True)
