"""What people did: counts of events and impressions, bounded in time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    case,
    cast,
    func,
    literal,
    select,
    union_all,
)

from fusionrec.ledger.records import EventCount, ListsShown
from fusionrec.ledger.schema import events, impressions

_DAY = 86_400


def _day(connection: Connection, time: ColumnElement[float]) -> ColumnElement[int]:
    """The number of a time's day since 1970, UTC."""
    if connection.dialect.name == "sqlite":  # which need not have floor(); a cast cuts
        return cast(time / _DAY, Integer)
    return cast(func.floor(time / _DAY), BigInteger)  # a cast rounds


def events_by_day(
    connection: Connection, since: float, starts: Sequence[float]
) -> list[EventCount]:
    c = events.c
    turns = [(c.time >= start, number) for number, start in reversed(list(enumerate(starts)))]
    turn: ColumnElement[int] = case(*turns, else_=-1) if turns else literal(-1)
    day = _day(connection, c.time).label("day")
    query = select(day, c.kind, turn.label("turn"), func.count().label("count"))
    query = query.where(c.time >= since).group_by("day", c.kind, "turn").order_by("day", c.kind)
    return [
        EventCount(int(number) * _DAY, kind, int(last), int(count))
        for number, kind, last, count in connection.execute(query)
    ]


def lists_by_day(connection: Connection, since: float) -> list[tuple[int, str, int]]:
    c = impressions.c
    day = _day(connection, c.time).label("day")
    query = select(day, c.version, func.count().label("count")).where(c.time >= since)
    rows = connection.execute(query.group_by("day", c.version).order_by("day", c.version))
    return [(int(number) * _DAY, version, int(count)) for number, version, count in rows]


def people_since(connection: Connection, since: float, limit: int) -> dict[str, float]:
    both: list[Any] = [
        select(table.c.user, func.max(table.c.time).label("last"))
        .where(table.c.time >= since)
        .group_by(table.c.user)
        for table in (events, impressions)
    ]
    found = union_all(*both).subquery().c
    last = func.max(found.last).label("last")
    query = select(found.user, last).group_by(found.user).order_by(last.desc()).limit(limit)
    return {row.user: row.last for row in connection.execute(query)}


def items_shown(connection: Connection, since: float, limit: int) -> ListsShown:
    c = impressions.c
    query = select(c["items"], c.time).where(c.time >= since).order_by(c.time.desc()).limit(limit)
    counts: Counter[str] = Counter()
    lists, first = 0, 0.0
    for text, time in connection.execute(query):
        counts.update(json.loads(text))
        lists, first = lists + 1, time
    return ListsShown(lists, first, dict(counts))
