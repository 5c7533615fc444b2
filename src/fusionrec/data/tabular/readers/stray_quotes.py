"""The slow second pass over text with delimiters, which finds quotes that are astray."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain
from typing import Any

from fusionrec.data.tabular.readers.compression import BLOCK
from fusionrec.data.tabular.readers.encoding import guess
from fusionrec.errors import DataError

MEND_ROW = "mend or remove that line; a value with the delimiter in it needs quotes around it"
LONG = 20  # line ends in a value; more suggest a stray quote
_QUOTE = "mend that line: remove the quote, or set a second one where the value ends"
_END = "the end"


def look_through(source: Any) -> tuple[int, str]:
    """How many values span many lines, and an example.

    Raises:
        DataError: a line is too long or not in the file's encoding, or its quote never ends; names
            the line.
    """
    long, example = 0, ""
    with source.rows() as (stream, _):
        lines = _Lines(source, stream)
        # The extra line is a row of its own unless the last quote is still open.
        reader = csv.reader(
            chain(lines, [_END]),
            delimiter=source.inner_delimiter,
            quoting=csv.QUOTE_MINIMAL if source.quoted else csv.QUOTE_NONE,
            escapechar=source.layout.escape or None,
        )
        limit = csv.field_size_limit(max(csv.field_size_limit(), BLOCK))
        try:
            for row in reader:
                if reader.line_num > lines.read and row != [_END]:
                    opened = lines.first + sum(value.count("\n") for value in row[:-1])
                    value = row[-1].removesuffix(_END)
                    says = f"a quote opens there that never ends: {value[:60]!r}"
                    raise DataError(f"{source.path}, line {opened}: {says}", _QUOTE)
                line = lines.first
                for value in row:
                    ends = value.count("\n")
                    if ends > LONG:
                        long, example = long + 1, example or f"line {line}, {value[:60]!r}"
                    line += ends
                lines.row, lines.first = 0, source.layout.line + reader.line_num
        except csv.Error as error:
            raise DataError(f"{source.path}, line {lines.first}: {error}", MEND_ROW) from error
        finally:
            csv.field_size_limit(limit)  # global to the process
    return long, example


class _Lines:
    """The lines of a stream of bytes as text.

    Attributes:
        row: bytes of the row so far; the caller sets it to 0 where a row ends.
        first: the number of the row's first line; the caller sets it where a row ends.
        read: how many lines were read.
    """

    def __init__(self, source: Any, stream: Any) -> None:
        self.row, self.first, self.read = 0, source.layout.line, 0
        self._source = source
        self._bytes = io.BufferedReader(stream, 1 << 20)

    def __iter__(self) -> Iterator[str]:
        path, line, encoding = self._source.path, self.first - 1, self._source.encoding
        try:
            while text := self._bytes.readline(BLOCK + 1):
                self.read, line = self.read + 1, line + 1
                self.row += len(text)
                if self.row > BLOCK:
                    raise DataError(
                        f"{path}, line {self.first}: expected lines of {BLOCK:,} bytes at "
                        "most, got a longer one, or a quote that does not end",
                        "is there a line end after each row, and a second quote to each?",
                    )
                yield text.decode()
        except UnicodeDecodeError as error:
            if encoding:  # bytes of the file are decoded many lines at a time
                says = f"not {encoding} somewhere below line {line}"
            else:
                says, encoding = f"not UTF-8 from byte {error.start + 1} on", guess(text)
            raise DataError(
                f"{path}, line {line}: {says}",
                f'mend that line, or set encoding = "{encoding or "cp1252"}" in fusionrec.toml',
            ) from error
