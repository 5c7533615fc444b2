"""Finds table files, recognises their format, and reads them as a stream of batches."""

from __future__ import annotations

import csv
import glob
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionrec.data.tabular.casting import as_text
from fusionrec.data.tabular.readers import delimited, jsonlines
from fusionrec.data.tabular.readers.compression import OnBytes, open_bytes, translate_errors
from fusionrec.data.tabular.readers.delimited import OnFinding
from fusionrec.data.values import nearest_hint
from fusionrec.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_HEAD = 1 << 20  # bytes that show the format; a header must fit in
_MOST_VALUES = 4_000_000  # of a sample
_ROWS = 1 << 16  # of a Parquet batch
_UNREADABLE = ("struct", "map", "binary")  # types without text
_DELIMITERS = (",", "\t", ";", "|")
_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_FOREIGN = {
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"BZh": "packed by bzip2",
    b"\xfd7zXZ": "packed by xz",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
NO_HEADER = "it seems to have no header line: put one with the columns' names above the rows"
_ENDINGS = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet", ".pq")
_READABLE = "CSV, TSV, JSON Lines (each also .gz or .zst) and Parquet are read, in UTF-8"


@dataclass(frozen=True)
class SourceFile:
    """One table file.

    Attributes:
        path: where it is.
        format: ``csv``, ``tsv``, ``jsonl`` or ``parquet``.
        compression: ``gzip``, ``zstd`` or empty.
        types: column -> pyarrow's name of its type; of text formats from the beginning of the file.
        delimiter: between the values of a line of CSV or TSV; else empty.
    """

    path: Path
    format: str
    compression: str
    types: dict[str, str]
    delimiter: str = ""

    def batches(
        self,
        columns: Sequence[str] | None = None,
        on_bytes: OnBytes = lambda _: None,
        on_finding: OnFinding = lambda *_: None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows in the file's order, in batches of a few megabytes of the file.

        Args:
            columns: which to read; all by default. In JSON Lines a column that a batch lacks
                is null there.
            on_bytes: called with each batch, with the bytes of the file read so far.
            on_finding: called with oddities after the last batch; see ``Findings.once``.

        Yields:
            Batches with these columns. Values of CSV and TSV are strings, empty ones null; others
            have the types of the file.

        Raises:
            DataError: a column is missing, or the file is malformed; names the line of a text
                format.
        """
        wanted = list(self.types if columns is None else columns)
        for name in wanted:
            self.require(name)
        if self.format == "parquet":
            yield from _parquet(self.path, wanted, on_bytes)
        elif self.format == "jsonl":
            yield from jsonlines.batches(self.path, self.compression, wanted, on_bytes)
        else:
            names, file = list(self.types), (self.path, self.compression, self.delimiter)
            yield from delimited.batches(*file, names, wanted, on_bytes, on_finding)

    def require(self, column: str, setting: str = "") -> None:
        """Checks that a column exists.

        Args:
            column: its name.
            setting: what names it, such as ``interactions.user``.

        Raises:
            DataError: it is missing; the nearest name is the hint.
        """
        if column in self.types:
            return
        names = list(self.types)[:20]
        shown = ", ".join(name if name.isprintable() else repr(name) for name in names)
        of = f" ({setting})" if setting else ""
        near = nearest_hint(column, self.types) or "name one of these columns"
        raise DataError(
            f"{self.path} has no column {column!r}{of}; it has {shown[:400]}",
            NO_HEADER if lacks_header(self.types) else near,
        )


@dataclass(frozen=True)
class SampledRows:
    """The first rows of a file.

    Attributes:
        source: the file.
        columns: name -> one value per row: a string, a list of strings, or None.
        rows: number of rows.
        complete: whether these are all rows of the file.
    """

    source: SourceFile
    columns: dict[str, list[Any]]
    rows: int
    complete: bool


def sample(path: Path, rows: int = 1000) -> SampledRows:
    """The first rows of a file, as strings; columns of bytes or nested tables are left out. Of a
    file with many columns fewer rows are read, to bound memory.

    Raises:
        DataError: as ``open_source`` and ``SourceFile.batches``.
    """
    source = open_source(path)
    rows = min(rows, max(1000, _MOST_VALUES // max(1, len(source.types))))
    columns: dict[str, list[Any]] = {
        name: []
        for name, kind in source.types.items()
        if not any(one in kind for one in _UNREADABLE)
    }
    read, more = 0, False
    for batch in source.batches(list(columns)):
        taken = batch.slice(0, rows - read)
        for name, values in columns.items():
            values.extend(as_text(taken.column(name), f"{path}: {name}").to_pylist())
        read += len(taken)
        more = len(taken) < len(batch)
        if more:
            break
    return SampledRows(source, columns, read, not more)


def is_table_name(name: str) -> bool:
    """Whether a file of this name may be a readable table."""
    return name.lower().removesuffix(".gz").removesuffix(".zst").endswith(_ENDINGS)


def find_files(folder: Path, pattern: str) -> list[Path]:
    """The files that a name or pattern matches, sorted by name.

    Args:
        folder: the pattern is relative to it.
        pattern: a name, or one with ``*``, ``?`` or ``[…]``; ``**`` means any folders between.

    Raises:
        DataError: no file matches; the nearest name in the folder is the hint.
    """
    exact = folder / pattern
    if exact.is_file():
        return [exact]
    # Not Path.glob, which rejects absolute patterns.
    inner = Path(glob.escape(str(folder))) / pattern
    matches = map(Path, glob.iglob(str(inner), recursive=True))  # noqa: PTH207
    files = sorted(path for path in matches if path.is_file())
    if files:
        return files
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    near = nearest_hint(pattern, names, "did you mean {}?", cutoff=0.4)
    raise DataError(
        f"{exact}: there is no such file", near or f"files are looked for beside {folder}"
    )


def open_source(path: Path) -> SourceFile:
    """Recognises a file by its content, then by its name.

    Raises:
        DataError: it cannot be read, is empty, of unknown format, or without a header.
    """
    with translate_errors(path):
        with path.open("rb") as file:
            magic = file.read(6)
        if not magic:
            raise _empty(path)
        if magic.startswith(b"PAR1"):
            import pyarrow.parquet as pq

            fields = [(field.name, str(field.type)) for field in pq.read_schema(path)]
            types = dict(fields)
            if len(types) < len(fields):
                raise DataError(f"{path}: two columns have one name", "rename one of them")
            return SourceFile(path, "parquet", "", types)
        packed = next((name for mark, name in _PACKED.items() if magic.startswith(mark)), "")
        with open_bytes(path, packed) as (stream, _):
            head = stream.read(_HEAD)
    for mark, name in _FOREIGN.items():
        if head.startswith(mark):
            hint = "save it as UTF-8" if name == "UTF-16 text" else _READABLE
            raise DataError(f"{path}: this is {name}", hint)
    if b"\0" in head[:4096] or path.suffix.lower() in (".parquet", ".pq"):
        raise DataError(f"{path}: neither text nor Parquet", f"{_READABLE}; is it damaged?")
    first = head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1]
    if not first:
        raise _empty(path)
    if first == b"{":
        return SourceFile(path, "jsonl", packed, jsonlines.types_of(path, packed))
    if first == b"[":
        raise DataError(
            f"{path}: expected one JSON object per line, got a list",
            "write one object per line, without brackets and commas around them",
        )
    plain = path.name.lower().removesuffix(".gz").removesuffix(".zst")
    names, delimiter = _header(path, head, "\t" if plain.endswith((".tsv", ".tab")) else "")
    kind = "tsv" if delimiter == "\t" else "csv"
    return SourceFile(path, kind, packed, dict.fromkeys(names, "string"), delimiter)


def _empty(path: Path) -> DataError:
    return DataError(f"{path}: the file is empty", "a header with column names is expected")


def lacks_header(names: Iterable[str]) -> bool:
    """Whether column names look like values: at least half begin with a number."""
    columns = list(names)
    return sum(bool(re.match(r"\s*[-+]?\d", name)) for name in columns) * 2 >= max(1, len(columns))


def _header(path: Path, head: bytes, delimiter: str) -> tuple[list[str], str]:
    """The column names of CSV or TSV, and the delimiter."""
    text = head.decode("utf-8-sig", "surrogateescape").lstrip("\r\n")
    line = text.splitlines()[0]
    if not delimiter:
        outside = "".join(line.split('"')[::2])
        delimiter = max(_DELIMITERS, key=lambda d: (outside.count(d), -_DELIMITERS.index(d)))
    try:
        names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise DataError(f"{path}: the header cannot be read: {error}", _READABLE) from error
    if any("\udc80" <= character <= "\udcff" for character in "".join(names)):
        raise DataError(f"{path}, line 1: not UTF-8", "save it as UTF-8")
    if twice := next((name for name in names if names.count(name) > 1), None):
        hint = NO_HEADER if lacks_header(names) else "rename one of them"
        raise DataError(f"{path}: two columns are called {twice[:100]!r}", hint)
    if len(head) == _HEAD and len("".join(names)) > _HEAD // 2:
        raise DataError(f"{path}: the header is longer than {_HEAD:,} bytes", _READABLE)
    return names, delimiter


def _parquet(path: Path, columns: list[str], on_bytes: OnBytes) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with (
        translate_errors(path),
        pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file,
    ):
        size, rows, done = path.stat().st_size, max(file.metadata.num_rows, 1), 0
        for batch in file.iter_batches(_ROWS, columns=columns):
            done += len(batch)
            on_bytes(size * done // rows)
            yield batch.select(columns)
