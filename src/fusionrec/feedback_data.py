"""What users said since the training, as interactions to train on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fusionrec.data.dataset import Dataset, Table, keep_last_of_pairs
from fusionrec.data.items import item_of
from fusionrec.data.schema import Field, Schema
from fusionrec.errors import DataError
from fusionrec.ledger import Event, Ledger

_UNKNOWN: dict[str, Any] = {"number": math.nan, "categories": (), "category": "", "text": ""}

_SUFFIX = " with feedback"

# Ratings, by outside ids of user and item: the rating and when it was given, in seconds since 1970.
Ratings = Mapping[tuple[str, str], tuple[float, int]]


@dataclass(frozen=True)
class _Rows:
    """Interactions between two tables, as a Dataset holds them; there may be none."""

    users: Table
    items: Table
    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    time: np.ndarray | None


def other_data(dataset: Dataset, trained_on: str) -> str:
    """A warning where feedback was given to a version of another data set, else an empty text: an
    id is taken for the same user or item wherever it comes from.

    Args:
        dataset: that it is to be added to.
        trained_on: the name of the active version's data set; empty where that is not known.
    """
    name = trained_on.removesuffix(_SUFFIX)
    if name in ("", dataset.name, "feedback"):
        return ""
    return (
        f"what users said here was said of {name}: their ids and those of items are taken for "
        f"those of {dataset.name}"
    )


def with_feedback(dataset: Dataset, ledger: Ledger) -> Dataset:
    """A data set with what the ledger holds: ratings, likes as the lowest rating that counts as
    liking, dislikes as the lowest rating, the last one of a user and item alone; users with their
    profiles; items that were added or changed. Views and hides are no interactions. What users who
    were forgotten rated before is left out.

    Returns:
        Another data set; its ``repairs`` say what was added and left out.

    Raises:
        DataError: nothing is left to train on.
        LedgerError: the ledger cannot be read.
    """
    columns = dataset.user, dataset.item, dataset.rating, dataset.time
    rows, gone = _remembered(_Rows(dataset.users, dataset.items, *columns), ledger)
    name = f"{dataset.name}{_SUFFIX}"
    made = _made(dataset.schema, name, rows, ledger)
    note = (f"{gone} users who were forgotten are left out",) if gone else ()
    return replace(made, repairs=(*dataset.repairs, *note, *made.repairs))


def feedback_alone(schema: Schema, items: Table, ledger: Ledger) -> Dataset:
    """What the ledger holds as a data set of its own; see ``with_feedback``.

    Args:
        schema: of users and items.
        items: those that users may have rated.
        ledger: the ledger.

    Raises:
        DataError: nobody has rated anything yet.
        LedgerError: the ledger cannot be read.
    """
    nobody = Table([], {field.name: [] for field in schema.attributes("user")})
    none, times = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64)
    rows = _Rows(nobody, items, none, none, np.empty(0, dtype=np.float32), times)
    return _made(schema, "feedback", rows, ledger)


def _remembered(rows: _Rows, ledger: Ledger) -> tuple[_Rows, int]:
    """The rows without users who were forgotten, and how many these are."""
    if not ledger.forgets():
        return rows, 0
    stays = np.array([not ledger.is_forgotten(user) for user in rows.users.ids], dtype=bool)
    own, place = stays[rows.user], np.cumsum(stays, dtype=np.int32) - 1
    time = None if rows.time is None else rows.time[own]
    users = rows.users.take(np.flatnonzero(stays))
    left = _Rows(users, rows.items, place[rows.user[own]], rows.item[own], rows.rating[own], time)
    return left, int((~stays).sum())


def _made(schema: Schema, name: str, rows: _Rows, ledger: Ledger) -> Dataset:
    items, skipped = _items(rows.items, schema, ledger)
    item_at = items.positions()
    said = opinions((event for _, event in ledger.events()), schema)
    ratings = {pair: given for pair, given in said.items() if pair[1] in item_at}
    known = set(rows.users.ids)
    newcomers = [user for user in dict.fromkeys(user for user, _ in ratings) if user not in known]
    users = _users(rows.users, newcomers, schema, ledger)
    user_at = users.positions()
    user = np.r_[rows.user, np.array([user_at[u] for u, _ in ratings], dtype=np.int32)]
    item = np.r_[rows.item, np.array([item_at[i] for _, i in ratings], dtype=np.int32)]
    given = [rating for rating, _ in ratings.values()]
    rating = np.r_[rows.rating, np.array(given, dtype=np.float32)]
    time = None
    if rows.time is not None:
        time = np.r_[rows.time, np.array([at for _, at in ratings.values()], dtype=np.int64)]
    # By their order: what was said since counts, whatever the clocks say.
    kept, _ = keep_last_of_pairs(user, item, None)
    columns = user[kept], item[kept], rating[kept], None if time is None else time[kept]
    missing = skipped | {item for _, item in said if item not in item_at}
    notes = [f"{len(ratings):,} ratings added, {len(newcomers):,} users with them"]
    if missing:
        notes.append(f"{len(missing)} items that the schema or the data set does not know left out")
    return Dataset(schema, name, users, items, *columns, tuple(notes))


def opinions(events: Iterable[Event], schema: Schema) -> Ratings:
    """The ratings that events come to, each pair of user and item once, by the last event."""
    low, high = schema.rating_range
    worth = {"like": schema.like, "dislike": low}
    found: dict[tuple[str, str], tuple[float, int]] = {}
    for event in events:
        rating = event.rating if event.kind == "rating" else worth.get(event.kind)
        if rating is not None:
            pair = (event.user, event.item)
            found.pop(pair, None)
            found[pair] = (min(max(rating, low), high), int(event.time))
    return found


def _items(own: Table, schema: Schema, ledger: Ledger) -> tuple[Table, set[str]]:
    """The items as they are now; and those whose content does not fit the schema."""
    latest = {c.item: c.content for c in ledger.item_changes() if c.content is not None}
    columns = {name: list(column) for name, column in own.columns.items()}
    ids, rows, skipped = list(own.ids), own.positions(), set[str]()
    for id, content in latest.items():
        try:
            item = item_of(schema, id, content)
        except DataError:
            skipped.add(id)
            continue
        row = rows.get(id)
        if row is None:
            ids.append(id)
        for name, column in columns.items():
            if row is None:
                column.append(item.content[name])
            else:
                column[row] = item.content[name]
    return Table(ids, columns), skipped


def _users(own: Table, newcomers: list[str], schema: Schema, ledger: Ledger) -> Table:
    profiles = ledger.profiles()
    columns = {}
    for field in schema.attributes("user"):
        told = [_value(field, profiles.get(user, {}).get(field.name)) for user in newcomers]
        columns[field.name] = [*own.columns[field.name], *told]
    return Table([*own.ids, *newcomers], columns)


def _value(field: Field, text: str | None) -> Any:
    """A profile's value, which was checked when it was given, as a table holds it."""
    if text is None:
        return _UNKNOWN[field.kind]
    if field.kind == "number":
        return float(text)
    return tuple(one.strip() for one in text.split(",")) if field.kind == "categories" else text
