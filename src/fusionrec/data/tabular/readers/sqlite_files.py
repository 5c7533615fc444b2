"""SQLite files, read without a trace: nothing is written into them or beside them.

A file without logs is opened as immutable, so that SQLite makes no files of its own. Of one with a
log, a copy of both is read, in a folder that is removed: what the log holds is part of the data,
and SQLite cannot read it without writing.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionrec.data.tabular.casting import as_text
from fusionrec.data.tabular.readers.compression import OnBytes
from fusionrec.data.tabular.readers.databases import (
    PATIENCE,
    DatabaseTable,
    check_columns,
    choose_table,
    logs_of,
    next_rows,
    quoted,
)
from fusionrec.data.tabular.readers.source import OnFinding
from fusionrec.data.tabular.source_spec import ReadSpec
from fusionrec.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"SQLite format 3\0"
_LARGEST_VALUE = 256 << 20  # bytes of a row
_STEPS = 100_000  # of SQLite's virtual machine between two looks at the clock
_TRIES = 3
_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
_ASKED = {"data_version", "page_size"}  # by SQLite's own tables for full-text search
_FORBIDDEN = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}


@dataclass(frozen=True)
class SqliteTable(DatabaseTable):
    """A table, view or query of a SQLite file. Rows of a table come in the order of their rowid.

    Attributes:
        encoding: of texts that are not UTF-8; else empty.
    """

    encoding: str = ""

    def _read(
        self, columns: list[str], on_bytes: OnBytes, on_finding: OnFinding
    ) -> Iterator[pa.RecordBatch]:
        """SQLite does not hold a column to one type: a batch of numbers
        and texts is all text. A value of bytes among others is null, which a finding counts.
        """
        import pyarrow as pa

        size, done, lost = self.path.stat().st_size, 0, dict.fromkeys(columns, 0)
        with _connected(self.path, self.seconds, self.encoding) as (connection, wait):
            sql = self.query or _select(connection, self.table, columns)
            for names, rows in _rows(connection, sql, wait):
                if not rows:
                    break
                given = dict(zip(names, zip(*rows, strict=True), strict=True))
                arrays = []
                for name in columns:
                    array, missed = _array(given[name])
                    is_text = self.types[name] == "string"
                    arrays.append(as_text(array, f"{self.path}: {name}") if is_text else array)
                    lost[name] += missed
                batch = pa.RecordBatch.from_arrays(arrays, names=columns)
                done += batch.nbytes
                on_bytes(min(done, size))
                yield batch
        on_bytes(size)
        for name, count in lost.items():
            if count:
                says = f"values of {name} that are bytes, not text, taken as empty"
                on_finding(f"bytes_{name}", count, says, "")


def tables_of(path: Path, seconds: float = PATIENCE) -> list[str]:
    """The tables and views of a file, in the order in which they were made.

    Raises:
        DataError: it cannot be read.
    """
    with _connected(path, seconds) as (connection, _):
        return _tables(connection)


def open_table(path: Path, spec: ReadSpec, seconds: float = PATIENCE) -> SqliteTable:
    """A table, view or query of a file; ``types`` are those of its first rows, and where these
    hold nothing those it was declared with.

    Raises:
        DataError: it cannot be read; there is no such table, or several and none is named; or the
            query is no single SELECT.
    """
    with _connected(path, seconds, spec.encoding) as (connection, wait):
        table = "" if spec.query else choose_table(_tables(connection), spec.table, str(path))
        declared = _declared(connection, table) if table else {}
        sql = spec.query or _select(connection, table, None)
        names, rows = next(_rows(connection, sql, wait))
    check_columns(names, str(path))
    columns = zip(*rows, strict=True) if rows else ((None,) for _ in names)
    types: dict[str, str] = {}
    for name, values in zip(names, columns, strict=True):
        if kind := _type(values, declared.get(name, "")):
            types[name] = kind
    made = (path, "sqlite", "", types)
    return SqliteTable(
        *made, table=table, query=spec.query, seconds=seconds, encoding=spec.encoding
    )


@contextmanager
def _connected(
    path: Path, seconds: float, encoding: str = ""
) -> Iterator[tuple[sqlite3.Connection, Callable[[], None]]]:
    """A connection that can only read, and a function that begins its time anew."""
    end = time.monotonic() + seconds

    def wait() -> None:
        nonlocal end
        end = time.monotonic() + seconds

    with _translated(path, lambda: time.monotonic() > end, seconds), ExitStack() as stack:
        file = path.resolve()  # logs stand beside the file itself, not beside a link to it
        how = "mode=ro&immutable=1"
        if logs_of(file):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fusionrec-"))
            file, how = _copied(file, Path(folder)), "mode=rw"
        uri = f"{file.as_uri()}?{how}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None)
        stack.callback(connection.close)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
        connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        for setting in ("query_only=1", "trusted_schema=0", "cell_size_check=1"):
            connection.execute(f"PRAGMA {setting}")
        if encoding:
            connection.text_factory = lambda text: str(text, encoding)
        yield connection, wait


@contextmanager
def _translated(path: Path, late: Callable[[], bool], seconds: float) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning, OSError, LookupError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())[:300]
        hint = "is it damaged? get a fresh copy of it"
        if "interrupted" in why and late():
            why, hint = f"it took longer than {seconds:g} s", "read a table in place of this one"
        elif "one statement" in why:
            hint = "write one SELECT"
        elif "authorized" in why or "prohibited" in why or "unsafe" in why:
            hint = "only SELECT is allowed, of this file's own tables"
        elif isinstance(error, UnicodeDecodeError | LookupError) or "UTF-8" in why:
            hint = 'say how its texts are encoded, such as encoding = "latin-1"'
        elif isinstance(error, sqlite3.OperationalError) and "malformed" not in why:
            hint = "mend the query or the view"
        raise DataError(f"{path} cannot be read: {why}", hint) from error


def _copied(file: Path, folder: Path) -> Path:
    """A copy of a file with its logs, none of which was written meanwhile."""

    def state() -> list[tuple[str, int, int]]:
        stats = ((part.name, part.stat()) for part in (file, *logs_of(file)))
        return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]

    for _ in range(_TRIES):
        before = state()
        for old in folder.iterdir():
            old.unlink()
        for name, _, _ in before:
            shutil.copyfile(file.with_name(name), folder / name)
        if state() == before:
            return folder / file.name
    raise DataError(f"{file} is being written all the while", "end what writes it, or copy it")


def _tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY rowid"
    ).fetchall()
    virtual = [f"{name}_" for name, sql in found if str(sql).upper().startswith("CREATE VIRTUAL")]
    return [name for name, _ in found if not name.startswith(("sqlite_", *virtual))]


def _declared(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    """Column -> the type it was declared with."""
    rows = connection.execute(f"PRAGMA table_xinfo({quoted(table)})")
    return {row[1]: str(row[2]).upper() for row in rows}


def _select(connection: sqlite3.Connection, table: str, columns: Sequence[str] | None) -> str:
    """A SELECT of a table's columns, by rowid where it has one that no column's name hides."""
    names = {name.lower() for name in _declared(connection, table)}
    shown = "*" if columns is None else ", ".join(map(quoted, columns)) or "NULL"
    sql = f"SELECT {shown} FROM {quoted(table)}"
    for rowid in ("rowid", "_rowid_", "oid"):
        if rowid in names:
            continue
        try:
            ordered = f"{sql} ORDER BY {rowid}"
            connection.execute(f"EXPLAIN {ordered}").close()
        except sqlite3.OperationalError:  # a view, or a table without rowid
            break
        return ordered
    return sql


def _rows(
    connection: sqlite3.Connection, sql: str, wait: Callable[[], None]
) -> Iterator[tuple[list[str], list[Any]]]:
    """The names of a SELECT's columns with its next rows; at first also if there are none."""

    def authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action == sqlite3.SQLITE_PRAGMA:
            allowed = first in _ASKED and second is None
        else:
            allowed = action in _ALLOWED and (second or "").lower() not in _FORBIDDEN
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    connection.set_authorizer(authorize)
    cursor = connection.execute(sql)
    names = [column[0] for column in cursor.description or ()]
    if not names:
        raise sqlite3.OperationalError("the query gives no columns")
    number, first = next_rows(0, 0, 0, len(names)), True
    while (rows := cursor.fetchmany(number)) or first:
        yield names, rows
        some = rows[:: max(1, len(rows) // 32)]
        size = sum(len(v) if isinstance(v, str | bytes) else 8 for row in some for v in row)
        number, first = next_rows(len(some), size, len(rows), len(names)), False
        wait()


def _array(values: Sequence[Any]) -> tuple[pa.Array, int]:
    """Values of SQLite as one array, and how many were bytes, which are null there."""
    import pyarrow as pa

    try:
        array = pa.array(values)
        if not pa.types.is_binary(array.type):
            return array, 0
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        pass
    texts = [None if isinstance(v, bytes) or v is None else _text(v) for v in values]
    return pa.array(texts, pa.string()), sum(isinstance(v, bytes) for v in values)


def _text(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return str(int(value) if whole else value)


def _type(values: Sequence[Any], declared: str) -> str:
    """The name in pyarrow of a column's type; empty where it holds bytes alone."""
    known = [value for value in values if value is not None]
    if known:
        return "" if all(isinstance(v, bytes) for v in known) else str(_array(known)[0].type)
    if "INT" in declared:
        return "int64"
    if any(word in declared for word in ("REAL", "FLOA", "DOUB")):
        return "double"
    return "" if "BLOB" in declared else "string"
