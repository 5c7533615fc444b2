"""Keys to the service. The ledger stores only the hashes of their secrets."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from fusionrec.errors import UsageError
from fusionrec.ledger.records import Key
from fusionrec.ledger.schema import keys, now

_PREFIX = "frk_"  # makes a leaked secret recognizable

_SECRET = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}")  # 32 bytes as token_urlsafe writes them


def is_secret(text: str) -> bool:
    """Whether a text has the form of a key's secret."""
    return _SECRET.fullmatch(text) is not None


def add_key(connection: Connection, name: str, scopes: Iterable[str]) -> str:
    """Makes a key and returns its secret."""
    if connection.execute(select(keys.c.name).where(keys.c.name == name)).first():
        raise UsageError(
            f"there is a key named {name!r}", hint="take another name, or remove that key before"
        )
    secret = _PREFIX + secrets.token_urlsafe(32)
    row = {
        "name": name,
        "hash": secret_hash(secret),
        "scopes": " ".join(sorted(scopes)),
        "at": now(),
    }
    connection.execute(keys.insert().values(row))
    return secret


def all_keys(connection: Connection) -> list[Key]:
    return [_key(row) for row in connection.execute(select(keys).order_by(keys.c.name))]


def remove_key(connection: Connection, name: str) -> None:
    if not connection.execute(delete(keys).where(keys.c.name == name)).rowcount:
        known = ", ".join(key.name for key in all_keys(connection)) or "none"
        raise UsageError(f"there is no key named {name!r}", hint=f"there are: {known}")


def key_of(connection: Connection, secret: str) -> Key | None:
    # Looking up the hash leaks nothing of the secret through timing. 32 random bytes need no slow
    # hash.
    row = connection.execute(select(keys).where(keys.c.hash == secret_hash(secret))).first()
    return None if row is None else _key(row)


def _key(row: Row[*tuple[Any, ...]]) -> Key:
    return Key(row.name, frozenset(row.scopes.split()), row.at)


def secret_hash(secret: str) -> str:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
