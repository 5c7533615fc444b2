"""Finds how the text of a table is laid out: delimiter, header, and what stands before it."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from fusionrec.data.tabular.readers.header import are_names, kind_of, looks_headerless
from fusionrec.data.tabular.readers.source import bounded, column_names
from fusionrec.data.tabular.source_spec import ReadSpec
from fusionrec.errors import ConfigError, DataError

_LINES, _CHARACTERS = 300, 1 << 18  # from which the layout is found, at most
_BEFORE = 50  # lines that may stand before the header
_QUOTED = re.compile(r"^\s+\"([^\"]+)\"\s*$")
# Of those that fit alike the first is taken: it is the least likely to stand within values.
_DELIMITERS = ("\t", "\x01", "::", ";", "|", ",", " ", ":")
_RAGGED = ("\t", ",", ";", "|", " ")
_COMMENT = re.compile(r"\s*(#|%|//)+")
_SEP = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_FIT, _FIT_SOME, _FIT_RAGGED = 0.5, 0.6, 0.9  # shares of lines with one number of values
_CLOSE = 0.05  # shares that differ by less are alike
_SKIPPED = 0.15  # taken from the share where lines before are skipped
_PROSE = re.compile(r"(?i)(the|a|an|and|of|to|is|in|it|.*[.,;:!?=()\[\]\"'].*)")


@dataclass(frozen=True)
class TextLayout:
    """How the text of a table is laid out.

    Attributes:
        delimiter: between values; `` `` for runs of spaces and tabs.
        names: of all columns; empty for one that has neither a name nor values.
        start: number of bytes before the first row, in UTF-8.
        line: the number of the first row's line.
        headerless, ragged, notes: as in ``SourceFile``.
    """

    delimiter: str
    names: tuple[str, ...]
    start: int
    line: int
    headerless: bool = False
    ragged: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Records:
    """The first lines, parsed with one delimiter.

    Attributes:
        delimiter: the one.
        rows: the values of each record; blank lines left out.
        ends: for each, how many lines end with it.
        width: the number of values that most have.
        first: the first of ``rows`` with as many or more.
        fit: share of the rows from there on with as many.
        ragged: whether lines have any number of values, of which the last of ``rows`` holds those
            that are left.
        headed: of ragged lines, whether the first holds names.
    """

    delimiter: str
    rows: list[list[str]]
    ends: list[int]
    width: int = 1
    first: int = 0
    fit: float = 0.0
    ragged: bool = False
    headed: bool = False


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
    records = _records(path, lines[before:], delimiter, spec.names)
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
    rows = records.rows[taken:]
    filled = [
        headerless or any(row[n : n + 1] not in ([], [""]) for row in rows)
        for n in range(len(names))
    ]
    found, notes = column_names(names, filled)
    lost = [row for row in records.rows[: records.first] if not set(row) <= set(names)]
    if lost and not spec.skip:
        shown = ", ".join(repr(row[0][:60]) for row in lost[:3])
        notes.insert(0, f"lines before the table are left out, with {shown}")
    start = len("".join(lines[:first]).encode("utf-8", "surrogateescape")) + 3 * mark
    ragged = records.delimiter if records.ragged else ""
    given = headerless and not spec.names
    return TextLayout(
        records.delimiter, tuple(found), start, first + 1, given, ragged, tuple(notes)
    )


def _first_lines(text: str, complete: bool, skip: int) -> list[str]:
    """The first lines with their ends; one that is cut off only if there is no other."""
    lines = list(islice(io.StringIO(text, newline=""), _LINES + _BEFORE + skip))
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


def _records(path: Path, lines: list[str], delimiter: str, names: Sequence[str]) -> _Records:
    """The lines parsed with the delimiter that fits, or is given."""
    tried = [_parsed(lines, one) for one in ([delimiter] if delimiter else _DELIMITERS)]
    if not any(line.strip() for line in lines):
        raise DataError(f"{path}: the file is empty", "a header with column names is expected")
    most = max(records.fit for records in tried)
    best = next(records for records in tried if records.fit >= most - _CLOSE)
    if names and best.width == len(names) and best.fit >= _FIT_RAGGED:
        return best
    for separator in [delimiter] if delimiter else _RAGGED:
        if ragged := _ragged(lines, separator, names, best):
            return ragged
    listed = path.name.lower().split(".")[1:]
    if best.fit >= _FIT_RAGGED or delimiter:
        return best
    if best.fit >= _FIT and ("csv" in listed or not _is_prose(best.rows)):
        return best
    words = len(lines) < 2 or any(len(line.split()) > 1 for line in lines)
    if words and not {"csv", "tsv", "tab"} & set(listed):
        raise DataError(
            f"{path}: expected lines with as many values in each, got text without columns",
            'if it is a table, say what stands between values: delimiter = ";"',
        )
    return _parsed(lines, "\t" if {"tsv", "tab"} & set(listed) else ",")


def _parsed(lines: Sequence[str], delimiter: str) -> _Records:
    rows, ends = _split(lines, delimiter)
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths:
        return _Records(delimiter, rows, ends)
    ((width, often),) = widths.most_common(1)
    first = next(n for n, row in enumerate(rows) if len(row) >= width)
    fit = often / (len(rows) - first) - _SKIPPED * bool(first)
    if first > _BEFORE or (delimiter == ":" and fit < 1):
        fit = 0.0
    if delimiter in " :":  # these also stand in prose: a column of numbers, dates or codes tells
        below = [row for row in rows[first:] if len(row) == width]
        below = below[1:] or below
        coded = (
            sum(kind_of(value) != "word" for value in values) for values in zip(*below, strict=True)
        )
        if max(coded) < _FIT_RAGGED * len(below):
            fit = 0.0
    return _Records(delimiter, rows, ends, width, first, fit)


def _split(lines: Sequence[str], delimiter: str) -> tuple[list[list[str]], list[int]]:
    """The values of all records but empty ones, and the number of lines that end with each."""
    rows, ends = [], []
    if len(delimiter) > 1:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                rows.append(line.strip("\r\n").split(delimiter))
                ends.append(number)
        return rows, ends
    if delimiter == " ":
        lines = [re.sub(r"[ \t]+", " ", line.strip(" \t\r\n")) for line in lines]
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        for row in reader:
            if row:
                rows.append(row)
                ends.append(reader.line_num)
    except csv.Error:  # a value that is too long, or the quote before it never ends
        pass
    return rows, ends


def _ragged(
    lines: Sequence[str], separator: str, names: Sequence[str], best: _Records
) -> _Records | None:
    """Lines of ids of any number, of which the last column holds the rest; None if they are not.

    Args:
        lines: the first of the file.
        separator: between the ids.
        names: of the columns, if they are given.
        best: what the lines are otherwise.
    """
    split = [
        (line.strip().split(None if separator == " " else separator), number)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    rows, ends = [row for row, _ in split], [end for _, end in split]
    widths = Counter(map(len, rows))
    given = bool(names) and len(names) < max(widths)
    if len(widths) < (2 if given else 3) or (not given and (names or best.fit >= _FIT_RAGGED)):
        return None
    below = rows[1:]
    tokens = [token for row in below for token in row]
    header = 1 < len(rows[0]) <= 3 and are_names(rows[0]) and not set(rows[0]) & set(tokens)
    if header and not given and best.fit >= _FIT_SOME:
        return None  # a table with bad rows
    if not given and not _are_ids(tokens, len(below), separator):
        return None
    width = len(names) or (len(rows[0]) if header else 2)
    split_at = width - 1
    shown = [[*row[:split_at], separator.join(row[split_at:])] for row in rows]
    return _Records(separator, shown, ends, width, 0, 1.0, ragged=True, headed=header)


def _are_ids(tokens: Sequence[str], lines: int, separator: str) -> bool:
    """Whether values are ids, with digits in them or coming again and again, and not prose."""
    if sum(kind_of(token) not in ("word", "") for token in tokens) >= _FIT_RAGGED * len(tokens):
        return True
    prose = sum(bool(_PROSE.fullmatch(token.strip())) for token in tokens)
    spaced = sum(len(token.split()) > 5 for token in tokens) if separator != " " else 0
    again = len(set(tokens)) < 0.7 * len(tokens)
    return lines >= 5 and again and prose + spaced < 0.02 * len(tokens)


def _is_prose(rows: Sequence[Sequence[str]]) -> bool:
    values = [value for row in rows for value in row]
    said = sum(len(value.split()) > 5 or value.strip()[-1:] in (*".;:!?",) for value in values)
    return said > 0.3 * len(values)


def _header(
    path: Path, records: _Records, comments: Sequence[str], given: Sequence[str]
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
        if len(given) != width and records.fit >= _FIT:
            raise ConfigError(
                f"{path}: expected names for {width} columns, got {len(given)}: {', '.join(given)}"
            )
        return list(given), first + ([value.strip() for value in top] == list(given))
    if records.headed or not (records.ragged or looks_headerless(top, below)):
        while len(top) > width and not top[-1].strip():
            top = top[:-1]  # empty names at the end, for which rows have no value
        return top, first + 1
    for comment in reversed(comments):
        said, _ = _split([_COMMENT.sub("", comment).strip()], records.delimiter)
        if said and len(said[0]) == width and are_names(said[0]):
            return [name.strip() for name in said[0]], first
    if first and len(rows[first - 1]) == width - 1 > 1 and are_names(rows[first - 1]):
        names = rows[first - 1]
        empty = all(not row[-1].strip() for row in (top, *below))  # each row ends in a delimiter
        return [*names, ""] if empty else ["column_1", *names], first
    return [], first
