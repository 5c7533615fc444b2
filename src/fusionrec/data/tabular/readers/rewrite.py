"""Puts a delimiter of one character in place of those that pyarrow does not know."""

from __future__ import annotations

import re

INNER = "\x1f"  # stands for the delimiter of the file


def is_plain(delimiter: str) -> bool:
    """Whether parsers know a delimiter: one ASCII character that does not stand for runs."""
    return len(delimiter) == 1 and delimiter.isascii() and delimiter != " "


def may_be_quoted(delimiter: str) -> bool:
    """Whether quotes may stand around values; in front of ``::`` they are letters."""
    return len(delimiter.strip(" ") or " ") == 1


def rewrite(block: bytes, delimiter: str, ragged: bool, columns: int) -> bytes:
    """Lines with ``INNER`` between the values.

    Args:
        block: whole lines.
        delimiter: of the file; a space stands for runs of them and of tabs, a sign in spaces for
            the sign with any number of spaces beside it.
        ragged: whether the last column holds the rest of each line.
        columns: how many there are.
    """
    inner, quoted = INNER.encode(), not ragged and may_be_quoted(delimiter)
    if delimiter == " ":
        block = _single_spaces(block, quoted)
    if ragged:
        return _first_only(block, re.escape(delimiter.encode()), columns - 1)
    parts = block.split(b'"') if quoted else [block]  # every second one stands in quotes
    parts[::2] = [_replaced(part, delimiter, inner) for part in parts[::2]]
    return b'"'.join(parts)


def _replaced(part: bytes, delimiter: str, inner: bytes) -> bytes:
    sign = delimiter.strip(" ")
    if not sign or sign == delimiter:
        return part.replace(delimiter.encode(), inner)
    part = re.sub(rb" *%b *" % re.escape(sign.encode()), inner, part)
    return re.sub(rb"(?m)^ +| +(?=\r?$)", b"", part)


def _single_spaces(block: bytes, quoted: bool) -> bytes:
    """Lines with one space in place of each run, and none at their ends."""
    block = b"\n" + block
    if any(run in block for run in (b"  ", b"\t", b"\n ", b" \n", b" \r")) or block[-1:] == b" ":
        block = re.sub(rb"(?m)^[ \t]+|[ \t]+(?=\r?$)", b"", block)
        parts = block.split(b'"') if quoted else [block]
        parts[::2] = [re.sub(rb"[ \t]+", b" ", part) for part in parts[::2]]
        block = b'"'.join(parts)
    return block[1:]


def _first_only(block: bytes, delimiter: bytes, many: int) -> bytes:
    """Lines with ``INNER`` in place of their first delimiters, or at the end if they have fewer.

    Args:
        block: the lines.
        delimiter: an expression for one.
        many: how many are replaced.
    """
    inner = INNER.encode()
    block = re.sub(rb"(?m)(?:%b)+(?=\r?$)" % delimiter, b"", block)
    for number in range(many):
        done = rb"(?:[^%b\n]*%b){%d}" % (inner, inner, number)
        value = rb"[^%b%b\r\n]" % (delimiter, inner) + (b"*" if number else b"+")
        block = re.sub(
            rb"(?m)^(%b%b)(?:%b|(?=\r?$))" % (done, value, delimiter), rb"\1" + inner, block
        )
    return block
