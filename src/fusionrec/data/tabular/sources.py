"""Opens the files of a table: found, recognised, and with a row for each thing they hold."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path

from fusionrec.data.tabular.readers import duckdb_files, files, postgresql, remote, sqlite_files
from fusionrec.data.tabular.readers.compression import translate_errors
from fusionrec.data.tabular.readers.databases import PATIENCE
from fusionrec.data.tabular.readers.files import SourceFile, find_files, open_source
from fusionrec.data.tabular.readers.urls import POSTGRESQL, check_scheme, scheme_of, shown
from fusionrec.data.tabular.shapes import shape
from fusionrec.data.tabular.source_spec import ReadSpec, SourceSpec
from fusionrec.errors import DataError
from fusionrec.workspace import Workspace

_NO_TABLE = "leave table and query out of the fusionrec.toml"
_ALLOW = "if you trust it, allow it: --allow-remote, in Python allow_remote=True"


def open_table(
    spec: SourceSpec, folder: Path, allow_remote: bool = False, seconds: float = PATIENCE
) -> list[SourceFile]:
    """The files of a table in their order; none where the spec names no files.

    Args:
        spec: where they are and how they are read.
        folder: names of files are relative to it.
        allow_remote: whether a URL, or a file outside the folder, may be read.
        seconds: how long a database may take for a batch.

    Raises:
        DataError: a file does not exist or is not allowed, or as ``open_source``, ``shape`` and
            ``open_table`` of databases.
    """
    if not spec.files:
        return []
    opened = partial(open_files, folder=folder, allow_remote=allow_remote, seconds=seconds)
    return shape(opened(spec), spec, opened)


def open_files(
    spec: ReadSpec, folder: Path, allow_remote: bool = False, seconds: float = PATIENCE
) -> list[SourceFile]:
    """As ``open_table``, as the files are, before their rows are shaped."""
    if scheme_of(spec.files) in POSTGRESQL:
        check_url(spec.files, allow_remote)
        return [postgresql.open_table(spec, seconds)]
    paths = local_files(spec.files, folder, allow_remote)
    return [_open(path, spec, seconds) for path in paths]


def is_table(path: Path) -> bool:
    """Whether a file may be a table or a database; see ``readers.files.is_table``."""
    with suppress(DataError):
        return bool(_database_kind(path)) or files.is_table(path)
    return False


def tables_of(location: str | Path, seconds: float = PATIENCE) -> list[str]:
    """The tables and views of a database, a file or PostgreSQL's, or the sheets of a workbook, as
    ``table`` of a spec names them; empty of a file of one table.

    Args:
        location: a path, or the URL of a database.
        seconds: how long it may take.

    Raises:
        DataError: it cannot be read.
    """
    if scheme_of(str(location)) in POSTGRESQL:
        return postgresql.tables_of(str(location), seconds)
    path = Path(location)
    kind = _database_kind(path)
    if kind == "sqlite":
        return sqlite_files.tables_of(path, seconds)
    return duckdb_files.tables_of(path, seconds) if kind == "duckdb" else files.tables_of(path)


def local_files(name: str, folder: Path, allow_remote: bool = False) -> list[Path]:
    """The files that a name or pattern matches, sorted by name; of a URL copies in the workspace
    of ``Workspace.find()``.

    Raises:
        DataError: no file matches, or one is not allowed.
    """
    if scheme_of(name):
        check_url(name, allow_remote)
        copies = remote.fetch(name, copies_in(Workspace.find().data))
        return find_files(folder, remote.all_in(copies))
    paths = find_files(folder, name)
    outside = next((path for path in paths if not is_inside(path, folder)), None)
    if outside is not None and not allow_remote:
        raise DataError(f"{outside} lies outside {folder.resolve()}", _ALLOW)
    return paths


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a file lies in a folder or below it, with links followed."""
    return path.resolve().is_relative_to(folder.resolve())


def copies_in(workspace_data: Path) -> Path:
    """The folder for copies of remote files."""
    return workspace_data / "remote"


def check_url(url: str, allow_remote: bool) -> None:
    """Raises a DataError if a URL is of an unknown kind, or not allowed."""
    check_scheme(url)
    if not allow_remote:
        raise DataError(f"{shown(url)} is not a file in the folder of its fusionrec.toml", _ALLOW)


def _open(path: Path, spec: ReadSpec, seconds: float) -> SourceFile:
    kind = _database_kind(path)
    if kind == "sqlite":
        return sqlite_files.open_table(path, spec, seconds)
    if kind == "duckdb":
        return duckdb_files.open_table(path, spec, seconds)
    if spec.query:
        raise DataError(f"{path} is no database, of which rows could be asked by query", _NO_TABLE)
    source = open_source(path, spec)
    if spec.table and source.format not in ("spreadsheet", "json"):
        raise DataError(f"{path} holds one table, which has no name", _NO_TABLE)
    return source


def _database_kind(path: Path) -> str:
    """``sqlite`` or ``duckdb``, by content; empty of other files."""
    with translate_errors(path), path.open("rb") as file:
        head = file.read(32)
    if head.startswith(sqlite_files.MAGIC):
        return "sqlite"
    return "duckdb" if head.startswith(duckdb_files.MAGIC, duckdb_files.MAGIC_AT) else ""
