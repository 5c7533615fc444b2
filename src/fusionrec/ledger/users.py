"""Profiles of users, and what is left of one who is forgotten: a hash."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, delete, func, select, update

from fusionrec.ledger.feedback import events_of
from fusionrec.ledger.records import Impression, Revision, UserState
from fusionrec.ledger.schema import events, forgotten, impressions, in_parts, profiles, schema

# Asked at every answer, and so in the words that every database knows.
_PULSE = """
SELECT (SELECT COALESCE(SUM(times), 0) FROM forgotten)
     + (SELECT COALESCE(SUM(removals), 0) FROM ledger_schema),
       (SELECT COALESCE(MAX(number), 0) FROM events),
       (SELECT COALESCE(MAX(number), -1) FROM profiles)
"""


def revision(connection: Connection) -> Revision:
    gone, event, profile = connection.exec_driver_sql(_PULSE).one()
    return Revision(int(gone), event, profile)


def write_nothing(connection: Connection) -> None:
    """A write like any other, after which all is as it was."""
    connection.execute(update(schema).values(removals=schema.c.removals))


def set_profile(connection: Connection, user: str, profile: Mapping[str, str] | None) -> None:
    last = connection.execute(select(func.coalesce(func.max(profiles.c.number), 0))).scalar_one()
    held = connection.execute(delete(profiles).where(profiles.c.user == user)).rowcount
    if profile is not None:
        # Escaped, since not every database holds every letter.
        content = json.dumps(dict(profile))
        row = {"user": user, "content": content, "number": last + 1}
        connection.execute(profiles.insert().values(row))
    elif held:
        connection.execute(update(schema).values(removals=schema.c.removals + 1))


def profile(connection: Connection, user: str) -> dict[str, str] | None:
    wanted = select(profiles.c.content).where(profiles.c.user == user)
    text = connection.execute(wanted).scalar()
    return None if text is None else json.loads(text)


def all_profiles(connection: Connection) -> dict[str, dict[str, str]]:
    wanted = select(profiles.c.user, profiles.c.content).order_by(profiles.c.user)
    return {user: json.loads(text) for user, text in connection.execute(wanted)}


def heard(connection: Connection, event: int, profile: int) -> frozenset[str]:
    spoke = select(events.c.user).where(events.c.number > event)
    wanted = spoke.union(select(profiles.c.user).where(profiles.c.number > profile))
    return frozenset(connection.execute(wanted).scalars())


def told_by(connection: Connection, user: str) -> UserState:
    return UserState(
        events_of(connection, user), profile(connection, user) or {}, is_forgotten(connection, user)
    )


def forget(connection: Connection, user: str) -> int:
    """Deletes what is known of a user, keeps the hash; gives how many rows went."""
    gone = 0
    for table in (events, impressions, profiles):
        gone += connection.execute(delete(table).where(table.c.user == user)).rowcount
    mark, now = _hash(_salt(connection), user), time.time()
    if not _is_marked(connection, mark):
        connection.execute(forgotten.insert().values(hash=mark, times=1, at=now))
    else:
        again = update(forgotten).where(forgotten.c.hash == mark)
        connection.execute(again.values(times=forgotten.c.times + int(gone > 0), at=now))
    return gone


def not_forgotten_since(
    connection: Connection, given: Sequence[Impression]
) -> Sequence[Impression]:
    """The impressions but those of users who were forgotten after them."""
    salt = _salt(connection)
    marks = {one.user: _hash(salt, one.user) for one in given}
    at: dict[str, float] = {}
    for part in in_parts(list(marks.values())):
        wanted = select(forgotten.c.hash, forgotten.c.at).where(forgotten.c.hash.in_(part))
        at |= {row.hash: row.at for row in connection.execute(wanted)}
    return [one for one in given if one.time > at.get(marks[one.user], -1.0)]


def is_forgotten(connection: Connection, user: str) -> bool:
    return _is_marked(connection, _hash(_salt(connection), user))


def forgotten_of(connection: Connection, ids: Iterable[str]) -> frozenset[str]:
    marks = frozenset(connection.execute(select(forgotten.c.hash)).scalars())
    if not marks:
        return frozenset()
    salt = _salt(connection)
    return frozenset(user for user in ids if _hash(salt, user) in marks)


def _is_marked(connection: Connection, mark: str) -> bool:
    wanted = select(forgotten.c.hash).where(forgotten.c.hash == mark)
    return connection.execute(wanted).first() is not None


def _salt(connection: Connection) -> bytes:
    return bytes.fromhex(connection.execute(select(schema.c.salt)).scalar_one())


def _hash(salt: bytes, user: str) -> str:
    return hmac.new(salt, user.encode(), hashlib.sha256).hexdigest()
