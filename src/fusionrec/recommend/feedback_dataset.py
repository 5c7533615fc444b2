"""What users said since the training, as interactions to train on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fusionrec.data.dataset import Dataset, Table, keep_last_of_pairs
from fusionrec.data.item_files import item_of
from fusionrec.data.schema import Field, Schema
from fusionrec.errors import DataError, UsageError
from fusionrec.features.encoder import Encoder
from fusionrec.ledger import Ledger
from fusionrec.recommend.event_semantics import Pair, current_events, worth
from fusionrec.registry import Artifact

_UNKNOWN: dict[str, Any] = {"number": math.nan, "categories": (), "category": "", "text": ""}

_SUFFIX = " with feedback"


@dataclass(frozen=True)
class _Rows:
    """Interactions between two tables, as a Dataset holds them; there may be none."""

    users: Table
    items: Table
    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    time: np.ndarray | None


def without_feedback(name: str) -> str:
    """The name of the data set that was there before ``with_feedback``; else the name itself."""
    return name.removesuffix(_SUFFIX)


def trained_with(dataset: Dataset, ledger: Ledger, artifact: Artifact) -> Dataset:
    """The data set as a version was trained on it: with the feedback that training took in, if the
    version says so.

    Raises:
        DataError, LedgerError: as of ``with_feedback``.
    """
    if artifact.manifest["data"] != f"{dataset.name}{_SUFFIX}":
        return dataset
    return with_feedback(dataset, ledger, until=artifact.last_event)


def other_data(dataset: Dataset, trained_on: str) -> str:
    """A warning where feedback was given to a version of another data set, else an empty text: an
    id is taken for the same user or item wherever it comes from.

    Args:
        dataset: that it is to be added to.
        trained_on: the name of the active version's data set; empty where that is not known.
    """
    name = without_feedback(trained_on)
    if name in ("", dataset.name, "feedback"):
        return ""
    return (
        f"what users said here was said of {name}: their ids and those of items are taken for "
        f"those of {dataset.name}"
    )


def with_feedback(dataset: Dataset, ledger: Ledger, until: int | None = None) -> Dataset:
    """A data set with what the ledger holds: ratings, likes as the lowest rating that counts as
    liking, dislikes as the lowest rating, the latest one of a user and item alone, by the times of
    data and events; users with their
    profiles; items that were added or changed. Views and hides are no interactions. What users who
    were forgotten rated before is left out.

    Where interactions are events, a like is one more event, which weighs 1; what a user dislikes or
    hides is left out of all that they took, and ratings are left out with a count. Where people
    take items again, everything counts and not the last alone. See ``current_events``.

    Args:
        dataset: the data set.
        ledger: the ledger.
        until: number of the last event that counts; all by default.

    Returns:
        Another data set; its ``repairs`` say what was added and left out, its ``feedback`` is the
        number of the last event in it.

    Raises:
        DataError: nothing is left to train on.
        LedgerError: the ledger cannot be read.
    """
    columns = dataset.user, dataset.item, dataset.rating, dataset.time
    rows, gone = _remembered(_Rows(dataset.users, dataset.items, *columns), ledger)
    name = f"{dataset.name}{_SUFFIX}"
    made = _made(dataset.schema, name, rows, ledger, until)
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
    gone = ledger.forgotten(rows.users.ids)
    if not gone:
        return rows, 0
    stays = np.array([user not in gone for user in rows.users.ids], dtype=bool)
    own, place = stays[rows.user], np.cumsum(stays, dtype=np.int32) - 1
    time = None if rows.time is None else rows.time[own]
    users = rows.users.take(np.flatnonzero(stays))
    left = _Rows(users, rows.items, place[rows.user[own]], rows.item[own], rows.rating[own], time)
    return left, int((~stays).sum())


def _made(
    schema: Schema, name: str, rows: _Rows, ledger: Ledger, until: int | None = None
) -> Dataset:
    items, skipped = _items(rows.items, schema, ledger)
    item_at = items.positions()
    events = [one for one in ledger.events() if until is None or one[0] <= until]
    current = current_events(events, schema)
    readable = [event for _, event in current.opinions if event.item in item_at]
    known = set(rows.users.ids)
    newcomers = [user for user in dict.fromkeys(e.user for e in readable) if user not in known]
    users = _users(rows.users, newcomers, schema, ledger)
    user_at = users.positions()
    own = _wanted(rows, current.refused if schema.events else {}, user_at, item_at)
    user = np.r_[own.user, np.array([user_at[e.user] for e in readable], dtype=np.int32)]
    item = np.r_[own.item, np.array([item_at[e.item] for e in readable], dtype=np.int32)]
    rating = np.r_[own.rating, np.array([worth(e, schema) for e in readable], dtype=np.float32)]
    time = None
    if own.time is not None:
        time = np.r_[own.time, np.array([int(e.time) for e in readable], dtype=np.int64)]
    kept = np.arange(len(user))
    if not schema.repeats:  # of equal times the feedback's, which stands behind the data's
        kept, _ = keep_last_of_pairs(user, item, time)
    columns = user[kept], item[kept], rating[kept], None if time is None else time[kept]
    missing = skipped | {event.item for _, event in current.opinions if event.item not in item_at}
    notes = _notes(schema, len(readable), len(newcomers), len(rows.user) - len(own.user), missing)
    if current.meaningless:
        notes += (f"{current.meaningless:,} ratings left out: this data set is of events",)
    last = events[-1][0] if events else 0
    return Dataset(schema, name, users, items, *columns, notes, feedback=last)


def _notes(
    schema: Schema, added: int, users: int, refused: int, missing: set[str]
) -> tuple[str, ...]:
    notes = [
        f"{added:,} {'events' if schema.events else 'ratings'} added, {users:,} users with them"
    ]
    if refused:
        notes.append(f"{refused:,} events of items that their users refuse left out")
    if missing:
        notes.append(f"{len(missing)} items that the schema or the data set does not know left out")
    return tuple(notes)


def _wanted(
    rows: _Rows, refused: Mapping[Pair, float], users: Mapping[str, int], items: Mapping[str, int]
) -> _Rows:
    """The rows without those of pairs that were refused since."""
    since = {
        users[user] * len(items) + items[item]: at
        for (user, item), at in refused.items()
        if user in users and item in items
    }
    if not since:
        return rows
    pairs = rows.user.astype(np.int64) * len(items) + rows.item
    gone = np.isin(pairs, list(since))
    if rows.time is not None:
        gone[gone] = rows.time[gone] <= [since[pair] for pair in pairs[gone].tolist()]
    stays = ~gone
    time = None if rows.time is None else rows.time[stays]
    return replace(
        rows, user=rows.user[stays], item=rows.item[stays], rating=rows.rating[stays], time=time
    )


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
    profiles, reader, columns = ledger.profiles(), Encoder.empty(schema), {}
    for field in schema.attributes("user"):
        values = [
            _value(reader, field, profiles.get(user, {}).get(field.name)) for user in newcomers
        ]
        columns[field.name] = [*own.columns[field.name], *values]
    return Table([*own.ids, *newcomers], columns)


def _value(reader: Encoder, field: Field, text: str | None) -> Any:
    """A profile's value as a table holds it; unknown where the schema cannot read it."""
    with suppress(UsageError):  # it may have been given for another version
        if text is not None:
            return reader.profile({field.name: text})[field.name]
    return _UNKNOWN[field.kind]
