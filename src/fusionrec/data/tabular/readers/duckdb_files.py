"""DuckDB files, opened read-only and without access to anything else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionrec.data.tabular.readers.compression import OnBytes
from fusionrec.data.tabular.readers.databases import (
    MOST_ROWS,
    PATIENCE,
    DatabaseTable,
    check_columns,
    choose_table,
    quoted,
)
from fusionrec.data.tabular.readers.source import OnFinding
from fusionrec.data.tabular.source_spec import ReadSpec
from fusionrec.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC, MAGIC_AT = b"DUCK", 8
_SETTINGS = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",  # names of tables that are variables of this process
    "temp_directory": "",  # nothing is left behind
    "memory_limit": "1GB",
    "threads": "2",
    "lock_configuration": "true",
}
# How the names of types begin that are taken as Arrow has them; others are read as texts.
_AS_THEY_ARE = (
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER",
    "UBIGINT", "FLOAT", "DOUBLE", "DECIMAL", "DATE", "TIMESTAMP", "VARCHAR", "STRUCT", "MAP",
)  # fmt: skip


@dataclass(frozen=True)
class DuckdbTable(DatabaseTable):
    """A table, view or query of a DuckDB file, in the order in which its rows were inserted.

    Attributes:
        selects: column -> the expression that gives it.
        origin: what stands after FROM.
    """

    selects: tuple[tuple[str, str], ...] = ()
    origin: str = ""

    def _read(
        self,
        columns: list[str],
        on_bytes: OnBytes,
        on_finding: OnFinding,  # noqa: ARG002 (its types are strict)
    ) -> Iterator[pa.RecordBatch]:
        given, size, done = dict(self.selects), self.path.stat().st_size, 0
        shown = ", ".join(f"{given[name]} AS {quoted(name)}" for name in columns) or "NULL"
        with _connected(self.path, self.seconds) as (connection, wait):
            relation = connection.sql(f"SELECT {shown} FROM {self.origin}")
            for batch in relation.to_arrow_reader(max(1, MOST_ROWS // (1 + len(columns) // 16))):
                done += batch.nbytes
                on_bytes(min(done, size))
                yield batch.select(columns)
                wait()
        on_bytes(size)


def tables_of(path: Path, seconds: float = PATIENCE) -> list[str]:
    """The tables and views of a file; of another schema than ``main`` with the schema's name.

    Raises:
        DataError: it cannot be read, or the package duckdb is not installed.
    """
    with _connected(path, seconds) as (connection, _):
        return list(_tables(connection))


def open_table(path: Path, spec: ReadSpec, seconds: float = PATIENCE) -> DuckdbTable:
    """A table, view or query of a file.

    Raises:
        DataError: as ``tables_of``; there is no such table, or several and none is named; or the
            query is no single SELECT.
    """
    with _connected(path, seconds) as (connection, _):
        table = ""
        if spec.query:
            statements = connection.extract_statements(spec.query)
            if [str(one.type) for one in statements] != ["StatementType.SELECT"]:
                raise DataError(f"{path}: the query is no single SELECT", "write one SELECT")
            origin = f"({statements[0].query.strip().rstrip(';')}\n)"
            relation = connection.sql(spec.query)
        else:
            tables = _tables(connection)
            table = choose_table(list(tables), spec.table, str(path))
            origin = tables[table]
            relation = connection.sql(f"SELECT * FROM {origin}")
        check_columns(names := list(relation.columns), str(path))
        kinds = [str(kind) for kind in relation.types]
        kept = {n: _expression(n, k) for n, k in zip(names, kinds, strict=True) if k != "BLOB"}
        shown = ", ".join(f"{as_} AS {quoted(name)}" for name, as_ in kept.items()) or "NULL"
        schema = connection.sql(f"SELECT {shown} FROM {origin} LIMIT 0").to_arrow_table().schema
    types = {name: str(schema.field(name).type) for name in kept}
    made = (path, "duckdb", "", types)
    return DuckdbTable(
        *made,
        table=table,
        query=spec.query,
        seconds=seconds,
        selects=tuple(kept.items()),
        origin=origin,
    )


def _expression(name: str, kind: str) -> str:
    as_it_is = kind.startswith(_AS_THEY_ARE) or kind.endswith("]")  # a list
    return quoted(name) if as_it_is else f"CAST({quoted(name)} AS VARCHAR)"


def _tables(connection: Any) -> dict[str, str]:
    """The name of each table for people, and for SQL."""
    rows = connection.execute(
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE table_catalog = current_database() ORDER BY ALL"
    ).fetchall()
    return {
        name if schema == "main" else f"{schema}.{name}": f"{quoted(schema)}.{quoted(name)}"
        for schema, name in rows
    }


@contextmanager
def _connected(path: Path, seconds: float) -> Iterator[tuple[Any, Callable[[], None]]]:
    """A connection that can only read, and a function that begins its time anew."""
    try:
        import duckdb
    except ImportError as error:
        raise DataError(
            f"{path} cannot be read: the package duckdb is not installed",
            "install it: pip install 'fusionrec[duckdb]'",
        ) from error
    try:
        with duckdb.connect(str(path), read_only=True, config=dict(_SETTINGS)) as connection:
            clock: threading.Timer | None = None

            def wait() -> None:
                nonlocal clock
                if clock is not None:
                    clock.cancel()
                clock = threading.Timer(seconds, connection.interrupt)
                clock.daemon = True
                clock.start()

            wait()
            try:
                yield connection, wait
            finally:
                assert clock is not None
                clock.cancel()
    except duckdb.Error as error:
        why = " ".join(str(error).split())[:300]
        hint = "mend the query or the view, or get a fresh copy of the file"
        if isinstance(error, duckdb.InterruptException):
            why, hint = f"it took longer than {seconds:g} s", "read a table in place of this one"
        elif "lock" in why:
            hint = "another process writes it: end that, or read a copy"
        elif isinstance(error, duckdb.PermissionException):
            hint = "only this file's own tables can be read"
        raise DataError(f"{path} cannot be read: {why}", hint) from error
