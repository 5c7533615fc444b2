"""Sessions of those who run the service, and the log of what they did. Of a session's secret only
the hash is stored; no row of the log is ever changed or deleted.
"""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, delete, select

from fusionrec.ledger.keys import key_of, secret_hash
from fusionrec.ledger.records import Key, LogEntry
from fusionrec.ledger.schema import admin_log, keys, now, sessions


def open_session(connection: Connection, secret: str, at: float, until: float) -> str | None:
    """The secret of a new session of the key with a secret; None where there is no such key.
    Drops the sessions that have ended.
    """
    if key_of(connection, secret) is None:
        return None
    connection.execute(delete(sessions).where(sessions.c.until <= at))
    made = secrets.token_urlsafe(32)
    row = {"hash": secret_hash(made), "key_hash": secret_hash(secret), "until": until}
    connection.execute(sessions.insert().values(row))
    return made


def session_key(connection: Connection, session: str, at: float) -> Key | None:
    """The key of a session, unless it has ended or its key is gone."""
    query = select(keys.c.name, keys.c.scopes, keys.c.at).join(
        sessions, sessions.c.key_hash == keys.c.hash
    )
    held = (sessions.c.hash == secret_hash(session)) & (sessions.c.until > at)
    row = connection.execute(query.where(held)).first()
    return None if row is None else Key(row.name, frozenset(row.scopes.split()), row.at)


def close_session(connection: Connection, session: str) -> None:
    connection.execute(delete(sessions).where(sessions.c.hash == secret_hash(session)))


def log(connection: Connection, who: str, action: str, what: str) -> None:
    row = {"at": now(), "who": who, "action": action, "object": what}
    connection.execute(admin_log.insert().values(row))


def log_entries(connection: Connection, limit: int, offset: int) -> list[LogEntry]:
    columns = admin_log.c
    query = select(columns.at, columns.who, columns.action, columns.object)
    newest = query.order_by(columns.number.desc()).limit(limit).offset(offset)
    return [LogEntry(*row) for row in connection.execute(newest)]
