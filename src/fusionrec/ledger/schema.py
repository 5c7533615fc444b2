"""The ledger's tables, and the migration of older ones."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    inspect,
    select,
    text,
)
from sqlalchemy.schema import CreateColumn

from fusionrec.errors import LedgerError
from fusionrec.ledger.records import MAX_ID_LENGTH

_CHUNK_SIZE = 500  # values in one condition

# 1: only activations and item_changes, without a schema number. New tables and columns need a new
# number here and nothing else; any other change needs code in `migrate`.
SCHEMA = 7

_Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite increments only an INTEGER
_Id = String(MAX_ID_LENGTH)
_METADATA = MetaData()
_RETRACTS = text("retracts IS NOT NULL")  # few rows: an index of these alone takes no space
_FEW: dict[str, Any] = {"sqlite_where": _RETRACTS, "postgresql_where": _RETRACTS}


def _table(name: str, *columns: Column[Any] | Index) -> Table:
    # AUTOINCREMENT never reuses the number of a deleted row.
    return Table(name, _METADATA, *columns, sqlite_autoincrement=True)


def _number() -> Column[Any]:
    return Column("number", _Number, primary_key=True, autoincrement=True)


def _text(name: str, kind: String = _Id, *, primary_key: bool = False) -> Column[Any]:
    return Column(name, kind, nullable=False, primary_key=primary_key)


schema = Table(
    "ledger_schema",
    _METADATA,
    Column("number", Integer, nullable=False),
    _text("salt"),  # of the hashes in `forgotten`
    Column("removals", Integer, nullable=False, server_default="0"),  # of profiles
)
activations = Table(
    "activations",
    _METADATA,
    _number(),
    _text("version", Text()),
    _text("place", Text()),
    _text("at", Text()),
    Column("changes", _Number, nullable=False, server_default="0"),
    Column("collection", String(MAX_ID_LENGTH), nullable=False, server_default=""),
)
item_changes = _table(
    "item_changes",
    _number(),
    _text("item"),
    Column("content", Text),  # NULL: withdrawn, the content stays
    _text("at", Text()),
    # 1: new content of an item that stays withdrawn.
    Column("withdrawn", Integer, nullable=False, server_default="0"),
    Index("item_changes_item", "item", "number"),
)
events = _table(
    "events",
    _number(),
    Column("id", String(MAX_ID_LENGTH), nullable=False, unique=True),
    _text("user"),
    _text("item"),
    _text("kind"),
    Column("rating", Double),
    Column("time", Double, nullable=False),
    # Of a retraction, the number of the event that it takes back; its kind is "retraction".
    Column("retracts", _Number),
    Index("events_user", "user"),
    Index("events_time", "time"),
    Index("events_retracts", "retracts", unique=True, **_FEW),
    Index("events_retractions", "user", "number", **_FEW),
)
impressions = _table(
    "impressions",
    _number(),
    _text("answer"),
    _text("user"),
    _text("kind"),
    _text("version"),
    _text("items", Text()),  # a JSON list
    Column("time", Double, nullable=False),
    Index("impressions_user", "user", "time"),
    Index("impressions_time", "time"),
)
profiles = Table(
    "profiles",
    _METADATA,
    _text("user", primary_key=True),
    _text("content", Text()),
    # Rises with every profile that is set, until one is removed.
    Column("number", _Number, nullable=False, server_default="0"),
    Index("profiles_number", "number"),
)
forgotten = Table(
    "forgotten",
    _METADATA,
    _text("hash", primary_key=True),
    Column("times", Integer, nullable=False),
    # Last time, in seconds since 1970, UTC; 0 if an older program forgot the user.
    Column("at", Double, nullable=False, server_default="0"),
)
keys = Table(
    "keys",
    _METADATA,
    _text("name", primary_key=True),
    Column("hash", String(MAX_ID_LENGTH), nullable=False, unique=True),
    _text("scopes"),
    _text("at"),
)
sessions = Table(
    "sessions",
    _METADATA,
    _text("hash", primary_key=True),  # of the secret that the browser holds
    _text("key_hash"),  # which it was opened with; it ends with that key
    Column("until", Double, nullable=False),  # seconds since 1970, UTC
)
admin_log = _table(
    "admin_log",
    _number(),
    _text("at", Text()),
    _text("who"),  # a key's name; see LogEntry
    _text("action"),
    _text("object", Text()),
)
traffic = Table(
    "traffic",
    _METADATA,
    # In seconds; `start` since 1970. Together they name a span of time.
    Column("width", Integer, primary_key=True, autoincrement=False),
    Column("start", _Number, primary_key=True, autoincrement=False),
    _text("route", primary_key=True),
    *(Column(name, _Number, nullable=False) for name in ("requests", "errors", "shed", "refused")),
    _text("latency", Text()),  # JSON: number of a range of times -> answers
)
missed_searches = Table(
    "missed_searches",
    _METADATA,
    _text("words", primary_key=True),
    Column("asked", Integer, nullable=False),
    Column("last", Double, nullable=False),
)


def schema_and_id(connection: Connection) -> tuple[int, str]:
    """The number of the database's schema, 0 where there is no ledger; and the ledger's id, which
    its copies share, empty where it has none. Raises LedgerError where it is a newer program's.
    """
    row = None
    if connection.info.get("schema") or inspect(connection).has_table(schema.name):
        row = connection.execute(select(schema.c.number, schema.c.salt)).first()
    if row is None:
        old = any(inspect(connection).has_table(t.name) for t in (activations, item_changes))
        return int(old), ""
    number, salt = row
    if number > SCHEMA:
        raise LedgerError(
            f"the ledger is of a newer program: its schema is {number}, known here is {SCHEMA}",
            hint="update fusionrec, or name another ledger",
        )
    connection.info["schema"] = number
    return int(number), id_of(salt)


def id_of(salt: str) -> str:
    """The id of the ledger with a salt, which it does not tell."""
    return hmac.new(bytes.fromhex(salt), b"id", hashlib.sha256).hexdigest()[:32]


def missing_parts(connection: Connection) -> list[str]:
    """The tables, and columns as ``table.column``, that a ledger of the current schema lacks."""
    existing, missing = inspect(connection), []
    for table in _METADATA.sorted_tables:
        if not existing.has_table(table.name):
            missing.append(table.name)
            continue
        known = {column["name"] for column in existing.get_columns(table.name)}
        missing += [f"{table.name}.{c.name}" for c in table.columns if c.name not in known]
    return missing


def migrate(connection: Connection) -> str:
    """Creates missing tables, columns and indexes, in a transaction with the ledger locked; returns
    the ledger's id.
    """
    existing = inspect(connection)
    for table in _METADATA.sorted_tables:
        if not existing.has_table(table.name):
            table.create(connection)
            continue
        known = {column["name"] for column in existing.get_columns(table.name)}
        name = connection.dialect.identifier_preparer.format_table(table)
        for column in table.columns:
            if column.name not in known:
                definition = CreateColumn(column).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {definition}")
        for index in table.indexes:
            index.create(connection, checkfirst=True)
    salt = connection.execute(select(schema.c.salt)).scalar()
    if salt is None:
        salt = secrets.token_hex(32)
        connection.execute(schema.insert().values(number=SCHEMA, salt=salt))
    else:
        connection.execute(schema.update().values(number=SCHEMA))
    return id_of(salt)


def chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """The values in chunks that each fit into one condition."""
    for start in range(0, len(values), _CHUNK_SIZE):
        yield values[start : start + _CHUNK_SIZE]


def now() -> str:
    """The current time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
