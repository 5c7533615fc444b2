"""Tables in one JSON object, as pandas' ``to_json`` writes them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from fusionrec.data.tabular.readers.compression import open_bytes
from fusionrec.errors import DataError

_MOST = 64 << 20  # bytes, since all of it is parsed at once
# By columns, by rows, or with rows beside the names of columns ("split").
_BEGINS = re.compile(
    rb'\s*\{\s*("(\\.|[^"\\])*"\s*:\s*\{\s*"0"\s*:|"0"\s*:\s*\{|"(columns|index|data)"\s*:\s*\[)'
)


def read_frame(path: Path, compression: str, encoding: str, head: bytes) -> dict[str, list[Any]]:
    """The columns of a file that holds one table in one object; empty if it holds none.

    Args:
        path, compression, encoding: of the file.
        head: how its text begins, in UTF-8.

    Raises:
        DataError: it is too large to be parsed at once.
    """
    if not _BEGINS.match(head):
        return {}
    with open_bytes(path, compression, encoding) as (stream, _):
        text = b""
        while len(text) <= _MOST and (piece := stream.read(1 << 20)):
            text += piece
    if len(text) > _MOST:
        raise DataError(
            f"{path}: expected an object for each row, got one of over {_MOST >> 20} MiB for all",
            'write rows: to_json(..., orient="records", lines=True), or to_parquet',
        )
    try:
        return _columns(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _columns(value: Any) -> dict[str, list[Any]]:
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        names, rows = [str(name) for name in value["columns"]], value["data"]
        alike = all(isinstance(row, list) and len(row) == len(names) for row in rows)
        return {name: [row[n] for row in rows] for n, name in enumerate(names)} if alike else {}
    inner = list(value.values())
    if not all(isinstance(one, dict) and one.keys() == inner[0].keys() for one in inner):
        return {}
    if _numbered(inner[0]):
        return {name: list(column.values()) for name, column in value.items()}
    return {name: [row[name] for row in inner] for name in inner[0]} if _numbered(value) else {}


def _numbered(value: dict[str, Any]) -> bool:
    return list(value) == [str(number) for number in range(len(value))]
