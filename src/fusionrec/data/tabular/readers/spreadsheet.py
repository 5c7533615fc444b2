"""Excel's workbooks and OpenDocument's spreadsheets, read by python-calamine."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

from fusionrec.data.tabular.casting import as_text
from fusionrec.data.tabular.readers.compression import translate_errors
from fusionrec.data.tabular.readers.header import looks_headerless
from fusionrec.data.tabular.readers.source import MemoryTable, bounded, column_names, which_table
from fusionrec.data.tabular.source_spec import ReadSpec
from fusionrec.errors import ConfigError, DataError

OLD_EXCEL = b"\xd0\xcf\x11\xe0"  # how .xls begins
_MOST_CELLS = 10_000_000
_MOST_BYTES = 2 << 30  # of a sheet's XML
_VALUES = 500_000  # cells converted at a time
_EXACT = float(2**53)
_SHOWN = 200  # rows that show where the header is
_WIDE = re.compile(rb'\br="([A-Z]{2,3})\d')
_LAST_ROW = re.compile(rb'row\b[^>]*?\br="(\d{1,9})"')
_CSV = "save the sheet as CSV"


def is_workbook(archive: zipfile.ZipFile) -> bool:
    """Whether a zip archive is a workbook of Excel or OpenDocument."""
    names = set(archive.namelist())
    if names & {"xl/workbook.xml", "xl/workbook.bin"}:
        return True
    return "mimetype" in names and b"opendocument.spreadsheet" in archive.read("mimetype")[:100]


def sheet_names(path: Path) -> list[str]:
    """The names of a workbook's sheets that hold anything, hidden ones left out.

    Raises:
        DataError: it is damaged, too large, or locked by a password.
    """
    with _workbook(path) as workbook:
        names = _sheets(workbook)
        return _filled(workbook, names) if len(names) > 1 else names


def open_sheet(path: Path, spec: ReadSpec) -> MemoryTable:
    """Opens a sheet. Its table begins with the first row that has about as many values as those
    below it; rows without any value are left out.

    Args:
        path: of the workbook.
        spec: ``table`` names the sheet where several hold anything.

    Raises:
        ConfigError: the spec's names do not fit the columns.
        DataError: as ``sheet_names``, or the sheet is empty, or must be named.
    """
    import pyarrow as pa

    with _workbook(path) as workbook:
        sheets = _sheets(workbook)
        if len(sheets) > 1 and not spec.table:
            sheets = _filled(workbook, sheets)
        if (spec.table and spec.table not in sheets) or (len(sheets) > 1 and not spec.table):
            raise which_table(path, "sheets", sheets, spec.table)
        if not sheets:
            raise _empty(path)
        sheet = workbook.get_sheet_by_name(spec.table or sheets[0])
        bounded(path, sheet.total_width)
        rows = (row for row in sheet.iter_rows() if any(value != "" for value in row))
        shown = list(islice(rows, spec.skip, spec.skip + _SHOWN))
        if not shown:
            raise _empty(path)
        header, before, headerless = _header(path, shown, spec)
        columns = _columns(chain(shown[before:], rows), len(header))
    names, notes = column_names(header, [column.null_count < len(column) for column in columns])
    named = [(name, values) for name, values in zip(names, columns, strict=True) if name]
    table = pa.table([values for _, values in named], names=[name for name, _ in named])
    types = {field.name: str(field.type) for field in table.schema}
    return MemoryTable(
        path, "spreadsheet", "", types, headerless=headerless, notes=tuple(notes), table=table
    )


@contextmanager
def _workbook(path: Path) -> Iterator[Any]:
    """An open workbook of python-calamine, whose errors are translated."""
    import python_calamine as calamine

    with translate_errors(path):
        if zipfile.is_zipfile(path):
            _check_size(path)
        try:
            with calamine.CalamineWorkbook.from_path(path) as workbook:
                yield workbook
        except calamine.PasswordError as error:
            raise DataError(f"{path} is locked by a password", "save it without one") from error
        except (calamine.CalamineError, BaseException) as error:
            # A panic of the Rust library below is no Exception.
            if (
                not isinstance(error, calamine.CalamineError)
                and "Panic" not in type(error).__name__
            ):
                raise
            raise DataError(f"{path} cannot be read: {str(error)[:300]}", _CSV) from error


def _sheets(workbook: Any) -> list[str]:
    """The names of the sheets that are shown and hold cells, not charts."""
    return [
        sheet.name
        for sheet in workbook.sheets_metadata
        if str(sheet.typ).endswith("WorkSheet") and str(sheet.visible).endswith(".Visible")
    ]


def _filled(workbook: Any, names: Sequence[str]) -> list[str]:
    return [name for name in names if workbook.get_sheet_by_name(name).height]


def _empty(path: Path) -> DataError:
    return DataError(f"{path}: the file is empty", "a header with column names is expected")


def _check_size(path: Path) -> None:
    """Raises a DataError for more cells than the library, which keeps all up to the last row and
    column, could hold.
    """
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if not re.fullmatch(r"xl/worksheets/[^/]+\.(xml|bin)|content\.xml", entry.filename):
                continue
            if entry.file_size > _MOST_BYTES:
                raise _too_large(path)
            width, height, rest = 26, 1, b""
            with archive.open(entry) as file:
                while piece := file.read(1 << 20):
                    text = rest + piece
                    letters = max(_WIDE.findall(text), key=lambda one: (len(one), one), default=b"")
                    width = max(width, _column_number(letters))
                    height = max([height, *map(int, _LAST_ROW.findall(text))])
                    rest = text[-200:]
            if width * height > _MOST_CELLS:
                raise _too_large(path)


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number


def _too_large(path: Path) -> DataError:
    return DataError(f"{path}: expected {_MOST_CELLS:,} cells at most, got more", _CSV)


def _header(path: Path, shown: list[list[Any]], spec: ReadSpec) -> tuple[list[str], int, bool]:
    """The columns' names, how many rows stand before the data, and whether there is no header."""
    texts = [[_text(value) or "" for value in row] for row in shown]
    width = max(map(len, texts))
    counts = [sum(map(bool, row)) for row in texts]
    usual = sorted(counts)[len(counts) // 2]
    first = next(number for number, count in enumerate(counts) if count * 2 > usual)
    top = texts[first]
    if spec.names:
        used = max(number + 1 for row in texts for number, value in enumerate(row) if value)
        if len(spec.names) != used:
            raise ConfigError(f"{path}: expected names for {used} columns, got {len(spec.names)}")
        names = [*spec.names, *[""] * (width - used)]
        return names, first + (top[:used] == list(spec.names)), False
    if looks_headerless(top, texts[first + 1 :]):
        return [""] * width, first, True
    return top, first + 1, False


def _columns(rows: Iterable[Sequence[Any]], width: int) -> list[Any]:
    """The columns as pyarrow arrays, converted some thousand rows at a time."""
    import pyarrow as pa

    parts: list[list[Any]] = [[] for _ in range(width)]
    rows = iter(rows)
    while chunk := list(islice(rows, max(1, _VALUES // width))):
        for column, values in zip(parts, zip(*chunk, strict=True), strict=True):
            column.append(_column(values))
    return [_joined(column) if column else pa.nulls(0, pa.string()) for column in parts]


def _column(values: Sequence[Any]) -> Any:
    """Cells as numbers, truths or times, or as text where they are of several kinds."""
    import pyarrow as pa

    known = [None if value == "" else value for value in values]
    kinds = {type(value) for value in known if value is not None}
    if not kinds:
        return pa.nulls(len(known))
    if kinds <= {int, float}:
        return pa.array(known, pa.float64())
    if kinds == {bool}:
        return pa.array(known, pa.bool_())
    if kinds <= {dt.datetime, dt.date}:
        days = [dt.datetime(*one.timetuple()[:3]) if type(one) is dt.date else one for one in known]
        return pa.array(days, pa.timestamp("us"))
    return pa.array(map(_text, known), pa.string())


def _joined(parts: list[Any]) -> Any:
    """Parts of a column as one, as text where their kinds differ; whole floats as integers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds = {part.type for part in parts} - {pa.null()}
    if len(kinds) > 1:
        parts = [as_text(part, "") for part in parts]
    kind = pa.string() if len(kinds) != 1 else kinds.pop()
    whole = pa.concat_arrays([part.cast(kind) for part in parts])
    if pa.types.is_floating(kind) and len(whole) > whole.null_count:
        exact = pc.and_(pc.equal(whole, pc.trunc(whole)), pc.less(pc.abs(whole), _EXACT))
        return whole.cast(pa.int64()) if pc.all(exact).as_py() else whole
    return whole


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    return str(value)
