"""Finds objects in JSON text that has not one of them on each line, and puts them on lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.errors import DataError

_PIECE = 1 << 20
_KEY = re.compile(rb'"((?:[^"\\]|\\.)*)"\s*:\s*$')


@dataclass(frozen=True)
class JsonLayout:
    """Where a text holds its objects.

    Attributes:
        start: number of bytes before the objects, 0 where they stand in no list; -1: each line
            holds one.
        lists: of a text that is one object, the names of its lists of objects -> their start.
    """

    start: int = -1
    lists: tuple[tuple[str, int], ...] = ()


def json_layout(head: bytes, complete: bool) -> JsonLayout:
    """How the objects of a JSON text are laid out.

    Args:
        head: how it begins, with ``{`` or ``[``; in UTF-8.
        complete: whether this is the whole text.
    """
    first = re.search(rb"[\[{]", head)
    begin = first.start() if first else 0
    if head[begin : begin + 1] == b"[":
        return JsonLayout(begin + 1)
    if head[begin + 1 :].lstrip()[:1] not in (b'"', b"}"):
        return JsonLayout()  # no JSON, or Python's literals
    text = np.frombuffer(head, np.uint8)
    level, inside, _ = _levels(head, 0, False, False)
    closed = np.flatnonzero((level == 0) & (text == ord("}")) & ~inside)
    line_end = head.find(b"\n", begin)
    one_line = bool(len(closed)) and (line_end < 0 or closed[0] < line_end)
    more = len(closed) and head[closed[0] + 1 :].strip()
    if more or (not complete and len(closed)):
        return JsonLayout() if one_line else JsonLayout(0)
    opened = np.flatnonzero((level == 2) & (text == ord("[")) & ~inside)
    lists = []
    for place in opened.tolist():
        key = _KEY.search(head, max(0, place - 1000), place)
        if key and re.match(rb"\s*\{", head[place + 1 : place + 1000]):
            name = key[1].decode(errors="replace")
            lists.append((name, place + 1))
    if lists:
        return JsonLayout(lists[0][1], tuple(lists))
    return JsonLayout() if one_line else JsonLayout(0)


def objects_on_lines(path: Path, stream: Any, in_list: bool) -> Iterator[bytes]:
    """The text of a stream with each object on one line.

    Args:
        path: for messages.
        stream: begins with the first object.
        in_list: whether a ``]`` ends the objects, and a comma stands between them.

    Raises:
        DataError: the list does not end.
    """
    depth, inside_before, escaped = 0, False, False
    while piece := stream.read(_PIECE):
        level, inside, escaped = _levels(piece, depth, inside_before, escaped)
        text = np.frombuffer(piece, np.uint8).copy()
        ends = np.flatnonzero(level < 0)
        text[((text == ord("\n")) | (text == ord("\r"))) & ~inside & (level > 0)] = ord(" ")
        text[(text == ord(",")) & ~inside & (level == 0)] = ord("\n")
        yield text[: ends[0] if len(ends) else None].tobytes()
        if len(ends):
            return
        depth, inside_before = int(level[-1]), bool(inside[-1])
    if in_list or depth:
        raise DataError(f"{path}: the JSON text breaks off", "get a fresh copy of it")


def _levels(
    piece: bytes, depth: int, inside: bool, escaped: bool
) -> tuple[np.ndarray, np.ndarray, bool]:
    """How deep each byte stands in brackets, int [n], whether it stands in quotes, bool [n], and
    whether a backslash escapes what follows; the arguments are those of the piece before.
    """
    plain = b"_" + piece[1:] if escaped else piece
    if b"\\" in plain:
        plain = re.sub(rb"(?s)\\.", b"__", plain)
    letters = np.frombuffer(plain, np.uint8)
    within = (np.cumsum(letters == ord('"'), dtype=np.int32) + inside) % 2 == 1
    step = np.zeros(len(letters), np.int32)
    step[((letters == ord("{")) | (letters == ord("["))) & ~within] = 1
    step[((letters == ord("}")) | (letters == ord("]"))) & ~within] = -1
    return depth + np.cumsum(step), within, plain.endswith(b"\\")


def list_names(layout: JsonLayout) -> list[str]:
    """The names of the lists, if there are several to choose from."""
    return [name for name, _ in layout.lists] if len(layout.lists) > 1 else []


def parse_line(text: str) -> Any:
    """The value of a line of JSON, or of a literal of Python as in ``{'user': 1}``.

    Raises:
        ValueError, RecursionError: it is neither.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        if not re.match(r"\s*\{\s*u?'", text):
            raise
        from ast import literal_eval

        try:
            return literal_eval(text.strip())
        except (SyntaxError, TypeError, MemoryError) as error:
            raise ValueError(f"no literal of Python: {error}") from error
