"""Copies what a ``fusionrec.toml`` names by URL to this machine: from then on there are only files.

Tables of a database are copied anew each time, all of one server from one snapshot, and removed
after use: whether one has changed cannot be asked. Remote files are copied when they have changed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from fusionrec.data.tabular.readers import postgresql, remote
from fusionrec.data.tabular.readers.compression import translate_errors
from fusionrec.data.tabular.readers.urls import POSTGRESQL, scheme_of, shown
from fusionrec.data.tabular.source_spec import ReadSpec
from fusionrec.data.tabular.sources import check_url, copies_in
from fusionrec.data.tabular.spec import Spec
from fusionrec.errors import FusionrecError, Progress
from fusionrec.workspace import make_folder

_PARTS = ("interactions", "users", "items")
R = TypeVar("R", bound=ReadSpec)
UNFINISHED = ".new-"  # how the names of folders begin that are removed after use


@contextmanager
def local_copies(
    spec: Spec, workspace_data: Path, progress: Progress, allow_remote: bool
) -> Iterator[Spec]:
    """The spec with the copies' names in place of URLs; errors within name the URLs.

    Args:
        spec: the content of a ``fusionrec.toml``.
        workspace_data: the workspace's folder for data.
        progress: called with the bytes copied, and in all where that is known.
        allow_remote: whether URLs may be read.

    Raises:
        DataError: a URL is not allowed, cannot be read, or is larger than the limit.
    """
    names: dict[str, str] = {}  # copy -> what messages call it
    with ExitStack() as stack:
        tables = _Tables(workspace_data / "tables", progress, stack)

        def copied(read: ReadSpec) -> dict[str, Any]:
            check_url(read.files, allow_remote)
            if scheme_of(read.files) in POSTGRESQL:
                path = tables.copy(read)
                names[str(path)] = f"{shown(read.files)}, {path.stem}"
                return {"files": str(path), "table": "", "query": ""}
            folder = remote.fetch(read.files, copies_in(workspace_data), progress)
            for path in folder.rglob("*"):
                single = shown(read.files).endswith(path.name)
                names[str(path)] = shown(read.files) + ("" if single else f" ({path.name})")
            names[remote.all_in(folder)] = shown(read.files)
            return {"files": remote.all_in(folder)}

        parts = {name: _local(getattr(spec, name), copied) for name in _PARTS}
        tables.close()
        try:
            yield replace(spec, **parts)
        except FusionrecError as error:
            message = error.message
            for copy, name in names.items():
                message = message.replace(copy, name)
            raise type(error)(message, error.hint, code=error.code, **error.details) from error


def _local(spec: R, copied: Callable[[ReadSpec], dict[str, Any]]) -> R:
    """A spec, and those that it joins, without URLs."""
    changes = copied(spec) if scheme_of(spec.files) else {}
    if joined := getattr(spec, "join", ()):
        changes["join"] = tuple(_local(one, copied) for one in joined)
    return replace(spec, **changes) if changes else spec


class _Tables:
    """Copies tables of servers to Parquet files.

    Args:
        tables: the folder in which that of the copies is made.
        progress: called with the bytes copied.
        stack: removes the copies when it is closed.
    """

    def __init__(self, tables: Path, progress: Progress, stack: ExitStack) -> None:
        self._tables, self._progress, self._stack = tables, progress, stack
        self._connections: dict[str, Any] = {}
        self._open = stack.enter_context(ExitStack())
        self._made: dict[tuple[str, str, str], Path] = {}
        self._done = 0

    def copy(self, spec: ReadSpec) -> Path:
        """The copy of a table or query; made once."""
        key = spec.files, spec.table, spec.query
        if key not in self._made:
            if spec.files not in self._connections:
                session = postgresql.connected(spec.files)
                self._connections[spec.files] = self._open.enter_context(session)
            source = postgresql.open_table(spec, connection=self._connections[spec.files])
            self._made[key] = self._write(source)
        return self._made[key]

    def close(self) -> None:
        """Ends the snapshots."""
        self._open.close()

    def _write(self, source: postgresql.PostgresTable) -> Path:
        import pyarrow.parquet as pq

        with translate_errors(self._tables):
            make_folder(self._tables)
            folder = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self._tables))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        path = folder / f"{(source.table or 'query').replace('/', '_')}.parquet"
        schema, before = source.schema(), self._done
        with translate_errors(path), pq.ParquetWriter(path, schema) as writer:
            for batch in source.batches(on_bytes=self._count(before)):
                writer.write_batch(batch)
        return path

    def _count(self, before: int) -> Callable[[int], None]:
        limit = remote.limit()

        def on_bytes(read: int) -> None:
            self._done = before + read
            if self._done > limit:
                raise remote.too_large("the tables", self._done, limit)
            self._progress("fetching", self._done, None)

        return on_bytes
