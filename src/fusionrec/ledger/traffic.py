"""What the service was asked, by minutes and by hours; and searches that found nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace

from sqlalchemy import Connection, and_, delete, func, select, update

from fusionrec.ledger.records import MissedSearch, Traffic
from fusionrec.ledger.schema import chunks, missed_searches, traffic

MINUTE, HOUR = 60, 3_600
# Seconds that sums are kept, by the width of their span.
KEPT = {MINUTE: 86_400, HOUR: 35 * 86_400}

MOST_SEARCHES = 1_000
MOST_LETTERS = 100  # of a search that is kept
SEARCHES_KEPT = 30 * 86_400.0  # seconds since it was asked last


def add_traffic(
    connection: Connection, minutes: Iterable[Traffic], missed: Mapping[str, int], now: float
) -> None:
    """Adds what was counted in some minutes to these, and to their hours; deletes old ones, and
    searches that nobody has asked for a month.
    """
    old_searches = missed_searches.c.last < now - SEARCHES_KEPT
    connection.execute(delete(missed_searches).where(old_searches))
    if missed:
        _add_missed(connection, missed, now)
    sums: dict[tuple[int, int, str], Traffic] = {}
    for one in minutes:
        for width in KEPT:
            part = replace(one, width=width, start=one.start - one.start % width)
            key = width, part.start, part.route
            sums[key] = sums[key] + part if key in sums else part
    c = traffic.c
    for (width, start, route), added in sums.items():
        span = and_(c.width == width, c.start == start, c.route == route)
        before = connection.execute(select(traffic).where(span)).first()
        if before is None:
            connection.execute(traffic.insert().values(_row(added)))
        else:
            whole = Traffic(**before._asdict() | {"latency": _latency(before.latency)}) + added
            connection.execute(update(traffic).where(span).values(_row(whole)))
    for width, seconds in KEPT.items():
        old = and_(c.width == width, c.start < int(now) - seconds - width)
        connection.execute(delete(traffic).where(old))


def traffic_since(connection: Connection, width: int, since: int) -> list[Traffic]:
    c = traffic.c
    query = select(traffic).where(c.width == width, c.start >= since).order_by(c.start, c.route)
    return [
        Traffic(**row._asdict() | {"latency": _latency(row.latency)})
        for row in connection.execute(query)
    ]


def _row(one: Traffic) -> dict[str, object]:
    return asdict(one) | {"latency": json.dumps(one.latency)}


def _latency(text: str) -> dict[int, int]:
    return {int(number): count for number, count in json.loads(text).items()}


def _add_missed(connection: Connection, counts: Mapping[str, int], now: float) -> None:
    """Adds to how often searches were asked. Of more than 1,000 those go that were asked least, of
    these the oldest.
    """
    c = missed_searches.c
    known: dict[str, int] = {}
    for words in chunks(list(counts)):
        rows = connection.execute(select(c.words, c.asked).where(c.words.in_(words)))
        known |= {row.words: row.asked for row in rows}
    for words, count in counts.items():
        values = {"asked": known.get(words, 0) + count, "last": now}
        if words in known:
            connection.execute(update(missed_searches).where(c.words == words).values(values))
        else:
            connection.execute(missed_searches.insert().values(words=words, **values))
    total = connection.execute(select(func.count()).select_from(missed_searches)).scalar_one()
    if total > MOST_SEARCHES:
        order = select(c.words).order_by(c.asked, c.last).limit(total - MOST_SEARCHES)
        least = connection.execute(order).scalars().all()
        for words in chunks(least):
            connection.execute(delete(missed_searches).where(c.words.in_(words)))


def missed_often(
    connection: Connection, since: float, least: int, limit: int
) -> list[MissedSearch]:
    c = missed_searches.c
    query = select(missed_searches).where(c.last >= since, c.asked >= least)
    rows = connection.execute(query.order_by(c.asked.desc(), c.last.desc(), c.words).limit(limit))
    return [MissedSearch(row.words, row.asked, row.last) for row in rows]
