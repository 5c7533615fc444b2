"""JSON Lines, parsed by pyarrow in blocks, or line by line where types in a block differ."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec.data.tabular.readers.compression import BLOCK, OnBytes, open_bytes, translate_errors
from fusionrec.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_EXACT = 2**53
_DEEP = 500
_ONE = "write one JSON object per line"
_MEND = "mend or remove that line"


def types_of(path: Path, compression: str) -> dict[str, str]:
    """The columns of a file's first block and their types; raises as ``batches``."""
    first = next(_tables(path, compression, lambda _: None))
    return {field.name: str(field.type) for field in first.schema}


def batches(
    path: Path, compression: str, columns: Sequence[str], on_bytes: OnBytes
) -> Iterator[pa.RecordBatch]:
    """The rows of a file; a column that a block lacks is null in its batch.

    Raises:
        DataError: a line is no JSON object, not UTF-8, or longer than ``BLOCK`` bytes; the message
            names the line.
    """
    import pyarrow as pa

    for table in _tables(path, compression, on_bytes):
        present = set(table.column_names)
        arrays = [
            table[name].combine_chunks() if name in present else pa.nulls(len(table))
            for name in columns
        ]
        yield pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _tables(path: Path, compression: str, on_bytes: OnBytes) -> Iterator[pa.Table]:
    """One table per block, with all columns of the block."""
    import pyarrow as pa

    dates: dict[str, Any] = {}  # text columns that pyarrow would parse as dates
    with translate_errors(path), open_bytes(path, compression) as (stream, file):
        for line, block in _blocks(path, stream):
            on_bytes(file.tell())
            try:
                block.decode()
                table = None if _deep(block) else _parsed(block, dates)
            except (UnicodeDecodeError, pa.ArrowInvalid, pa.ArrowNotImplementedError):
                table = None
            yield pa.table(_by_line(path, line, block)) if table is None else table


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
            field.name: pa.list_(pa.string()) if pa.types.is_list(field.type) else pa.string()
            for field in table.schema
            if "timestamp" in str(field.type) and "struct" not in str(field.type)
        }
        if not parsed:
            floats = (column for column in table.columns if pa.types.is_floating(column.type))
            inexact = any((pc.max(pc.abs(column)).as_py() or 0.0) >= _EXACT for column in floats)
            return None if inexact else table.select(names)
        dates |= parsed


def _blocks(path: Path, stream: Any) -> Iterator[tuple[int, bytes]]:
    """Whole lines, about ``BLOCK`` bytes at a time, and the number of the first line."""
    line, rest = 1, b""
    while piece := stream.read(BLOCK):
        if line == 1 and not rest:
            piece = piece.removeprefix(b"\xef\xbb\xbf")
        cut = piece.rfind(b"\n") + 1
        block, rest = (rest + piece[:cut], piece[cut:]) if cut else (b"", rest + piece)
        if len(rest) > BLOCK:
            number = line + block.count(b"\n")
            says = f"expected lines of {BLOCK:,} bytes at most, got a longer one"
            raise DataError(f"{path}, line {number}: {says}", _ONE)
        if len(piece) < BLOCK - 3:  # the file's end
            block, rest = block + rest, b""
        if block.strip():
            yield line, block
        line += block.count(b"\n")
    if rest.strip():
        yield line, rest


def _deep(block: bytes) -> bool:
    """Whether a line may nest so deeply that pyarrow's parser crashes the process."""
    if block.count(b"[") + block.count(b"{") < block.count(b"\n") + _DEEP:
        return False
    letters = np.frombuffer(block, dtype=np.uint8)
    opened = np.cumsum((letters == ord("[")) | (letters == ord("{")))
    at_ends = opened[np.append(np.flatnonzero(letters == ord("\n")), len(letters) - 1)]
    return bool(np.diff(at_ends, prepend=0).max() > _DEEP)


def _by_line(path: Path, first: int, block: bytes) -> dict[str, list[Any]]:
    """The columns of a block, as texts or lists of texts."""
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(block.split(b"\n"), first):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode())
        except (ValueError, RecursionError) as error:
            hint = "save it as UTF-8" if isinstance(error, UnicodeDecodeError) else _MEND
            why = str(error)
            if isinstance(error, json.JSONDecodeError):  # its own line is always 1
                why = f"{error.msg} at its character {error.pos + 1}"
            raise DataError(f"{path}, line {number}: not JSON in UTF-8: {why}", hint) from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: expected a JSON object, got {row!r:.60}", _ONE)
        rows.append({name: _text(value) for name, value in row.items()})
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _alike([row.get(name) for row in rows]) for name in names}


def _text(value: Any) -> Any:
    """A value as text, a list as a list of texts; a nested object becomes its JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return [_text(element) for element in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


def _alike(values: list[Any]) -> list[Any]:
    """A column of lists if any value is a list; else as it is."""
    if not any(isinstance(value, list) for value in values):
        return values
    lists = [value if value is None or isinstance(value, list) else [value] for value in values]
    return [
        texts and [json.dumps(text) if isinstance(text, list) else text for text in texts]
        for texts in lists
    ]
