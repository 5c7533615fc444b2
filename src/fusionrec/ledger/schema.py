"""The ledger's tables, and how those of an older program become them."""

from __future__ import annotations

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
)
from sqlalchemy.schema import CreateColumn

from fusionrec.errors import LedgerError
from fusionrec.ledger.records import LONGEST

_PART = 500  # values in one condition; every database takes so many

# 1: activations and item_changes alone, without a number of the schema. Tables and columns that are
# added need a new number here and nothing else; any other change needs its own lines in `migrate`.
SCHEMA = 5

_Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up an INTEGER alone
_Id = String(LONGEST)
_METADATA = MetaData()


def _table(name: str, *columns: Column[Any] | Index) -> Table:
    # AUTOINCREMENT, so that the number of a deleted row is never given again.
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
    Column("collection", String(LONGEST), nullable=False, server_default=""),
)
item_changes = _table(
    "item_changes",
    _number(),
    _text("item"),
    Column("content", Text),  # NULL: withdrawn, with the content given before
    _text("at", Text()),
    # 1: content given to an item that stays withdrawn.
    Column("withdrawn", Integer, nullable=False, server_default="0"),
    Index("item_changes_item", "item", "number"),
)
events = _table(
    "events",
    _number(),
    Column("id", String(LONGEST), nullable=False, unique=True),
    _text("user"),
    _text("item"),
    _text("kind"),
    Column("rating", Double),
    Column("time", Double, nullable=False),
    Index("events_user", "user"),
    Index("events_time", "time"),
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
)
profiles = Table(
    "profiles",
    _METADATA,
    _text("user", primary_key=True),
    _text("content", Text()),
    # Rises with every profile that is set, as long as none is removed.
    Column("number", _Number, nullable=False, server_default="0"),
    Index("profiles_number", "number"),
)
forgotten = Table(
    "forgotten",
    _METADATA,
    _text("hash", primary_key=True),
    Column("times", Integer, nullable=False),
    # Of the last time, in seconds since 1970, UTC; 0 where an older program forgot the user.
    Column("at", Double, nullable=False, server_default="0"),
)
keys = Table(
    "keys",
    _METADATA,
    _text("name", primary_key=True),
    Column("hash", String(LONGEST), nullable=False, unique=True),
    _text("scopes"),
    _text("at"),
)


def schema_number(connection: Connection, *, lock: bool = False) -> int:
    """The number of the schema that is there; 0 where there is none.

    Args:
        connection: to the database.
        lock: whether to hold the number's row until the transaction ends.

    Raises:
        LedgerError: it is of a newer program.
    """
    found = None
    if connection.info.get("schema") or inspect(connection).has_table(schema.name):
        wanted = select(schema.c.number)
        found = connection.execute(wanted.with_for_update() if lock else wanted).scalar()
    if found is None:
        return int(any(inspect(connection).has_table(t.name) for t in (activations, item_changes)))
    if found > SCHEMA:
        raise LedgerError(
            f"the ledger is of a newer program: its schema is {found}, known here is {SCHEMA}",
            hint="update fusionrec, or name another ledger",
        )
    connection.info["schema"] = found
    return int(found)


def migrate(connection: Connection) -> None:
    """Makes the tables, columns and indexes that are missing; to be called with the ledger locked,
    in a transaction.
    """
    there = inspect(connection)
    for table in _METADATA.sorted_tables:
        if not there.has_table(table.name):
            table.create(connection)
            continue
        known = {column["name"] for column in there.get_columns(table.name)}
        name = connection.dialect.identifier_preparer.format_table(table)
        for column in table.columns:
            if column.name not in known:
                definition = CreateColumn(column).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {definition}")
        for index in table.indexes:
            index.create(connection, checkfirst=True)
    if connection.execute(select(schema.c.number)).first() is None:
        salt = secrets.token_hex(32)
        connection.execute(schema.insert().values(number=SCHEMA, salt=salt))
    else:
        connection.execute(schema.update().values(number=SCHEMA))


def in_parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """The values in parts of which each fits into one condition."""
    for start in range(0, len(values), _PART):
        yield values[start : start + _PART]


def now() -> str:
    """The time, in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
