"""Finds how the text of a table is laid out: delimiter, header, and what stands before it."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from fusionrec.data.tabular.readers.header import are_names, looks_headerless
from fusionrec.data.tabular.readers.records import (
    BEFORE,
    FIT,
    Records,
    is_rule,
    parse_lines,
    split_lines,
)
from fusionrec.data.tabular.readers.source import bounded, column_names
from fusionrec.data.tabular.source_spec import ReadSpec
from fusionrec.errors import ConfigError, DataError

_LINES, _CHARACTERS = 300, 1 << 18  # from which the layout is found, at most
_QUOTED = re.compile(r"^\s+\"([^\"]+)\"\s*$")
_COMMENT = re.compile(r"\s*(#|%|//)+")
_SEP = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


@dataclass(frozen=True)
class TextLayout:
    """How the text of a table is laid out.

    Attributes:
        delimiter: between values; `` `` for runs of spaces and tabs.
        names: of all columns; empty for one that has neither a name nor values.
        start: number of bytes before the first row, in UTF-8.
        line: the number of the first row's line.
        headerless, ragged, notes: as in ``SourceFile``.
        escape: as in ``Records``.
    """

    delimiter: str
    names: tuple[str, ...]
    start: int
    line: int
    headerless: bool = False
    ragged: str = ""
    notes: tuple[str, ...] = ()
    escape: str = ""


def find_layout(path: Path, text: str, complete: bool, spec: ReadSpec) -> TextLayout:
    """How a text is laid out.

    Args:
        path: for messages; an ending such as ``.csv`` says that a single column is a table.
        text: how the file begins; undecodable bytes as surrogates.
        complete: whether this is the whole file.
        spec: what need not be found.

    Raises:
        ConfigError: the spec's delimiter or names do not fit.
        DataError: the text holds no table, or its header cannot be used.
    """
    mark = text.startswith("\ufeff")
    lines = _first_lines(text[mark:], complete, spec.skip)
    before, comments, delimiter = (spec.skip, [], "") if spec.skip else _before(lines)
    delimiter = " " if spec.delimiter == "whitespace" else spec.delimiter or delimiter
    if set(delimiter) & set('"\r\n'):
        raise ConfigError(f"delimiter must hold no quote and no line end, got {delimiter!r}")
    records = parse_lines(path, lines[before:], delimiter, spec.names)
    if not records.rows:
        raise DataError(
            f"{path}: expected lines of values, got one of {max(map(len, lines)):,} letters",
            "is there a line end after each row, and a delimiter between values?",
        )
    names, taken = _header(path, records, comments, spec.names)
    headerless = not names
    # Behind a space a quote is a letter: "user", "item".
    names = [_QUOTED.sub(r"\1", name) for name in names] or [""] * records.width
    bounded(path, len(names))
    if any("\udc80" <= letter <= "\udcff" for letter in "".join(names)):
        raise DataError(f"{path}, line {before + 1}: not UTF-8", "save it as UTF-8")
    first = before + (records.ends[taken - 1] if taken else 0)
    while first < len(lines) and is_rule(lines[first]):
        first += 1
    rows = [row for row in records.rows[taken:] if len(row) == records.width]
    filled = [
        headerless or any(row[n : n + 1] not in ([], [""]) for row in rows)
        for n in range(len(names))
    ]
    found, notes = column_names(names, filled)
    above = [row for row in records.rows[: records.first] if any(row)]
    lost = [row for row in above if not set(row) <= set(names)]
    if lost and not spec.skip:
        shown = ", ".join(repr(row[0][:60]) for row in lost[:3])
        notes.insert(0, f"lines before the table are left out, with {shown}")
    start = len("".join(lines[:first]).encode("utf-8", "surrogateescape")) + 3 * mark
    ragged = records.delimiter if records.ragged else ""
    given = headerless and not spec.names
    return TextLayout(
        records.delimiter,
        tuple(found),
        start,
        first + 1,
        given,
        ragged,
        tuple(notes),
        records.escape,
    )


def _first_lines(text: str, complete: bool, skip: int) -> list[str]:
    """The first lines with their ends; one that is cut off only if there is no other."""
    lines = list(islice(io.StringIO(text, newline=""), _LINES + BEFORE + skip))
    if not complete and len(lines) > 1 and sum(map(len, lines)) == len(text):
        del lines[-1]
    length = 0
    for number, line in enumerate(lines):
        length += len(line)
        if length > _CHARACTERS and number >= skip + 3:
            return lines[: number + 1]
    return lines


def _before(lines: Sequence[str]) -> tuple[int, list[str], str]:
    """How many lines are comments, name the delimiter or are empty; the comments; the delimiter."""
    comments: list[str] = []
    delimiter = ""
    if sum(bool(_COMMENT.match(line)) for line in lines) * 2 > len(lines) > 2:
        return 0, [], ""  # values that begin with such a sign
    for number, line in enumerate(line.strip("\r\n") for line in lines):
        if found := _SEP.fullmatch(line):
            delimiter = found[1]
        elif _COMMENT.match(line):
            comments.append(line)
        elif line.strip():
            # The line behind MatrixMarket's comments holds its numbers of rows and columns.
            counts = bool(comments) and comments[0].startswith("%%MatrixMarket")
            return number + counts, comments, delimiter
    return len(lines), comments, delimiter


def _header(
    path: Path, records: Records, comments: Sequence[str], given: Sequence[str]
) -> tuple[list[str], int]:
    """The names in the header, none if there is none; and how many records stand before the rows.

    Raises:
        ConfigError: other names are given than there are columns.
    """
    rows, first, width = records.rows, records.first, records.width
    top = rows[first]
    below = [row for row in rows[first + 1 :] if len(row) == width]
    if given:
        more = [value for row in (top, *below) for value in row[len(given) :]]
        if len(given) < width and not any(more):  # each row ends in delimiters
            return [*given, *[""] * (width - len(given))], first
        if len(given) != width and records.fit >= FIT:
            raise ConfigError(
                f"{path}: expected names for {width} columns, got {len(given)}: {', '.join(given)}"
            )
        return list(given), first + ([value.strip() for value in top] == list(given))
    if records.headed or not (records.ragged or looks_headerless(top, below)):
        while len(top) > width and not top[-1].strip():
            top = top[:-1]  # empty names at the end, for which rows have no value
        return top, first + 1
    for comment in reversed(comments):
        said, _ = split_lines([_COMMENT.sub("", comment).strip()], records.delimiter)
        if said and len(said[0]) == width and are_names(said[0]):
            return [name.strip() for name in said[0]], first
    return _short_header(path, records), first


def _short_header(path: Path, records: Records) -> list[str]:
    """The names in a header of one name less than the rows have values; none if there is none.

    Raises:
        DataError: it is not known which value of the rows has no name.
    """
    rows, first, width = records.rows, records.first, records.width
    if not (first and len(rows[first - 1]) == width - 1 > 1 and are_names(rows[first - 1])):
        return []
    names, below = rows[first - 1], [row for row in rows[first:] if len(row) == width]
    if all(not row[-1].strip() for row in below):  # each row ends in a delimiter
        return [*names, ""]
    if len({row[0] for row in below}) == len(below):  # R's names of rows
        return ["column_1", *names]
    shown = records.delimiter.join(below[0])[:120]
    raise DataError(
        f"{path}: expected {len(names)} values as in the header, got {width}: {shown!r}",
        "a value with the delimiter in it needs quotes around it, and each column a name",
    )
