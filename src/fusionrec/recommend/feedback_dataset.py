"""Feedback as interactions to train on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fusionrec.data.dataset import Dataset, Table, keep_last_of_pairs
from fusionrec.data.item_files import item_of
from fusionrec.data.schema import Schema
from fusionrec.errors import DataError
from fusionrec.features.encoder import Encoder
from fusionrec.ledger import Event, Ledger
from fusionrec.recommend.event_semantics import Pair, current_events, worth
from fusionrec.recommend.user_feedback import readable
from fusionrec.registry import Artifact

_UNKNOWN: dict[str, Any] = {"number": math.nan, "categories": (), "category": "", "text": ""}

_SUFFIX = " with feedback"


@dataclass(frozen=True)
class _Rows:
    """Interactions, as a Dataset holds them; there may be none."""

    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    time: np.ndarray | None

    def take(self, kept: np.ndarray) -> _Rows:
        return _Rows(*(None if one is None else one[kept] for one in vars(self).values()))  # type: ignore[arg-type]


def without_feedback(name: str) -> str:
    """The name of a data set before ``with_feedback``."""
    return name.removesuffix(_SUFFIX)


def trained_with(dataset: Dataset, ledger: Ledger, artifact: Artifact) -> Dataset:
    """The data set that a version was trained on: with the feedback of that time, if the version
    took it in.

    Raises:
        DataError, LedgerError: as in ``with_feedback``.
    """
    if artifact.manifest["data"] != f"{dataset.name}{_SUFFIX}":
        return dataset
    return with_feedback(dataset, ledger, until=artifact.last_event)


def other_data(dataset: Dataset, trained_on: str) -> str:
    """A warning if feedback was given to a version of another data set, else an empty text: equal
    ids are taken for the same user or item.

    Args:
        dataset: the data set to which the feedback is added.
        trained_on: the name of the active version's data set; empty if unknown.
    """
    name = without_feedback(trained_on)
    if name in ("", dataset.name, "feedback"):
        return ""
    return (
        f"what users said here was said of {name}: their ids and those of items are taken for "
        f"those of {dataset.name}"
    )


def with_feedback(dataset: Dataset, ledger: Ledger, until: int | None = None) -> Dataset:
    """A data set with the ledger's opinions, the profiles of new users, and added and changed
    items; without what forgotten users rated before.

    The latest opinion of a user and item counts, by the times of data and events; where people take
    items again, all do. Where interactions are events, what a user dislikes or hides is taken out
    of the data too. See ``current_events`` and ``worth``.

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
    rows = _Rows(dataset.user, dataset.item, dataset.rating, dataset.time)
    users, notes = dataset.users, dataset.repairs
    if gone := ledger.forgotten(users.ids):
        stays = np.array([user not in gone for user in users.ids], dtype=bool)
        rows, users = rows.take(stays[rows.user]), users.take(np.flatnonzero(stays))
        rows = replace(rows, user=(np.cumsum(stays, dtype=np.int32) - 1)[rows.user])
        notes = (*notes, f"{len(gone)} users who were forgotten are left out")
    name = f"{dataset.name}{_SUFFIX}"
    made = _made(dataset.schema, name, users, dataset.items, rows, ledger, until)
    return replace(made, repairs=(*notes, *made.repairs), source=dataset.source)


def feedback_alone(schema: Schema, items: Table, ledger: Ledger) -> Dataset:
    """The ledger's opinions as a data set of their own; see ``with_feedback``.

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
    rows = _Rows(none, none, np.empty(0, dtype=np.float32), times)
    return _made(schema, "feedback", nobody, items, rows, ledger)


def _made(
    schema: Schema,
    name: str,
    users: Table,
    items: Table,
    rows: _Rows,
    ledger: Ledger,
    until: int | None = None,
) -> Dataset:
    items, skipped = _items(items, schema, ledger)
    item_at = items.positions()
    events, last = _counting(ledger, until)
    current = current_events(events, schema)
    read = [event for _, event in current.opinions if event.item in item_at]
    known = set(users.ids)
    newcomers = [user for user in dict.fromkeys(e.user for e in read) if user not in known]
    users = _users(users, newcomers, schema, ledger)
    user_at = users.positions()
    own = rows
    if schema.events:
        own = _wanted(rows, current.refused, user_at, item_at)
    time = None
    if own.time is not None:
        time = np.r_[own.time, np.array([int(e.time) for e in read], dtype=np.int64)]
    both = _Rows(
        np.r_[own.user, np.array([user_at[e.user] for e in read], dtype=np.int32)],
        np.r_[own.item, np.array([item_at[e.item] for e in read], dtype=np.int32)],
        np.r_[own.rating, np.array([worth(e, schema) for e in read], dtype=np.float32)],
        time,
    )
    if not schema.repeats:  # at equal times the feedback, which is behind the data
        both = both.take(keep_last_of_pairs(both.user, both.item, both.time)[0])
    what = "events" if schema.events else "ratings"
    notes = [f"{len(read):,} {what} added, {len(newcomers):,} users with them"]
    if refused := len(rows.user) - len(own.user):
        notes.append(f"{refused:,} events of items that their users refuse left out")
    missing = skipped | {event.item for _, event in current.opinions if event.item not in item_at}
    if missing:
        notes.append(f"{len(missing)} items that the schema or the data set does not know left out")
    if current.meaningless:
        notes.append(f"{current.meaningless:,} ratings left out: this data set is of events")
    columns = both.user, both.item, both.rating, both.time
    return Dataset(schema, name, users, items, *columns, tuple(notes), feedback=last)


def _counting(ledger: Ledger, until: int | None) -> tuple[list[tuple[int, Event]], int]:
    """The events that were not taken back, and the number of the last event or retraction, up to
    ``until``.
    """
    bound = math.inf if until is None else until
    # Before the events: a retraction that comes in between is of the next training.
    gone = {of.number: number for number, of in ledger.retractions() if number <= bound}
    events = [one for one in ledger.events() if one[0] <= bound]
    last = max([*gone.values(), *(number for number, _ in events[-1:])], default=0)
    return [one for one in events if one[0] not in gone], last


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
    return rows.take(~gone)


def _items(own: Table, schema: Schema, ledger: Ledger) -> tuple[Table, set[str]]:
    """The items as they are now, and those whose content does not fit the schema."""
    latest = {c.item: c.content for c in ledger.item_changes() if c.content is not None}
    columns = {name: list(column) for name, column in own.columns.items()}
    ids, rows, skipped = list(own.ids), own.positions(), set[str]()
    for id, content in latest.items():
        try:
            item = item_of(schema, id, content)
        except DataError:
            skipped.add(id)
            continue
        row = rows.get(id, len(ids))
        if row == len(ids):
            ids.append(id)
        for name, column in columns.items():
            column[row : row + 1] = [item.content[name]]  # appends at the end
    return Table(ids, columns), skipped


def _users(own: Table, newcomers: list[str], schema: Schema, ledger: Ledger) -> Table:
    stored, encoder = ledger.profiles(), Encoder.empty(schema)
    profiles = [readable(encoder, stored.get(user, {})) for user in newcomers]
    columns = {
        field.name: [
            *own.columns[field.name],
            *(profile.get(field.name, _UNKNOWN[field.kind]) for profile in profiles),
        ]
        for field in schema.attributes("user")
    }
    return Table([*own.ids, *newcomers], columns)
