"""Caches converted tables as columns, which later reads map into memory."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.data.arrays import save_array
from fusionrec.data.dataset import Dataset
from fusionrec.data.parquet_dataset import read_table, write_table
from fusionrec.data.schema import Schema
from fusionrec.data.tabular.convert import Converted, convert, source_files
from fusionrec.data.tabular.copies import UNFINISHED, local_copies
from fusionrec.data.tabular.findings import Finding, log_findings
from fusionrec.data.tabular.readers.databases import logs_of
from fusionrec.data.tabular.spec import SPEC_NAME, Spec, read_spec
from fusionrec.engine import engine as opened
from fusionrec.errors import DataError, Progress
from fusionrec.workspace import make_folder

FORMAT = 4  # of the folder and of conversion; folders of another format are converted again
_ABOUT = "about.json"
_COLUMNS = ("user", "item", "rating", "time")
_ABANDONED = 86_400  # seconds after which an unfinished folder is removed


@dataclass(frozen=True)
class CachedTables(Converted):
    """Converted tables from the cache, and their ``fusionrec.toml``. The columns of the
    interactions are memory-mapped, read-only.
    """

    spec: Spec

    def dataset(self) -> Dataset:
        """A Dataset of the tables; each finding is one of its repairs."""
        schema, name, repairs = self.spec.schema, self.spec.name, tuple(map(str, self.findings))
        rows = (self.user, self.item, self.rating, self.time)
        return Dataset(schema, name, self.users, self.items, *rows, repairs)


def read_from_spec(
    toml: Path,
    workspace_data: Path,
    progress: Progress = lambda *_: None,
    *,
    accept: bool = False,
    allow_remote: bool = False,
) -> Dataset:
    """The data set that a ``fusionrec.toml`` describes; logs what was repaired.

    Args and errors are those of ``cached_tables``, and:

    Args:
        accept: whether to read it although ``init`` has grave doubts that nobody has looked at.

    Raises:
        DataError: there are such doubts (``unreviewed``).
    """
    if (doubts := read_spec(toml).unreviewed) and not accept:
        raise DataError(
            f"{toml}: nobody has looked at what init was in doubt of: {'; '.join(doubts)}",
            "change what is wrong in the file (any edit counts as a look); or, if it is right as "
            "it is, accept it: --accept, in Python accept=True",
            code="unreviewed",
        )
    tables = cached_tables(toml, workspace_data, progress, allow_remote)
    log_findings(tables.spec.name, tables.findings)
    return tables.dataset()


def cached_tables(
    toml: Path,
    workspace_data: Path,
    progress: Progress = lambda *_: None,
    allow_remote: bool = False,
    engine: str = "process",
) -> CachedTables:
    """The tables that a ``fusionrec.toml`` describes, from the cache ``tables/HASH`` in
    ``workspace_data``. New or changed files are converted first; entries for an earlier state of
    the same ``fusionrec.toml`` are then removed.

    Remote files are fetched when they have changed, tables of a server each time, since whether
    they have changed cannot be asked; the conversion is used again where the content is the same.

    Args:
        toml: the file, or its folder.
        workspace_data: the workspace's folder for data.
        progress: called with the bytes fetched, and those read if the files are converted.
        allow_remote: whether URLs and files outside the spec's folder may be read.
        engine: what reads the files; see ``engine.engine`` and ``convert``.

    Raises:
        ConfigError: as ``read_spec``.
        EngineError: as of ``engine.engine`` and its ``map``.
        DataError: as ``convert`` and ``local_copies``; a file changed meanwhile; or the folder
            cannot be written.
    """
    toml = toml / SPEC_NAME if toml.is_dir() else toml
    spec = read_spec(toml)
    tables = workspace_data / "tables"
    with local_copies(spec, workspace_data, progress, allow_remote) as local:
        states = _states(files := _parts(local, allow_remote))
        key = _key(toml, files)
        cached = _read(tables / key, spec)
        if cached is None:
            if engine == "process":
                converted = convert(local, progress, None, allow_remote)
            else:
                with opened(engine) as made:
                    converted = convert(local, progress, None, allow_remote, made)
            if _states(_parts(local, allow_remote)) != states:
                says = f"{toml}: a file was changed while it was read"
                raise DataError(says, "run the same again")
            _write(tables, key, toml, spec, converted)
            cached = _read(tables / key, spec)
    if cached is None:
        raise DataError(f"{tables / key} cannot be read back", "is the disk full or failing?")
    return cached


def _parts(spec: Spec, allow_remote: bool) -> dict[str, list[Path]]:
    """The files of each table, and beside those of databases their logs."""
    files = source_files(spec, allow_remote)
    return {
        table: [p for one in found for p in (one, *logs_of(one))] for table, found in files.items()
    }


def _states(files: Mapping[str, Sequence[Path]]) -> list[tuple[int, int]]:
    stats = (path.stat() for paths in files.values() for path in paths)
    return [(stat.st_size, stat.st_mtime_ns) for stat in stats]


def _key(toml: Path, files: Mapping[str, Sequence[Path]]) -> str:
    """A hash of all that the conversion depends on: the content of the files and of the TOML."""
    try:
        sums = {path: _sum(path) for path in {p for paths in files.values() for p in paths}}
        toml_sum = hashlib.blake2b(toml.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
    named = {table: [(p.name, sums[p]) for p in paths] for table, paths in files.items()}
    whole = json.dumps([FORMAT, str(toml.resolve()), toml_sum, named])
    return hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, hashlib.blake2b).hexdigest()


def _read(folder: Path, spec: Spec) -> CachedTables | None:
    """The tables in a folder; None if it is missing or damaged."""
    import pyarrow as pa

    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        if about["key"] != folder.name or any(
            _sum(folder / name) != wanted for name, wanted in about["sums"].items()
        ):
            return None
        mapped = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False).view(
                np.ndarray
            )
            for name in _COLUMNS
            if f"{name}.npy" in about["sums"]
        }
        schema = Schema.from_json(about["schema"])
        return CachedTables(
            read_table(folder / "users.parquet", schema, "user"),
            read_table(folder / "items.parquet", schema, "item"),
            mapped["user"],
            mapped["item"],
            mapped["rating"],
            mapped.get("time"),
            int(about["rows"]),
            dict(about["kinds"]),
            tuple(Finding(**finding) for finding in about["findings"]),
            spec,
        )
    except (OSError, ValueError, KeyError, TypeError, DataError, pa.ArrowException):
        return None


def _write(tables: Path, key: str, toml: Path, spec: Spec, converted: Converted) -> None:
    """Writes a folder under a temporary name, moves it to its place, and removes stale ones."""
    beside = None
    try:
        make_folder(tables)
        beside = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=tables))
        for name in _COLUMNS:
            if (column := getattr(converted, name)) is not None:
                save_array(beside / f"{name}.npy", column)
        write_table(beside / "users.parquet", converted.users)
        write_table(beside / "items.parquet", converted.items)
        about: dict[str, Any] = {
            "key": key,
            "described": str(toml.resolve()),
            "schema": spec.schema.to_json(),
            "rows": converted.rows,
            "kinds": dict(converted.kinds),
            "findings": [asdict(finding) for finding in converted.findings],
            "sums": {path.name: _sum(path) for path in sorted(beside.iterdir())},
        }
        text = json.dumps(about, ensure_ascii=False, indent=1)
        (beside / _ABOUT).write_text(text, encoding="utf-8")
        beside.chmod(0o755)
        if (tables / key).exists() and _read(tables / key, spec) is None:
            shutil.rmtree(tables / key, ignore_errors=True)
        if not (tables / key).exists():  # another process may have been as fast
            beside.rename(tables / key)
    except OSError as error:
        raise DataError(
            f"{tables / key} cannot be written: {error.strerror or error}",
            "make room there, or choose another workspace: fusionrec --home DIR COMMAND",
        ) from error
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)
    for folder in tables.iterdir():
        if folder.name != key and _stale(folder, toml):
            shutil.rmtree(folder, ignore_errors=True)


def _stale(folder: Path, toml: Path) -> bool:
    """Whether a folder is of an earlier state of this ``fusionrec.toml``, or was never finished."""
    try:
        if folder.name.startswith(UNFINISHED):
            return time.time() - folder.stat().st_mtime > _ABANDONED
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        return bool(about["described"] == str(toml.resolve()))
    except (OSError, ValueError, KeyError, TypeError):
        return False
