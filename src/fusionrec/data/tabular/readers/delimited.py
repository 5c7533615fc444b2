"""CSV and TSV, parsed by pyarrow; a slow second pass finds the line of an error.

A stray quote makes one value of all lines up to the next quote. The second pass looks for such a
quote if a value has many line ends, or the last row has any.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionrec.data.tabular.readers.compression import BLOCK, OnBytes, open_bytes, translate_errors
from fusionrec.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

OnFinding = Callable[..., None]  # name, count, says, example, warning: see Findings.once

_ROW = "mend or remove that line; a value with the delimiter in it needs quotes around it"
_QUOTE = "mend that line: remove the quote, or set a second one where the value ends"
_END = "the end"
_LONG = 20  # line ends in a value; more suggest a stray quote


def batches(
    path: Path,
    compression: str,
    delimiter: str,
    names: list[str],
    columns: list[str],
    on_bytes: OnBytes,
    on_finding: OnFinding,
) -> Iterator[pa.RecordBatch]:
    """The rows of a file; all values are strings, empty ones null.

    Args:
        path, compression, delimiter: the file.
        names: its header.
        columns: which of these to read.
        on_bytes, on_finding: as in ``SourceFile.batches``.

    Raises:
        DataError: a line has more or fewer values than the header, is longer than ``BLOCK`` bytes,
            opens a quote that never ends, or is not UTF-8; the message names the line.
    """
    import pyarrow as pa
    import pyarrow.csv as pc

    read = pc.ReadOptions(block_size=BLOCK)
    parse = pc.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    # Columns that are not read need not be UTF-8.
    types = dict.fromkeys(names, pa.binary()) | dict.fromkeys(columns, pa.string())
    convert = pc.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=[""])
    doubtful, last = False, None
    with translate_errors(path), open_bytes(path, compression) as (stream, file):
        try:
            reader = pc.open_csv(stream, read, parse, convert)
            for number, batch in enumerate(reader, 1):
                # The reader is ahead of what it gives; each batch is a block.
                on_bytes(file.tell() if compression else min(number * BLOCK, file.size()))
                doubtful |= _line_ends(batch) > _LONG
                last = batch.slice(len(batch) - 1) if len(batch) else last
                yield batch.select(columns)
            doubtful |= last is not None and _line_ends(last) > 0
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):  # a header without a line end
                return
            _look_through(path, compression, delimiter, len(names))
            raise
    if doubtful:
        long, example = _look_through(path, compression, delimiter, len(names))
        says = f"values of {path.name} that span more than {_LONG} lines; is a quote there astray?"
        on_finding(f"lines_{path}", long, says, example)


def _line_ends(batch: pa.RecordBatch) -> int:
    """The most line ends in any value. A stray quote may be in a column that is not read."""
    import pyarrow.compute as pc

    most = (pc.max(pc.count_substring(column, "\n")).as_py() for column in batch.columns)
    return max((count or 0 for count in most), default=0)


def _look_through(path: Path, compression: str, delimiter: str, width: int) -> tuple[int, str]:
    """How many values span many lines, and an example.

    Raises:
        DataError: a line is malformed or its quote never ends; names the line.
    """
    long, example = 0, ""
    with open_bytes(path, compression) as (stream, _):
        lines = _Lines(path, stream)
        # The extra line is a row of its own unless the last quote is still open.
        reader = csv.reader(chain(lines, [_END]), delimiter=delimiter)
        limit = csv.field_size_limit(max(csv.field_size_limit(), BLOCK))
        try:
            for row in reader:
                if reader.line_num > lines.number and row != [_END]:
                    opened = lines.first + sum(value.count("\n") for value in row[:-1])
                    value = row[-1].removesuffix(_END)
                    says = f"a quote opens there that never ends: {value[:60]!r}"
                    raise DataError(f"{path}, line {opened}: {says}", _QUOTE)
                if reader.line_num <= lines.number and row and len(row) != width:
                    raise DataError(
                        f"{path}, line {lines.first}: expected {width} values as in the header, "
                        f"got {len(row)}: {delimiter.join(row)[:120]!r}",
                        _ROW,
                    )
                line = lines.first
                for value in row:
                    ends = value.count("\n")
                    if ends > _LONG:
                        long, example = long + 1, example or f"line {line}, {value[:60]!r}"
                    line += ends
                lines.row, lines.first = 0, reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{path}, line {lines.first}: {error}", _ROW) from error
        finally:
            csv.field_size_limit(limit)  # global to the process
    return long, example


class _Lines:
    """The lines of a stream of bytes as text.

    Attributes:
        row: bytes of the row so far; the caller sets it to 0 where a row ends.
        first: the number of the row's first line; the caller sets it where a row ends.
        number: the number of the last line read.
    """

    def __init__(self, path: Path, stream: Any) -> None:
        self.row, self.first, self.number = 0, 1, 0
        self._path = path
        self._bytes = io.BufferedReader(stream, 1 << 20)

    def __iter__(self) -> Iterator[str]:
        while line := self._bytes.readline(BLOCK + 1):
            self.number += 1
            self.row += len(line)
            if self.row > BLOCK:
                raise DataError(
                    f"{self._path}, line {self.first}: expected lines of {BLOCK:,} bytes at "
                    "most, got a longer one, or a quote that does not end",
                    "is there a line end after each row, and a second quote to each?",
                )
            try:
                yield line.decode("utf-8-sig" if self.number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{self._path}, line {self.number}: not UTF-8 from byte {error.start + 1} on",
                    "save it as UTF-8",
                ) from error
