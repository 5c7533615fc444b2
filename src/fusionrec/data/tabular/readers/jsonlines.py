"""JSON objects, parsed by pyarrow in blocks, or line by line where types in a block differ."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec.data.tabular.readers.compression import (
    JoinedBytes,
    OnBytes,
    line_blocks,
    open_bytes,
    translate_errors,
)
from fusionrec.data.tabular.readers.json_frames import read_frame
from fusionrec.data.tabular.readers.json_text import (
    json_layout,
    list_names,
    objects_on_lines,
    parse_line,
)
from fusionrec.data.tabular.readers.nested import flatten_object, flatten_table
from fusionrec.data.tabular.readers.source import (
    MemoryTable,
    OnFinding,
    SourceFile,
    bounded,
    which_table,
)
from fusionrec.data.tabular.source_spec import ReadSpec
from fusionrec.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_EXACT = 2**53
_DEEP = 500
_KEY = re.compile(rb'"([^"\\]{1,200})"\s*:')
_SHOWN = 1 << 17  # bytes of a block whose keys are counted
_MOST_VALUES = 200_000_000  # of a block
_ONE = "write one JSON object per line"
_MEND = "mend or remove that line"


@dataclass(frozen=True)
class JsonFile(SourceFile):
    """JSON objects, one per row; a column that a block lacks is null in its batch.

    Attributes:
        encoding: Python's name; empty for UTF-8.
        start: number of bytes before the first object; -1: each line holds one.
    """

    encoding: str = ""
    start: int = -1

    def _read(
        self,
        columns: list[str],
        on_bytes: OnBytes,
        on_finding: OnFinding,  # noqa: ARG002 (JSON that is not as it should be is refused)
    ) -> Iterator[pa.RecordBatch]:
        """Raises a DataError if a line is no JSON object, not UTF-8, or longer than ``BLOCK``
        bytes; the message names the line.
        """
        import pyarrow as pa

        for found, rows in _tables(self, on_bytes):
            arrays = [found[name] if name in found else pa.nulls(rows) for name in columns]
            yield pa.RecordBatch.from_arrays(arrays, names=columns)


def open_json(
    path: Path, compression: str, encoding: str, head: bytes, complete: bool, spec: ReadSpec
) -> SourceFile:
    """Opens a file of JSON Lines, of a list of objects, of an object with such a list, or of one
    that is a table; see ``json_frames``.

    Args:
        path, compression, encoding: of the file.
        head: how its text begins, in UTF-8.
        complete: whether that is the whole file.
        spec: ``table`` names one of several lists.

    Raises:
        DataError: as ``JsonFile.batches``, or there are several lists.
    """
    import pyarrow as pa

    if frame := read_frame(path, compression, encoding, head):
        columns = {name: _alike([_text(value) for value in frame[name]]) for name in frame}
        bounded(path, len(columns))
        table = pa.table(columns)
        types = {field.name: str(field.type) for field in table.schema}
        return MemoryTable(path, "json", compression, types, table=table)
    layout = json_layout(head, complete)
    start, names = layout.start, list_names(layout)
    if names or spec.table:
        start = dict(layout.lists).get(spec.table, -1)
        if start < 0:
            raise which_table(path, "lists", names, spec.table)
    form = "jsonl" if layout.start < 0 else "json"
    source = JsonFile(path, form, compression, {}, encoding=encoding, start=start)
    first, _ = next(_tables(source, lambda _: None), ({}, 0))
    if not first:
        raise DataError(f"{path}: expected JSON objects with values, found none", _ONE)
    return replace(source, types={name: str(values.type) for name, values in first.items()})


def _tables(source: JsonFile, on_bytes: OnBytes) -> Iterator[tuple[dict[str, Any], int]]:
    """Of each block its columns, by dotted names, and the number of its rows."""
    import pyarrow as pa

    path = source.path
    dates: dict[str, Any] = {}  # text columns that pyarrow would parse as dates
    with (
        translate_errors(path),
        open_bytes(path, source.compression, source.encoding) as (stream, file),
    ):
        for line, block in line_blocks(path, _lines(source, stream)):
            on_bytes(file.tell())
            text = block.removeprefix(b"\xef\xbb\xbf") if line == 1 else block
            _check_keys(path, text)
            try:
                text.decode()
                table = None if _deep(text) else _parsed(text, dates)
            except (UnicodeDecodeError, pa.ArrowInvalid, pa.ArrowNotImplementedError):
                table = None
            if table is None:
                table = pa.table(_by_line(source, line, text))
            columns = flatten_table(table)
            bounded(path, len(columns))
            yield columns, len(table)


def _lines(source: JsonFile, stream: Any) -> Any:
    """The stream with each object on one line."""
    if source.start < 0:
        return stream
    stream.read(source.start)
    pieces = objects_on_lines(source.path, stream, in_list=source.start > 0)
    return io.BufferedReader(JoinedBytes(pieces))


def _check_keys(path: Path, block: bytes) -> None:
    """Raises a DataError for objects without common keys: a table of them would be immense."""
    keys = len(set(_KEY.findall(block[:_SHOWN])))
    if keys * block.count(b"\n") > _MOST_VALUES:
        raise DataError(
            f"{path}: expected objects with the same keys, got more than {keys:,} different keys",
            "write ids as values, not as keys",
        )


def _parsed(block: bytes, dates: dict[str, Any]) -> pa.Table | None:
    """The table of a block; None if whole numbers became floats too large to be exact."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.json as pj

    read = pj.ReadOptions(block_size=len(block) + 1, use_threads=False)
    names: list[str] = []
    while True:
        explicit = pa.schema(list(dates.items())) if dates else None
        table = pj.read_json(io.BytesIO(block), read, pj.ParseOptions(explicit_schema=explicit))
        names = names or table.column_names  # on later passes the explicit ones come first
        parsed = {
            field.name: _without_dates(field.type)
            for field in table.schema
            if "timestamp" in str(field.type)
        }
        if not parsed:
            floats = (column for column in table.columns if pa.types.is_floating(column.type))
            inexact = any((pc.max(pc.abs(column)).as_py() or 0.0) >= _EXACT for column in floats)
            return None if inexact else table.select(names)
        dates |= parsed


def _without_dates(kind: Any) -> Any:
    """A type with text in place of dates."""
    import pyarrow as pa

    if pa.types.is_list(kind):
        return pa.list_(_without_dates(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _without_dates(field.type)) for field in kind])
    return pa.string() if pa.types.is_timestamp(kind) else kind


def _deep(block: bytes) -> bool:
    """Whether a line may nest so deeply that pyarrow's parser crashes the process."""
    if block.count(b"[") + block.count(b"{") < block.count(b"\n") + _DEEP:
        return False
    letters = np.frombuffer(block, dtype=np.uint8)
    opened = np.cumsum((letters == ord("[")) | (letters == ord("{")))
    at_ends = opened[np.append(np.flatnonzero(letters == ord("\n")), len(letters) - 1)]
    return bool(np.diff(at_ends, prepend=0).max() > _DEEP)


def _by_line(source: JsonFile, first: int, block: bytes) -> dict[str, list[Any]]:
    """The columns of a block, as texts or lists of texts."""
    unit = "line" if source.start < 0 else "object"
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(block.split(b"\n"), first):
        if not line.strip():
            continue
        where = f"{source.path}, {unit} {number}"
        try:
            row = parse_line(line.decode())
        except (ValueError, RecursionError) as error:
            hint = "save it as UTF-8" if isinstance(error, UnicodeDecodeError) else _MEND
            why = str(error)
            if isinstance(error, json.JSONDecodeError):  # its own line is always 1
                why = f"{error.msg} at its character {error.pos + 1}"
            raise DataError(f"{where}: not JSON in UTF-8: {why}", hint) from error
        if not isinstance(row, dict):
            raise DataError(f"{where}: expected a JSON object, got {row!r:.60}", _ONE)
        flat = flatten_object({str(name): value for name, value in row.items()})
        rows.append({name: _text(value) for name, value in flat.items()})
    names = dict.fromkeys(name for row in rows for name in row)
    bounded(source.path, len(names))
    return {name: _alike([row.get(name) for row in rows]) for name in names}


def _text(value: Any) -> Any:
    """A value as text, a list as a list of texts; a nested object becomes its JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | tuple | set):
        return [_text(element) for element in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _alike(values: list[Any]) -> list[Any]:
    """A column of lists if any value is a list; else as it is."""
    if not any(isinstance(value, list) for value in values):
        return values
    lists = [value if value is None or isinstance(value, list) else [value] for value in values]
    return [
        texts and [json.dumps(text) if isinstance(text, list) else text for text in texts]
        for texts in lists
    ]
