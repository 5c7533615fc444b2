"""Finds table files, recognises their format by content, and samples their rows."""

from __future__ import annotations

import glob
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionrec.data.tabular.casting import as_text
from fusionrec.data.tabular.readers.columnar import (
    ARROW_FILE,
    ARROW_STREAM,
    open_arrow,
    open_parquet,
)
from fusionrec.data.tabular.readers.compression import (
    PACKED,
    PACKED_ENDINGS,
    open_bytes,
    translate_errors,
)
from fusionrec.data.tabular.readers.delimited import open_delimited
from fusionrec.data.tabular.readers.encoding import find_encoding, known_encoding
from fusionrec.data.tabular.readers.file_names import no_table_name
from fusionrec.data.tabular.readers.json_text import json_layout, list_names
from fusionrec.data.tabular.readers.jsonlines import open_json
from fusionrec.data.tabular.readers.source import NO_HEADER, SourceFile, lacks_header
from fusionrec.data.tabular.readers.spreadsheet import (
    OLD_EXCEL,
    is_workbook,
    open_sheet,
    sheet_names,
)
from fusionrec.data.tabular.source_spec import ReadSpec
from fusionrec.data.values import nearest_hint
from fusionrec.errors import DataError, FusionrecError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "NO_HEADER",
    "SampledRows",
    "SourceFile",
    "find_files",
    "is_table",
    "lacks_header",
    "open_source",
    "sample",
    "tables_of",
]

_ALL_FOUND = ReadSpec()
_HEAD = 1 << 20  # bytes that show the format; a header must fit in
_MOST_VALUES = 4_000_000  # of a sample
_MOST_BYTES = 256 << 20  # of a sample
_MOST_BATCHES = 40  # of a sample; most rows of a file may be empty
_UNREADABLE = ("struct", "map", "binary")  # types without text
_ENDINGS = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet", ".pq", ".feather",
            ".arrow", ".xlsx", ".xlsb", ".xls", ".ods")  # fmt: skip
_READABLE = (
    "text with delimiters such as CSV, JSON, Parquet, Feather and spreadsheets are read; "
    "text and JSON also as .gz, .zst, .bz2, .xz, or alone in a .zip"
)
_FOREIGN = {
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\x89HDF": "an HDF5 file",
    b"FEA1": "a Feather file of the old version 1",
    b"SQLite format 3": "an SQLite database",
    b"\x80\x04\x95": "a pickle",
    b"<!": "HTML or XML",
    b"<?": "HTML or XML",
    b"<h": "HTML or XML",
}


@dataclass(frozen=True)
class SampledRows:
    """The first rows of a file.

    Attributes:
        source: the file.
        table: its rows; columns of text, or of lists of text.
        complete: whether these are all rows of the file.
    """

    source: SourceFile
    table: pa.Table
    complete: bool

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.table)

    @property
    def columns(self) -> dict[str, list[Any]]:
        """Name -> one value per row: a string, a list of strings, or None."""
        return {name: self.table[name].to_pylist() for name in self.table.column_names}


def sample(
    path: Path, rows: int = 1000, spec: ReadSpec = _ALL_FOUND, table: str = ""
) -> SampledRows:
    """The first rows of a file, as strings; columns of bytes or nested tables are left out. Of a
    file with many columns or long values fewer rows are read, to bound memory.

    Args:
        path: of the file.
        rows: how many at most.
        spec: how it is read.
        table: in place of ``spec.table``, one of ``tables_of``.

    Raises:
        ConfigError, DataError: as ``open_source`` and ``SourceFile.batches``.
    """
    import pyarrow as pa

    source = open_source(path, replace(spec, table=table) if table else spec)
    rows = min(rows, max(1000, _MOST_VALUES // max(1, len(source.types))))
    names = [
        name for name, kind in source.types.items() if not any(one in kind for one in _UNREADABLE)
    ]
    parts: dict[str, list[Any]] = {name: [] for name in names}
    read, size, more = 0, 0, False
    for number, batch in enumerate(source.batches(names), start=1):
        taken = batch.slice(0, rows - read)
        for name, values in parts.items():
            values.append(as_text(taken.column(name), f"{path}: {name}"))
            size += values[-1].nbytes
        read += len(taken)
        more = len(taken) < len(batch)
        if more or size > _MOST_BYTES or number == _MOST_BATCHES:
            more = True
            break
    columns = [_joined(values) for values in parts.values()]
    return SampledRows(source, pa.table(columns, names=names), not more)


def _joined(parts: list[Any]) -> Any:
    """Arrays of texts and of lists of texts as one; among lists a text is a list of one."""
    import pyarrow as pa

    kinds = {part.type for part in parts}
    if len(kinds) <= 1:
        return pa.chunked_array(parts, kinds.pop() if kinds else pa.string())
    lists = [
        [value if isinstance(value, list) else value and [value] for value in part.to_pylist()]
        for part in parts
    ]
    texts = [[one and [text if isinstance(text, str | None) else str(text) for text in one]
              for one in part] for part in lists]  # fmt: skip
    return pa.chunked_array(texts, pa.list_(pa.string()))


def is_table(path: Path) -> bool:
    """Whether a file may be a table: by its name if that is telling, else by its content."""
    name = path.name.lower()
    if no_table_name(name):
        return False
    for ending in PACKED_ENDINGS:
        name = name.removesuffix(ending)
    if name.endswith(_ENDINGS):
        return True
    try:
        return bool(tables_of(path) or sample(path, 1).rows)
    except FusionrecError:
        return False


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


def tables_of(path: Path, spec: ReadSpec = _ALL_FOUND) -> list[str]:
    """The names of the tables in a file that holds several, such as the sheets of a workbook; none
    of a file of one table. ``ReadSpec.table`` is one of them.

    Raises:
        ConfigError, DataError: as ``open_source``.
    """
    with translate_errors(path):
        magic = _magic(path)
        if _is_workbook(path, magic):
            names = sheet_names(path)
            return names if len(names) > 1 else []
        if magic.startswith((b"PAR1", ARROW_FILE, ARROW_STREAM)):
            return []
        text = _text(path, magic, spec)
        return list_names(json_layout(text.head, text.complete)) if text.is_json else []


def open_source(path: Path, spec: ReadSpec = _ALL_FOUND) -> SourceFile:
    """Recognises a file by its content.

    Args:
        path: of the file.
        spec: what need not be found: ``table``, ``names``, ``skip``, ``delimiter``, ``encoding``.

    Raises:
        ConfigError: a setting does not fit the file.
        DataError: it is missing, empty, damaged, or of no known format; its header has too many
            columns; or it holds several tables.
    """
    with translate_errors(path):
        magic = _magic(path)
        if magic.startswith(b"PAR1"):
            return open_parquet(path)
        if magic.startswith((ARROW_FILE, ARROW_STREAM)):
            return open_arrow(path)
        if _is_workbook(path, magic):
            return open_sheet(path, spec)
        text = _text(path, magic, spec)
        place = path, text.compression, text.encoding
        if text.is_json:
            source: SourceFile = open_json(*place, text.head, text.complete, spec)
        else:
            head = text.head.decode("utf-8", "surrogateescape")
            source = open_delimited(*place, head, text.complete, spec)
        return replace(source, notes=(text.note, *source.notes)) if text.note else source


@dataclass(frozen=True)
class _Text:
    """A file of text.

    Attributes:
        compression, encoding: as in ``DelimitedFile``.
        note: on the encoding; may be empty.
        head: how the text begins, in UTF-8.
        complete: whether that is all of it.
        is_json: whether it is JSON.
    """

    compression: str
    encoding: str
    note: str
    head: bytes
    complete: bool
    is_json: bool


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        magic = file.read(8)
    if not magic:
        raise _empty(path)
    return magic


def _is_workbook(path: Path, magic: bytes) -> bool:
    if not magic.startswith(b"PK\x03\x04"):
        return magic.startswith(OLD_EXCEL)
    with zipfile.ZipFile(path) as archive:
        return is_workbook(archive)


def _text(path: Path, magic: bytes, spec: ReadSpec) -> _Text:
    """Recognises a file of text; a DataError if it is none."""
    packed = next((name for mark, name in PACKED.items() if magic.startswith(mark)), "")
    with open_bytes(path, packed) as (stream, _):
        head = _read(stream)
        _refuse_foreign(path, head)
        encoding, note = known_encoding(spec.encoding) if spec.encoding else "", ""
        if not spec.encoding:
            encoding, note = find_encoding(path, head, stream)
    if encoding:
        with open_bytes(path, packed, encoding) as (stream, _):
            head = _read(stream)
    first = head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1]
    if not first:
        raise _empty(path)
    is_json = first in (b"{", b"[") and not (spec.delimiter or spec.names)
    return _Text(packed, encoding, note, head, len(head) < _HEAD, is_json)


def _read(stream: Any) -> bytes:
    """The first ``_HEAD`` bytes of a stream, whose ``read`` may return fewer."""
    head = b""
    while len(head) < _HEAD and (piece := stream.read(_HEAD - len(head))):
        head += piece
    return head


def _refuse_foreign(path: Path, head: bytes) -> None:
    begin = head.lstrip(b"\xef\xbb\xbf \r\n\t")[:300].lower()
    what = next((what for mark, what in _FOREIGN.items() if begin.startswith(mark.lower())), "")
    if head[257:262] == b"ustar":
        what = "a tar archive"
    if any(head.startswith(mark) for mark in (*PACKED, b"PAR1", ARROW_FILE)):
        what = "a packed file that is no text"
    if what:
        raise DataError(f"{path}: this is {what}", f"{_READABLE}; unpack or convert it")
    if path.suffix.lower() in (".parquet", ".pq"):
        raise DataError(f"{path}: this is no Parquet", "get a fresh copy of it; is it damaged?")


def _empty(path: Path) -> DataError:
    return DataError(f"{path}: the file is empty", "a header with column names is expected")
