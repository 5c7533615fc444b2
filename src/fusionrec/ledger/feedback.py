"""Events and impressions."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    bindparam,
    delete,
    distinct,
    func,
    null,
    or_,
    select,
    union_all,
)

from fusionrec.ledger.records import Event, Impression, Outcome, RecentActivity
from fusionrec.ledger.schema import chunks, events, impressions

_FIELDS = [column.name for column in events.columns][1:]  # without the number
MOST_SHOWN = 1_000  # impressions of a user that are counted, the newest

# Built once: building a statement takes as long as SQLite's answer.
_BY_ID = select(events).where(events.c.id.in_(bindparam("ids", expanding=True)))


def record(connection: Connection, reported: Sequence[Event]) -> list[Outcome]:
    """Writes the events whose ids are new; returns the outcome of each, in the same order."""
    known: dict[str, Event] = {}
    for ids in chunks(list({event.id for event in reported})):
        known |= {row.id: _event(row) for row in connection.execute(_BY_ID, {"ids": ids})}
    outcomes: list[Outcome] = []
    new: list[Event] = []
    for event in reported:
        before = known.get(event.id)
        if before is not None:
            outcomes.append("known" if before.has_same_content(event) else "other")
            continue
        known[event.id] = event  # the id may repeat within this call
        new.append(event)
        outcomes.append("new")
    if new:
        connection.execute(events.insert(), [asdict(event) for event in new])
    return outcomes


def events_after(connection: Connection, after: int, limit: int | None) -> list[tuple[int, Event]]:
    query = select(events).where(events.c.number > after).order_by(events.c.number).limit(limit)
    return [(row.number, _event(row)) for row in connection.execute(query)]


def events_of(
    connection: Connection, user: str, after: int, limit: int | None
) -> tuple[tuple[int, Event], ...]:
    table = events.c
    query = select(events).where(table.user == user, table.number > after)
    rows = connection.execute(query.order_by(table.number).limit(limit))
    return tuple((row.number, _event(row)) for row in rows)


def newest_events(connection: Connection, user: str, limit: int, offset: int) -> list[Event]:
    query = select(events).where(events.c.user == user).order_by(events.c.number.desc())
    return [_event(row) for row in connection.execute(query.limit(limit).offset(offset))]


def event_kinds(connection: Connection, user: str) -> dict[str, int]:
    kind = events.c.kind
    query = select(kind, func.count()).where(events.c.user == user).group_by(kind).order_by(kind)
    return {name: int(count) for name, count in connection.execute(query)}


def is_event_of(connection: Connection, number: int, user: str) -> bool:
    query = select(events.c.number).where(events.c.number == number, events.c.user == user)
    return connection.execute(query).first() is not None


def recent_activity(
    connection: Connection, since: float, until: float, like: float, least: int
) -> RecentActivity:
    table = events.c
    within = table.time.between(since, until)
    kinds = ("like", "rating") if math.isfinite(like) else ("like",)
    opinion = select(table.number).where(within, table.kind.in_(kinds)).limit(1)
    if connection.execute(opinion).first() is None:
        took = select(table.user, table.item).where(within, table.kind == "view").cte()
    else:
        # Ranked, not compared with each other: one user may have said any number of things.
        order = func.row_number().over(
            partition_by=(table.user, table.item), order_by=(table.time.desc(), table.number.desc())
        )
        said = (
            select(table.user, table.item, table.kind, table.rating, order.label("turn"))
            .where(within, table.kind.in_((*kinds, "dislike", "hide")))
            .subquery()
            .c
        )
        liked = or_(said.kind == "like", said.rating >= like)
        took = select(said.user, said.item).where(said.turn == 1, liked).cte()
    users = func.count(distinct(took.c.user))
    by_item = select(took.c.item, users).group_by(took.c.item).having(users >= least)
    counts = connection.execute(union_all(select(null(), users), by_item))
    [(_, everyone), *takers] = counts
    return RecentActivity(int(everyone), {item: int(count) for item, count in takers})


def _event(row: Row[*tuple[Any, ...]]) -> Event:
    """An event of the table, which was checked when it was recorded: that takes longer than to read
    it.
    """
    event = object.__new__(Event)
    vars(event).update(zip(_FIELDS, row[1:], strict=True))
    return event


def record_impressions(connection: Connection, shown: Sequence[Impression]) -> None:
    if not shown:
        return
    rows = [vars(row) | {"items": json.dumps(row.items)} for row in shown]
    connection.execute(impressions.insert(), rows)


def prune_impressions(connection: Connection, before: float, most: int) -> int:
    old = select(impressions.c.number).where(impressions.c.time < before).limit(most)
    pruned = delete(impressions).where(impressions.c.number.in_(old))
    return connection.execute(pruned).rowcount


def all_impressions(connection: Connection) -> list[tuple[int, Impression]]:
    rows = connection.execute(select(impressions).order_by(impressions.c.number))
    return [
        (number, Impression(answer, user, kind, version, json.loads(items), time))
        for number, answer, user, kind, version, items, time in rows
    ]


def impression_counts(connection: Connection, user: str, since: float) -> dict[str, int]:
    table = impressions.c
    query = select(table["items"]).where(table.user == user, table.time >= since)
    query = query.order_by(table.time.desc()).limit(MOST_SHOWN)
    counts: Counter[str] = Counter()
    for text in connection.execute(query).scalars():
        counts.update(json.loads(text))
    return dict(counts)
