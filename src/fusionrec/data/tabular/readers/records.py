"""Parses the first lines of a text with the delimiter that fits them best."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fusionrec.data.tabular.readers.header import are_names, kind_of
from fusionrec.data.tabular.readers.rewrite import INNER, is_plain, may_be_quoted, rewrite
from fusionrec.errors import DataError

BEFORE = 50  # lines that may stand before the header
FIT = 0.5  # share of lines with one number of values
# Of those that fit alike the first is taken: it is the least likely to stand within values.
_DELIMITERS = ("\t", "\x01", "\x1f", "::", ";", "|", ",", " ", ":", "^", "~")
_RAGGED = ("\t", ",", ";", "|", " ")
_FIT_SOME, _FIT_RAGGED = 0.6, 0.9
_CLOSE = 0.05  # shares that differ by less are alike
_SKIPPED = 0.15  # taken from the share where lines before are skipped
_PADDED = 0.9  # share of delimiters beside a space; with more, spaces belong to them
_PROSE = re.compile(r"(?i)(the|a|an|and|of|to|is|in|it|.*[.,;:!?=()\[\]\"'].*)")
_RULE = re.compile(r"[\s|+,;:=-]*(-{3}|={3})[\s|+,;:=-]*")


@dataclass(frozen=True)
class Records:
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
        escape: what makes a letter of the quote or delimiter behind it; mostly empty.
    """

    delimiter: str
    rows: list[list[str]]
    ends: list[int]
    width: int = 1
    first: int = 0
    fit: float = 0.0
    ragged: bool = False
    headed: bool = False
    escape: str = ""


def parse_lines(path: Path, lines: list[str], delimiter: str, names: Sequence[str]) -> Records:
    """The lines parsed with the delimiter that fits, or is given."""
    tried = [_parsed(lines, one) for one in ([delimiter] if delimiter else _DELIMITERS)]
    if not any(line.strip() for line in lines):
        raise DataError(f"{path}: the file is empty", "a header with column names is expected")
    most = max(records.fit for records in tried)
    best = next(records for records in tried if records.fit >= most - _CLOSE)
    if not delimiter and _padded(lines, best.delimiter):
        best = _parsed(lines, f" {best.delimiter} ")
    if best.fit < 1 and is_plain(best.delimiter) and any("\\" in line for line in lines):
        escaped = _parsed(lines, best.delimiter, "\\")
        best = escaped if escaped.fit > best.fit else best
    if names and best.width == len(names) and best.fit >= _FIT_RAGGED:
        return best
    for separator in [delimiter] if delimiter else _RAGGED:
        if ragged := _ragged(lines, separator, names, best):
            return ragged
    listed = path.name.lower().split(".")[1:]
    if best.fit >= _FIT_RAGGED or delimiter:
        return best
    if best.fit >= FIT and ("csv" in listed or not _is_prose(best.rows)):
        return best
    words = len(lines) < 2 or any(len(line.split()) > 1 for line in lines)
    if words and not {"csv", "tsv", "tab"} & set(listed):
        raise DataError(
            f"{path}: expected lines with as many values in each, got text without columns",
            'if it is a table, say what stands between values: delimiter = ";"',
        )
    return _parsed(lines, "\t" if {"tsv", "tab"} & set(listed) else ",")


def _padded(lines: Sequence[str], delimiter: str) -> bool:
    """Whether nearly all delimiters have spaces beside them, which then are no part of values."""
    if delimiter.isspace():
        return False
    sign = re.escape(delimiter)
    padded = sum(len(re.findall(f" +{sign}|{sign} +", line)) for line in lines)
    return padded > _PADDED * sum(line.count(delimiter) for line in lines if not is_rule(line))


def is_rule(line: str) -> bool:
    """Whether a line is drawn, such as ``|---|---|`` between a header and the rows."""
    return _RULE.fullmatch(line) is not None


def _parsed(lines: Sequence[str], delimiter: str, escape: str = "") -> Records:
    rows, ends = split_lines(lines, delimiter, escape)
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths:
        return Records(delimiter, rows, ends)
    ((width, often),) = widths.most_common(1)
    # A title may end in as many delimiters.
    filled = [sum(bool(value.strip()) for value in row) for row in rows if len(row) >= width]
    least = sorted(filled)[len(filled) // 2] / 2
    first = next(
        n for n, row in enumerate(rows)
        if len(row) >= width and sum(bool(value.strip()) for value in row) >= least
    )  # fmt: skip
    fit = often / (len(rows) - first) - _SKIPPED * bool(first)
    if first > min(BEFORE, often) or (delimiter == ":" and fit < 1):
        fit = 0.0
    if delimiter in " :":  # these also stand in prose: a column of numbers, dates or codes tells
        below = [row for row in rows[first:] if len(row) == width]
        below = below[1:] or below
        coded = (
            sum(kind_of(value) != "word" for value in values) for values in zip(*below, strict=True)
        )
        if max(coded) < _FIT_RAGGED * len(below):
            fit = 0.0
    return Records(delimiter, rows, ends, width, first, fit, escape=escape)


def split_lines(
    lines: Sequence[str], delimiter: str, escape: str = ""
) -> tuple[list[list[str]], list[int]]:
    """The values of all records but empty and drawn ones, and how many lines end with each."""
    if not is_plain(delimiter):
        text = "".join(lines).encode("utf-8", "surrogateescape")
        text = rewrite(text, delimiter, ragged=False, columns=0)
        lines = [*io.StringIO(text.decode("utf-8", "surrogateescape"), newline="")]
    inner = delimiter if is_plain(delimiter) else INNER
    reader = csv.reader(
        lines,
        delimiter=inner,
        quoting=csv.QUOTE_MINIMAL if may_be_quoted(delimiter) else csv.QUOTE_NONE,
        escapechar=escape or None,
    )
    rows, ends = [], []
    try:
        for row in reader:
            if row and not is_rule(inner.join(row).replace(INNER, "|")):
                rows.append(row)
                ends.append(reader.line_num)
    except csv.Error:  # a value that is too long, or the quote before it never ends
        pass
    return rows, ends


def _ragged(
    lines: Sequence[str], separator: str, names: Sequence[str], best: Records
) -> Records | None:
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
    if len(widths) < (2 if given else 3) or (
        not given and (names or best.fit + _SKIPPED * bool(best.first) >= _FIT_RAGGED)
    ):
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
    return Records(separator, shown, ends, width, 0, 1.0, ragged=True, headed=header)


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
