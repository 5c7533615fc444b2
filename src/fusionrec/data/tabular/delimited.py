"""Lines of values, CSV and TSV: parsed by pyarrow; the bad line is looked for when there is one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionrec.data.tabular.streams import BLOCK, Told, open_bytes, reading
from fusionrec.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_ROW = "correct or remove that line; a value with the delimiter in it needs quotes around it"


def batches(
    path: Path,
    compression: str,
    delimiter: str,
    names: list[str],
    columns: list[str],
    told: Told,
) -> Iterator[pa.RecordBatch]:
    """The rows of a file, all values strings, an empty one null.

    Args:
        path, compression, delimiter: the file.
        names: its header.
        columns: which of these are given.
        told: as in ``Source.batches``.

    Raises:
        DataError: a line has more or fewer values than the header, is longer than ``BLOCK`` bytes,
            or is not UTF-8; the message names the line.
    """
    import pyarrow as pa
    import pyarrow.csv as pc

    with reading(path), open_bytes(path, compression) as (stream, file):
        try:
            reader = pc.open_csv(stream, *_options(delimiter, names, columns))
            for number, batch in enumerate(reader, 1):
                # The reader is ahead of what it gives; each batch is a block.
                told(file.tell() if compression else min(number * BLOCK, file.size()))
                yield batch
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):  # a header without a line end
                return
            _explain(path, compression, delimiter, len(names))
            raise


def _options(delimiter: str, names: list[str], columns: list[str]) -> tuple[Any, Any, Any]:
    import pyarrow as pa
    import pyarrow.csv as pc

    read = pc.ReadOptions(block_size=BLOCK)
    parse = pc.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    convert = pc.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        include_columns=columns,
        strings_can_be_null=True,
        null_values=[""],
    )
    return read, parse, convert


def _explain(path: Path, compression: str, delimiter: str, width: int) -> None:
    """Raises the DataError of the first line that is not what it should be, if there is one."""
    with open_bytes(path, compression) as (stream, _):
        lines = _Lines(path, stream)
        reader = csv.reader(lines, delimiter=delimiter)
        csv.field_size_limit(max(csv.field_size_limit(), BLOCK))
        first = 1
        try:
            for row in reader:
                if row and len(row) != width:
                    raise DataError(
                        f"{path}, line {first}: expected {width} values as in the header, "
                        f"got {len(row)}: {delimiter.join(row)[:120]!r}",
                        _ROW,
                    )
                lines.row, first = 0, reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{path}, line {first}: {error}", _ROW) from error


class _Lines:
    """The lines of a stream as text, and how long the row is that they make.

    Args:
        path: for messages.
        stream: of bytes.
    """

    def __init__(self, path: Path, stream: Any) -> None:
        self.row = 0
        self._path, self._number = path, 0
        self._bytes = io.BufferedReader(stream, 1 << 20)

    def __iter__(self) -> Iterator[str]:
        while line := self._bytes.readline(BLOCK + 1):
            self._number += 1
            self.row += len(line)
            if self.row > BLOCK:
                raise DataError(
                    f"{self._path}, line {self._number}: expected lines of {BLOCK:,} bytes at "
                    "most, got a longer one, or quotes that do not end",
                    "is there a line end after each row, and a second quote to each?",
                )
            try:
                yield line.decode("utf-8-sig" if self._number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{self._path}, line {self._number}: not UTF-8 from byte {error.start + 1} on",
                    "save the file as UTF-8",
                ) from error
