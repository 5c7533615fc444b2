"""Profiles of users, and forgetting users: only a salted hash of the id stays."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, delete, func, select, update

from fusionrec.ledger.feedback import events_of, is_event_of, last_retraction
from fusionrec.ledger.records import Impression, Revision, UserState
from fusionrec.ledger.schema import chunks, events, forgotten, id_of, impressions, profiles, schema

# Runs at every answer, so it is not built each time.
_REVISION = """
SELECT (SELECT COALESCE(SUM(times), 0) FROM forgotten)
     + (SELECT COALESCE(SUM(removals), 0) FROM ledger_schema),
       (SELECT COALESCE(MAX(number), 0) FROM events),
       (SELECT COALESCE(MAX(number), -1) FROM profiles),
       (SELECT MAX(salt) FROM ledger_schema)
"""


def revision(connection: Connection) -> tuple[Revision, str]:
    """The revision, and the ledger's id: its tables may be emptied, or made anew, at any time."""
    removals, event, profile, salt = connection.exec_driver_sql(_REVISION).one()
    return Revision(int(removals), event, profile), id_of(salt) if salt else ""


def write_nothing(connection: Connection) -> None:
    """Writes a row without changing it, to test whether the database can be written."""
    connection.execute(update(schema).values(removals=schema.c.removals))


def set_profile(connection: Connection, user: str, profile: Mapping[str, str] | None) -> None:
    last = connection.execute(select(func.coalesce(func.max(profiles.c.number), 0))).scalar_one()
    removed = connection.execute(delete(profiles).where(profiles.c.user == user)).rowcount
    if profile is not None:
        # Escaped as ASCII: PostgreSQL stores neither NUL nor lone surrogates.
        content = json.dumps(dict(profile))
        row = {"user": user, "content": content, "number": last + 1}
        connection.execute(profiles.insert().values(row))
    elif removed:
        connection.execute(update(schema).values(removals=schema.c.removals + 1))


def profile(connection: Connection, user: str) -> dict[str, str] | None:
    query = select(profiles.c.content).where(profiles.c.user == user)
    text = connection.execute(query).scalar()
    return None if text is None else json.loads(text)


def all_profiles(connection: Connection) -> dict[str, dict[str, str]]:
    query = select(profiles.c.user, profiles.c.content).order_by(profiles.c.user)
    return {user: json.loads(text) for user, text in connection.execute(query)}


def users_changed_since(
    connection: Connection, event: int, profile: int, until: tuple[int, int] | None
) -> frozenset[str]:
    said, given = events.c.number > event, profiles.c.number > profile
    if until is not None:
        said, given = said & (events.c.number <= until[0]), given & (profiles.c.number <= until[1])
    query = select(events.c.user).where(said).union(select(profiles.c.user).where(given))
    return frozenset(connection.execute(query).scalars())


def user_state(connection: Connection, user: str, after: int, limit: int | None) -> UserState:
    # Looked at before the events: what is retracted in between is seen next time.
    retraction = last_retraction(connection, user)
    events = events_of(connection, user, after, limit)
    # Looked at after the events: where it is there now, all that was read belongs together.
    if after and not is_event_of(connection, after, user):
        after, events = 0, events_of(connection, user, 0, limit)
    known = profile(connection, user) or {}
    return UserState(events, known, is_forgotten(connection, user), after, retraction)


def forget(connection: Connection, user: str) -> int:
    """Deletes a user's rows and keeps the hash of the id; returns the number of deleted rows."""
    deleted = 0
    for table in (events, impressions, profiles):
        deleted += connection.execute(delete(table).where(table.c.user == user)).rowcount
    hashed, now = _hash(_salt(connection), user), time.time()
    times = forgotten.c.times + int(deleted > 0)
    again = update(forgotten).where(forgotten.c.hash == hashed).values(times=times, at=now)
    if not connection.execute(again).rowcount:
        connection.execute(forgotten.insert().values(hash=hashed, times=1, at=now))
    return deleted


def without_forgotten(connection: Connection, shown: Sequence[Impression]) -> Sequence[Impression]:
    """The impressions without those of users who were forgotten after them."""
    salt = _salt(connection)
    hashes = {row.user: _hash(salt, row.user) for row in shown}
    forgotten_at: dict[str, float] = {}
    for chunk in chunks(list(hashes.values())):
        query = select(forgotten.c.hash, forgotten.c.at).where(forgotten.c.hash.in_(chunk))
        forgotten_at |= {row.hash: row.at for row in connection.execute(query)}
    return [row for row in shown if row.time > forgotten_at.get(hashes[row.user], -1.0)]


def is_forgotten(connection: Connection, user: str) -> bool:
    query = select(forgotten.c.hash).where(forgotten.c.hash == _hash(_salt(connection), user))
    return connection.execute(query).first() is not None


def forgotten_of(connection: Connection, ids: Iterable[str]) -> frozenset[str]:
    hashes = frozenset(connection.execute(select(forgotten.c.hash)).scalars())
    if not hashes:
        return frozenset()
    salt = _salt(connection)
    return frozenset(user for user in ids if _hash(salt, user) in hashes)


def _salt(connection: Connection) -> bytes:
    return bytes.fromhex(connection.execute(select(schema.c.salt)).scalar_one())


def _hash(salt: bytes, user: str) -> str:
    return hmac.new(salt, user.encode(), hashlib.sha256).hexdigest()
