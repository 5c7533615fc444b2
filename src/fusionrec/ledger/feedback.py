"""Events and impressions: what someone said or did, and what was shown before."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, distinct, func, or_, select

from fusionrec.ledger.records import Event, Impression, Outcome, Recent
from fusionrec.ledger.schema import events, impressions, in_parts

# Made once: making them takes as long as SQLite's answer.
_HELD = select(events).where(events.c.id.in_(bindparam("ids", expanding=True)))
_LAST = select(func.coalesce(func.max(events.c.number), 0))


def record(connection: Connection, given: Sequence[Event]) -> list[Outcome]:
    """Writes the events whose ids are new; what became of each, in the same order."""
    held = _held(connection, [event.id for event in given])
    outcomes: list[Outcome] = []
    new: list[Event] = []
    for event in given:
        before = held.get(event.id)
        if before is not None:
            outcomes.append("known" if before.says_the_same(event) else "other")
            continue
        held[event.id] = event  # it may come again in this call
        new.append(event)
        outcomes.append("new")
    if new:
        connection.execute(events.insert(), [asdict(event) for event in new])
    return outcomes


def _held(connection: Connection, ids: Sequence[str]) -> dict[str, Event]:
    found = {}
    for part in in_parts(list(dict.fromkeys(ids))):
        for row in connection.execute(_HELD, {"ids": part}):
            found[row.id] = _event(row)
    return found


def last_event(connection: Connection) -> int:
    return int(connection.execute(_LAST).scalar_one())


def event_count(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(events)).scalar_one())


def events_after(connection: Connection, after: int, limit: int | None) -> list[tuple[int, Event]]:
    wanted = select(events).where(events.c.number > after).order_by(events.c.number).limit(limit)
    return [(row.number, _event(row)) for row in connection.execute(wanted)]


def events_of(connection: Connection, user: str) -> tuple[tuple[int, Event], ...]:
    wanted = select(events).where(events.c.user == user).order_by(events.c.number)
    return tuple((row.number, _event(row)) for row in connection.execute(wanted))


def recent(connection: Connection, since: float, until: float, like: float, least: int) -> Recent:
    table, later = events.c, events.alias().c
    within = table.time.between(since, until)
    kinds = ("like", "rating") if math.isfinite(like) else ("like",)
    said = select(table.number).where(within, table.kind.in_(kinds)).limit(1)
    if connection.execute(said).first() is None:
        took = and_(within, table.kind == "view")
    else:
        again = or_(later.time > table.time,
                    and_(later.time == table.time, later.number > table.number))  # fmt: skip
        taken_back = select(later.number).where(
            later.user == table.user,
            later.item == table.item,
            later.kind.in_((*kinds, "dislike", "hide")),
            later.time <= until,
            again,
        )
        liked = or_(table.kind == "like", table.rating >= like)
        took = and_(within, liked, ~taken_back.exists())
    users = func.count(distinct(table.user))
    by_item = select(table.item, users).where(took).group_by(table.item).having(users >= least)
    takers = {item: int(count) for item, count in connection.execute(by_item)}
    return Recent(int(connection.execute(select(users).where(took)).scalar_one()), takers)


def _event(row: Row[*tuple[Any, ...]]) -> Event:
    return Event(row.id, row.user, row.item, row.kind, row.rating, row.time)


def show(connection: Connection, given: Sequence[Impression]) -> None:
    if not given:
        return
    rows = [vars(one) | {"items": json.dumps(one.items)} for one in given]
    connection.execute(impressions.insert(), rows)


def impressions_after(
    connection: Connection, after: int, limit: int | None
) -> list[tuple[int, Impression]]:
    table = impressions.c
    wanted = select(impressions).where(table.number > after).order_by(table.number).limit(limit)
    return [
        (
            row.number,
            Impression(
                row.answer, row.user, row.kind, row.version, json.loads(row.items), row.time
            ),
        )
        for row in connection.execute(wanted)
    ]


def shown_counts(connection: Connection, user: str, since: float) -> dict[str, int]:
    table = impressions.c
    wanted = select(table["items"]).where(table.user == user, table.time >= since)
    counts: Counter[str] = Counter()
    for text in connection.execute(wanted).scalars():
        counts.update(json.loads(text))
    return dict(counts)
