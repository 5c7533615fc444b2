"""Recognises the format of a file by its content."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fusionrec.data.tabular.readers.columnar import (
    ARROW_FILE,
    ARROW_STREAM,
    open_arrow,
    open_parquet,
)
from fusionrec.data.tabular.readers.compression import PACKED, open_bytes, translate_errors
from fusionrec.data.tabular.readers.delimited import open_delimited
from fusionrec.data.tabular.readers.encoding import find_encoding, known_encoding
from fusionrec.data.tabular.readers.json_text import json_layout, list_names
from fusionrec.data.tabular.readers.jsonlines import open_json
from fusionrec.data.tabular.readers.source import SourceFile
from fusionrec.data.tabular.readers.spreadsheet import (
    OLD_EXCEL,
    is_workbook,
    open_sheet,
    sheet_names,
)
from fusionrec.data.tabular.source_spec import ReadSpec
from fusionrec.errors import DataError

ALL_FOUND = ReadSpec()  # nothing is given
_HEAD = 1 << 20  # bytes that show the format; a header must fit in
# Not the names in brackets of a SQL server's CSV: [user],[item].
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*(?:u?[\"'\d}]|$)|\[\s*(?:[\[{\"\d\]-]|$))")
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
    b"<table": "HTML or XML",
}


def tables_of(path: Path, spec: ReadSpec = ALL_FOUND) -> list[str]:
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


def open_source(path: Path, spec: ReadSpec = ALL_FOUND) -> SourceFile:
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
    is_json = bool(_JSON.match(head)) and not (spec.delimiter or spec.names)
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
