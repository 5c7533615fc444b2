"""Text with delimiters, parsed by pyarrow; a slow second pass finds quotes that are astray.

A stray quote makes one value of all lines up to the next quote. The second pass looks for such a
quote if a value has many line ends, or the last row has any.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionrec.data.tabular.readers.compression import (
    BLOCK,
    JoinedBytes,
    OnBytes,
    line_blocks,
    open_bytes,
    translate_errors,
)
from fusionrec.data.tabular.readers.layout import TextLayout, find_layout
from fusionrec.data.tabular.readers.rewrite import INNER, is_plain, may_be_quoted, rewrite
from fusionrec.data.tabular.readers.source import OnFinding, SourceFile
from fusionrec.data.tabular.readers.stray_quotes import LONG, MEND_ROW, look_through
from fusionrec.data.tabular.source_spec import ReadSpec
from fusionrec.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_BELOW = 20  # lines below the table
_COMMAS = TextLayout(",", (), 0, 1)


@dataclass(frozen=True)
class DelimitedFile(SourceFile):
    """Lines with a delimiter between values, such as CSV.

    Attributes:
        encoding: Python's name; empty for UTF-8.
        layout: how the text is laid out.
    """

    encoding: str = ""
    layout: TextLayout = _COMMAS

    @property
    def rewritten(self) -> bool:
        """Whether ``INNER`` stands for the delimiter when pyarrow and csv parse the text."""
        return bool(self.ragged) or not is_plain(self.delimiter)

    @property
    def inner_delimiter(self) -> str:
        """What stands between values in the stream of ``rows``."""
        return INNER if self.rewritten else self.delimiter

    @property
    def quoted(self) -> bool:
        """Whether quotes may stand around values."""
        return not self.ragged and may_be_quoted(self.delimiter)

    @contextmanager
    def rows(self) -> Iterator[tuple[Any, Any]]:
        """The lines from the first row on, in UTF-8; as ``open_bytes``."""
        import pyarrow as pa

        with open_bytes(self.path, self.compression, self.encoding) as (stream, file):
            stream.read(self.layout.start)
            if self.rewritten:
                blocks = line_blocks(self.path, stream, self.layout.line)
                pieces = JoinedBytes(
                    rewrite(block, self.delimiter, bool(self.ragged), len(self.layout.names))
                    for _, block in blocks
                )
                yield pa.PythonFile(io.BufferedReader(pieces, 1 << 20), mode="r"), file
            else:
                yield stream, file

    def _read(
        self, columns: list[str], on_bytes: OnBytes, on_finding: OnFinding
    ) -> Iterator[pa.RecordBatch]:
        """All values are strings, empty ones null; rows without any value are left out, and lines
        below the table, such as ``(320 rows)``.

        Raises:
            DataError: a line has more or fewer values than the header, is longer than ``BLOCK``
                bytes, opens a quote that never ends, or is not in the file's encoding; the message
                names the line.
        """
        import pyarrow as pa

        doubtful, last, rows = False, None, _Rows()
        with translate_errors(self.path), self.rows() as (stream, file):
            direct = not (self.compression or self.encoding or self.rewritten)
            try:
                for number, batch in enumerate(_parsed(self, stream, columns, rows), 1):
                    # The reader is ahead of what it gives; each batch is a block.
                    on_bytes(min(number * BLOCK, file.size()) if direct else file.tell())
                    doubtful |= _line_ends(batch) > LONG
                    last = batch.slice(len(batch) - 1) if len(batch) else last
                    yield rows.with_values(batch).select(columns)
                doubtful |= last is not None and _line_ends(last) > 0
            except (pa.ArrowInvalid, UnicodeError) as error:
                if "Empty CSV file" in str(error):  # no rows
                    return
                if rows.invalid is None or "\n" in rows.invalid.text:
                    look_through(self)
                if rows.invalid is not None:
                    raise _misfit(self, rows.invalid) from error
                raise
        if doubtful:
            long, example = look_through(self)
            says = f"values of {self.path.name} that span more than {LONG} lines; is a quote"
            on_finding(f"lines_{self.path}", long, f"{says} there astray?", example)
        if rows.below:
            _check_below(self, rows.below)
            says, example = "lines below the table that are left out", rows.below[0].text
            on_finding(f"below_{self.path}", len(rows.below), says, example[:80], True)
        if rows.empty:
            says = f"rows of {self.path.name} without any value"
            on_finding(f"empty_{self.path}", rows.empty, says, "they are left out")


def open_delimited(
    path: Path, compression: str, encoding: str, head: str, complete: bool, spec: ReadSpec
) -> DelimitedFile:
    """Opens a file of text.

    Args:
        path, compression, encoding: of the file.
        head: how its text begins; undecodable bytes as surrogates.
        complete: whether that is the whole file.
        spec: what need not be found.

    Raises:
        ConfigError, DataError: as ``find_layout``.
    """
    layout = find_layout(path, head, complete, spec)
    return DelimitedFile(
        path,
        "tsv" if layout.delimiter == "\t" else "csv",
        compression,
        {name: "string" for name in layout.names if name},
        layout.delimiter,
        layout.headerless,
        layout.ragged,
        layout.notes,
        encoding,
        layout,
    )


class _Rows:
    """What pyarrow says of rows that do not fit.

    Attributes:
        invalid: the first with too many or too few values; else None.
        empty: how many have no value.
        below: those with one value or in brackets, which may stand below the table.
    """

    def __init__(self) -> None:
        self.invalid: Any = None
        self.empty = 0
        self.below: list[Any] = []

    def on_invalid(self, row: Any) -> str:
        """Called by pyarrow with an ``InvalidRow``; says what to do with it."""
        if not row.text.strip(' \t\r\n\x1a,;|"-+=:' + INNER):
            self.empty += 1
            return "skip"
        remark = row.actual_columns == 1 or re.fullmatch(r"\(.*\)\s*", row.text)
        if remark and "\n" not in row.text and len(self.below) < _MOST_BELOW:
            self.below.append(row)
            return "skip"
        self.invalid = self.invalid or row
        return "error"

    def with_values(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows with any value."""
        import pyarrow.compute as pc

        if any(column.null_count == 0 for column in batch.columns) or not batch.num_columns:
            return batch
        known = batch.column(0).is_valid()
        for column in batch.columns[1:]:
            known = pc.or_(known, column.is_valid())
        kept = batch.filter(known)
        self.empty += len(batch) - len(kept)
        return kept


def _parsed(
    source: DelimitedFile, stream: Any, columns: list[str], rows: _Rows
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.csv as pc

    names = [name or f"\0{number}" for number, name in enumerate(source.layout.names)]
    # Columns that are not read need not be UTF-8.
    types = dict.fromkeys(names, pa.binary()) | dict.fromkeys(columns, pa.string())
    yield from pc.open_csv(
        stream,
        pc.ReadOptions(block_size=BLOCK, column_names=names),
        pc.ParseOptions(
            delimiter=source.inner_delimiter,
            quote_char='"' if source.quoted else False,
            escape_char=source.layout.escape or False,
            newlines_in_values=source.quoted,
            invalid_row_handler=rows.on_invalid,
        ),
        pc.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=[""]),
    )


def _line_ends(batch: pa.RecordBatch) -> int:
    """The most line ends in any value. A stray quote may be in a column that is not read."""
    import pyarrow.compute as pc

    most = (pc.max(pc.count_substring(column, "\n")).as_py() for column in batch.columns)
    return max((count or 0 for count in most), default=0)


def _misfit(source: DelimitedFile, row: Any) -> DataError:
    """The error that a row has too many or too few values; names its line."""
    pattern = re.compile(rb"(?m)^" + re.escape(row.text.encode()) + rb"\r?$")
    where = str(source.path)
    with source.rows() as (stream, _):
        for first, block in line_blocks(source.path, stream, source.layout.line):
            if found := pattern.search(block):
                line = first + block.count(b"\n", 0, found.start())
                where += f", line {line}"
                break
    text = row.text.replace(INNER, source.delimiter)
    return DataError(
        f"{where}: expected {row.expected_columns} values as in the header, "
        f"got {row.actual_columns}: {text[:120]!r}",
        MEND_ROW,
    )


def _check_below(source: DelimitedFile, rows: Sequence[Any]) -> None:
    """Raises the error of a row that does not fit unless nothing but such rows follow the first."""
    left = {row.text.strip().encode() for row in rows}
    first = re.compile(rb"(?m)^" + re.escape(rows[0].text.encode()) + rb"\r?$")
    begun = False
    with source.rows() as (stream, _):
        for _, block in line_blocks(source.path, stream, source.layout.line):
            found = None if begun else first.search(block)
            begun = begun or found is not None
            behind = block[found.start() if found else 0 :].split(b"\n") if begun else []
            if any(line.strip(b" \t\r\x1a-+=:|,;") and line.strip() not in left for line in behind):
                raise _misfit(source, rows[0])
