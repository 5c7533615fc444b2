"""Events and impressions."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, distinct, func, or_, select

from fusionrec.ledger.records import Event, Impression, Outcome, RecentActivity
from fusionrec.ledger.schema import chunks, events, impressions

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


def events_of(connection: Connection, user: str) -> tuple[tuple[int, Event], ...]:
    query = select(events).where(events.c.user == user).order_by(events.c.number)
    return tuple((row.number, _event(row)) for row in connection.execute(query))


def recent_activity(
    connection: Connection, since: float, until: float, like: float, least: int
) -> RecentActivity:
    table, later = events.c, events.alias().c
    within = table.time.between(since, until)
    kinds = ("like", "rating") if math.isfinite(like) else ("like",)
    opinion = select(table.number).where(within, table.kind.in_(kinds)).limit(1)
    if connection.execute(opinion).first() is None:
        took = and_(within, table.kind == "view")
    else:
        is_later = or_(later.time > table.time,
                       and_(later.time == table.time, later.number > table.number))  # fmt: skip
        taken_back = select(later.number).where(
            later.user == table.user,
            later.item == table.item,
            later.kind.in_((*kinds, "dislike", "hide")),
            later.time <= until,
            is_later,
        )
        liked = or_(table.kind == "like", table.rating >= like)
        took = and_(within, liked, ~taken_back.exists())
    users = func.count(distinct(table.user))
    by_item = select(table.item, users).where(took).group_by(table.item).having(users >= least)
    takers = {item: int(count) for item, count in connection.execute(by_item)}
    return RecentActivity(int(connection.execute(select(users).where(took)).scalar_one()), takers)


def _event(row: Row[*tuple[Any, ...]]) -> Event:
    return Event(row.id, row.user, row.item, row.kind, row.rating, row.time)


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
    counts: Counter[str] = Counter()
    for text in connection.execute(query).scalars():
        counts.update(json.loads(text))
    return dict(counts)
