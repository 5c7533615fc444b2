"""Tables and queries of a PostgreSQL server, in a stream and within a read-only snapshot."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionrec.data.tabular.readers.compression import OnBytes
from fusionrec.data.tabular.readers.databases import (
    PATIENCE,
    DatabaseTable,
    check_columns,
    choose_table,
    next_rows,
    quoted,
)
from fusionrec.data.tabular.readers.source import OnFinding
from fusionrec.data.tabular.readers.urls import expand, shown
from fusionrec.data.tabular.source_spec import ReadSpec
from fusionrec.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_CONNECT = 10  # seconds
_OPTIONS = {
    "host", "hostaddr", "port", "dbname", "user", "password", "sslmode", "sslrootcert", "sslcert",
    "sslkey", "options", "connect_timeout", "passfile", "target_session_attrs", "channel_binding",
}  # fmt: skip
_NAMES = itertools.count(1)  # of cursors
# The years of Python's dates; PostgreSQL has others, and infinity.
_KNOWN = "CASE WHEN {0} BETWEEN '0001-01-01' AND '9999-12-31' THEN {0} END"
_LIST = ("list<item: string>", "CASE WHEN array_ndims({0}) = 1 THEN {0}::text[] END")
_TEXT = ("string", "{0}::text")
# The number of a type in pg_type -> its name in pyarrow, and the expression that gives its values.
# All others are read as texts.
_KINDS = {
    16: ("bool", "{0}"),
    **dict.fromkeys((20, 21, 23, 26), ("int64", "{0}")),
    **dict.fromkeys((700, 701), ("double", "{0}")),
    1082: ("date32[day]", _KNOWN),
    1114: ("timestamp[us]", _KNOWN),
    1184: ("timestamp[us, tz=UTC]", _KNOWN),
}
_BYTES = 17


@dataclass(frozen=True)
class PostgresTable(DatabaseTable):
    """A table, view or query of a server, in the order in which the server gives its rows.

    Attributes:
        url: where it is; a password in it is the name of an environment variable.
        selects: column -> the expression that gives it.
        origin: what stands after FROM.
        connection: an open one, whose snapshot is read; None: each reading opens its own.
    """

    url: str = ""
    selects: tuple[tuple[str, str], ...] = ()
    origin: str = ""
    connection: Any = None

    def _read(
        self,
        wanted: list[str],
        on_bytes: OnBytes,
        on_finding: OnFinding,  # noqa: ARG002 (its types are strict)
    ) -> Iterator[pa.RecordBatch]:
        """The bytes are those of the batches, in all unknown."""
        import pyarrow as pa

        given = dict(self.selects)
        columns_sql = ", ".join(f"{given[name]} AS {quoted(name)}" for name in wanted) or "NULL"
        schema = self.schema()
        kinds = [schema.field(name).type for name in wanted]
        number, done = next_rows(0, 0, 0, len(wanted)), 0
        with (
            _session(self.url, self.seconds, self.connection) as connection,
            # A cursor with a name stays on the server, which sends a batch when it is asked for.
            connection.cursor(name=f"fusionrec_{next(_NAMES)}") as cursor,
        ):
            cursor.execute(f"SELECT {columns_sql} FROM {self.origin}")
            while rows := cursor.fetchmany(number):
                given_columns = zip(*rows, strict=True)
                arrays = [pa.array(*both) for both in zip(given_columns, kinds, strict=False)]
                batch = pa.RecordBatch.from_arrays(arrays, names=wanted)
                done += batch.nbytes
                on_bytes(done)
                number = next_rows(len(rows), batch.nbytes, len(rows), len(wanted))
                yield batch

    def schema(self) -> pa.Schema:
        """The schema of its batches."""
        import pyarrow as pa

        return pa.schema([(name, _arrow(kind)) for name, kind in self.types.items()])


def tables_of(url: str, seconds: float = PATIENCE) -> list[str]:
    """The tables and views that the user may read, each with its schema, by name.

    Raises:
        DataError: the server cannot be reached, or as ``connected``.
    """
    with connected(url, seconds) as connection:
        return [f"{schema}.{name}" for schema, name, _ in _tables(connection)]


def open_table(spec: ReadSpec, seconds: float = PATIENCE, connection: Any = None) -> PostgresTable:
    """A table, view or query.

    Args:
        spec: ``files`` is the URL.
        seconds: how long a statement may take.
        connection: as ``PostgresTable.connection``.

    Raises:
        DataError: as ``connected``; there is no such table, or several and none is named; or the
            query is no single SELECT.
    """
    where = shown(spec.files)
    with _session(spec.files, seconds, connection) as session:
        table = ""
        if spec.query:
            origin = f"({spec.query.strip().rstrip(';')}\n) AS query"
        else:
            tables = _tables(session)
            bare = {name: f"{schema}.{name}" for schema, name, visible in tables if visible}
            names = [f"{schema}.{name}" for schema, name, _ in tables]
            table = choose_table(names, bare.get(spec.table, spec.table), where)
            origin = ".".join(map(quoted, tables[names.index(table)][:2]))
        columns = _described(session, spec.query or f"SELECT * FROM {origin}", where)
    check_columns([name for name, _, _ in columns], where)
    types, selects = {}, {}
    for name, number, category in columns:
        if number != _BYTES:
            types[name], selects[name] = _column(quoted(name), number, category)
    made = (Path(table or "query"), "postgresql", "", types)
    return PostgresTable(
        *made,
        table=table,
        query=spec.query,
        seconds=seconds,
        url=spec.files,
        selects=tuple(selects.items()),
        origin=origin,
        connection=connection,
    )


@contextmanager
def connected(url: str, seconds: float = PATIENCE) -> Iterator[Any]:
    """A connection within one transaction, REPEATABLE READ and READ ONLY: all that is read belongs
    to one moment.

    Raises:
        DataError: the package psycopg is not installed, the URL holds a password or an option that
            is not allowed, or the server refuses something; without the password.
    """
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError as error:
        raise DataError(
            f"{shown(url)} cannot be read: the package psycopg is not installed",
            "install PostgreSQL's driver: pip install 'fusionrec[postgresql]'",
        ) from error
    whole = "postgresql://" + expand(url).partition("://")[2]
    try:
        keys: dict[str, Any] = {"connect_timeout": _CONNECT, **conninfo_to_dict(whole)}
    except psycopg.Error:  # its words may hold parts of a password
        raise DataError(
            f"{shown(url)}: the URL cannot be read", "write postgresql://user@host:5432/database"
        ) from None
    if unknown := sorted(keys.keys() - _OPTIONS):
        raise DataError(f"{shown(url)}: the option {unknown[0]} is not allowed", "leave it out")
    keys |= {"autocommit": True, "client_encoding": "utf8", "application_name": "fusionrec"}
    with _translated(url, str(keys.get("password") or "")), psycopg.connect(**keys) as connection:
        _prepare(connection, seconds)
        yield connection
        connection.rollback()


def _prepare(connection: Any, seconds: float) -> None:
    from psycopg import IsolationLevel

    settings = {
        "statement_timeout": str(int(seconds * 1000)),
        "lock_timeout": "10s",
        "TimeZone": "UTC",
        "DateStyle": "ISO",
        "synchronize_seqscans": "off",  # else a large table may begin in its middle
    }
    for name, value in settings.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    connection.autocommit = False
    connection.read_only = True
    connection.isolation_level = IsolationLevel.REPEATABLE_READ


@contextmanager
def _session(url: str, seconds: float, connection: Any) -> Iterator[Any]:
    """The open connection, or one of its own."""
    if connection is None:
        with connected(url, seconds) as own:
            yield own
    else:
        with _translated(url, connection.info.password):
            yield connection


@contextmanager
def _translated(url: str, password: str) -> Iterator[None]:
    import psycopg
    import pyarrow as pa

    try:
        yield
    except (psycopg.Error, pa.ArrowException, OSError) as error:
        why = " ".join(str(error).split())
        why = why.replace(password, "***")[:400] if password else why[:400]
        hint = "mend the query, or name another table"
        if isinstance(error, psycopg.errors.QueryCanceled):
            hint = "it took too long: read a table, or fewer rows, in place of this one"
        elif isinstance(error, psycopg.OperationalError):
            hint = (
                "is the server up and within reach, and is the user right? The password comes from "
                "PGPASSWORD or PGPASSFILE"
            )
        elif isinstance(error, psycopg.errors.ReadOnlySqlTransaction | psycopg.errors.SyntaxError):
            hint = "write one SELECT, which changes nothing"
        raise DataError(f"{shown(url)} cannot be read: {why}", hint) from error


def _tables(connection: Any) -> list[tuple[str, str, bool]]:
    """Each table's schema and name, and whether it is found without its schema."""
    rows: list[tuple[str, str, bool]] = connection.execute(
        "SELECT n.nspname, c.relname, pg_table_is_visible(c.oid) "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition "
        "AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' "
        "AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') "
        "ORDER BY 3 DESC, 1, 2"
    ).fetchall()
    return rows


def _described(connection: Any, sql: str, where: str) -> list[tuple[str, int, str]]:
    """Name, type and category of a SELECT's columns. The server parses the statement without
    running it, and refuses more than one.
    """
    import psycopg

    connection.execute("SELECT 1")  # begins the transaction
    for result in (
        connection.pgconn.prepare(b"", sql.encode()),
        described := connection.pgconn.describe_prepared(b""),
    ):
        if result.status != psycopg.pq.ExecStatus.COMMAND_OK:
            said = psycopg.pq.error_message(result)
            raise DataError(
                f"{where}: the query cannot be read: {said}", "write one SELECT, as psql takes it"
            )
    columns = [
        ((described.fname(n) or b"").decode(), described.ftype(n)) for n in range(described.nfields)
    ]
    if not columns:
        raise DataError(f"{where}: the query gives no columns", "write one SELECT")
    numbers = sorted({number for _, number in columns})
    found = connection.execute(
        "SELECT oid, typcategory FROM pg_type WHERE oid = ANY(%s)", (numbers,)
    ).fetchall()
    categories = dict(found)
    return [(name, number, categories.get(number, "U")) for name, number in columns]


def _column(name: str, number: int, category: str) -> tuple[str, str]:
    """The type of a column, as pyarrow names it, and the expression that gives such values."""
    kind, expression = _KINDS.get(number, _LIST if category == "A" else _TEXT)
    return kind, expression.format(name)


def _arrow(kind: str) -> Any:
    """The pyarrow type of such a name."""
    import pyarrow as pa

    known = (
        pa.bool_(), pa.int64(), pa.float64(), pa.date32(), pa.timestamp("us"),
        pa.timestamp("us", tz="UTC"), pa.list_(pa.string()), pa.string(),
    )  # fmt: skip
    return next(one for one in known if str(one) == kind)
