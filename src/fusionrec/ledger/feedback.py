"""Events and impressions."""

from __future__ import annotations

import json
import math
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    bindparam,
    delete,
    distinct,
    exists,
    func,
    null,
    or_,
    select,
    union_all,
)

from fusionrec.ledger.records import Event, Impression, Outcome, RecentActivity, Retraction
from fusionrec.ledger.schema import chunks, events, impressions

_FIELDS = [column.name for column in events.columns][1:-1]  # of an Event
RETRACTION = "retraction"  # the kind of a row that takes another one back
MOST_SHOWN = 1_000  # impressions of a user that are counted, the newest

# Built once: building a statement takes as long as SQLite's answer.
_BY_ID = select(events).where(events.c.id.in_(bindparam("ids", expanding=True)))
_RETRACTED = select(events.c.retracts).where(
    events.c.retracts.in_(bindparam("numbers", expanding=True))
)
_later = events.alias("later")
_counts: ColumnElement[bool] = events.c.retracts.is_(None) & ~exists(
    select(_later.c.number).where(_later.c.retracts == events.c.number)
)


def record(connection: Connection, reported: Sequence[Event]) -> list[Outcome]:
    """Writes the events whose ids are new; returns the outcome of each, in the same order."""
    known: dict[str, Event] = {}
    retracted = set[str]()
    for ids in chunks(list({event.id for event in reported})):
        found = {row.number: _event(row) for row in connection.execute(_BY_ID, {"ids": ids})}
        known |= {event.id: event for event in found.values()}
        gone = connection.execute(_RETRACTED, {"numbers": list(found)}).scalars() if found else ()
        retracted |= {found[number].id for number in gone}
    outcomes: list[Outcome] = []
    new: list[Event] = []
    for event in reported:
        before = known.get(event.id)
        if before is not None:
            same: Outcome = "retracted" if event.id in retracted else "known"
            outcomes.append(same if before.has_same_content(event) else "other")
            continue
        known[event.id] = event  # the id may repeat within this call
        new.append(event)
        outcomes.append("new")
    if new:
        connection.execute(events.insert(), [asdict(event) for event in new])
    return outcomes


def retract(connection: Connection, user: str, id: str) -> bool:
    """Takes back an event of a user, once; returns whether there is such an event."""
    table = events.c
    query = select(events).where(table.id == id, table.user == user, table.retracts.is_(None))
    row = connection.execute(query).first()
    if row is None:
        return False
    if connection.execute(_RETRACTED, {"numbers": [row.number]}).first() is None:
        about = {"id": uuid.uuid4().hex, "user": user, "item": row.item, "kind": RETRACTION}
        about |= {"rating": None, "time": time.time(), "retracts": row.number}
        connection.execute(events.insert().values(about))
    return True


def all_retractions(connection: Connection) -> list[tuple[int, Retraction]]:
    event = events.alias("event")
    table, of = events.c, event.c
    columns = table.number, of.id, of.number, of.user, table.time
    query = select(*columns).join_from(events, event, table.retracts == of.number)
    rows = connection.execute(query.order_by(table.number))
    return [(number, Retraction(*about)) for number, *about in rows]


def last_retraction(connection: Connection, user: str) -> int:
    table = events.c
    query = select(func.max(table.number)).where(table.user == user, table.retracts.is_not(None))
    return connection.execute(query).scalar() or 0


def events_after(connection: Connection, after: int, limit: int | None) -> list[tuple[int, Event]]:
    table = events.c
    query = select(events).where(table.number > after, table.retracts.is_(None))
    rows = connection.execute(query.order_by(table.number).limit(limit))
    return [(row.number, _event(row)) for row in rows]


def events_of(
    connection: Connection, user: str, after: int, limit: int | None
) -> tuple[tuple[int, Event], ...]:
    table = events.c
    query = select(events).where(table.user == user, table.number > after, _counts)
    rows = connection.execute(query.order_by(table.number).limit(limit))
    return tuple((row.number, _event(row)) for row in rows)


def newest_events(
    connection: Connection, user: str, limit: int, offset: int, items: Sequence[str] | None
) -> list[Event]:
    query = select(events).where(events.c.user == user, _counts).order_by(events.c.number.desc())
    if items is not None:
        query = query.where(events.c.item.in_(items))
    return [_event(row) for row in connection.execute(query.limit(limit).offset(offset))]


def event_kinds(connection: Connection, user: str) -> dict[str, int]:
    kind = events.c.kind
    query = select(kind, func.count()).where(events.c.user == user, _counts)
    query = query.group_by(kind).order_by(kind)
    return {name: int(count) for name, count in connection.execute(query)}


def is_event_of(connection: Connection, number: int, user: str) -> bool:
    query = select(events.c.number).where(events.c.number == number, events.c.user == user)
    return connection.execute(query).first() is not None


def recent_activity(
    connection: Connection, since: float, until: float, like: float, least: int
) -> RecentActivity:
    table = events.c
    within = table.time.between(since, until) & _counts
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
    vars(event).update(zip(_FIELDS, row[1:-1], strict=True))
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
