"""Writes tables in every format, and describes them, for the tests of what reads them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fusionrec.data.tabular.convert import Converted
from fusionrec.data.tabular.findings import Finding
from fusionrec.data.tabular.report import DatasetReport

FORMATS = ("csv", "tsv", "jsonl", "parquet")
PACKED = ("", ".gz", ".zst")
FILES = [f"{f}{p}" for f in FORMATS for p in PACKED if f != "parquet" or not p]

RATED = {"user": "u", "item": "i", "rating": "r", "scale": [1, 5], "time": "t"}


def write(path: Path, columns: dict[str, list]) -> Path:
    """A file of these columns, of the format that its name says."""
    names, rows = list(columns), list(zip(*columns.values(), strict=True))
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    if name.endswith(".parquet"):
        pq.write_table(pa.table(columns), path)
        return path
    if name.endswith(".jsonl"):
        lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
    else:
        mark = "\t" if name.endswith(".tsv") else ","
        lines = [mark.join(_cell(value, mark) for value in row) for row in (names, *rows)]
    content = "".join(f"{line}\n" for line in lines).encode()
    if path.suffix == ".gz":
        content = gzip.compress(content)
    if path.suffix == ".zst":
        content = pa.compress(content, codec="zstd", asbytes=True)
    path.write_bytes(content)
    return path


def finding(made: Converted | DatasetReport, name: str) -> Finding:
    """The finding of this name."""
    return next(one for one in made.findings if one.name == name)


def _cell(value: object, mark: str) -> str:
    text = "" if value is None else "|".join(value) if isinstance(value, list) else str(value)
    return '"' + text.replace('"', '""') + '"' if set(text) & set(mark + '"\n\r') else text


def describe(folder: Path, files: str, *, tables: str = "", **keys: object) -> Path:
    """A ``fusionrec.toml`` of these interactions, by default of RATED without its times."""
    said = keys or {name: value for name, value in RATED.items() if name != "time"}
    lines = [f"{name} = {json.dumps(value)}" for name, value in {"files": files, **said}.items()]
    text = "\n".join(['name = "mine"', "[interactions]", *lines, tables, ""])
    (folder / "fusionrec.toml").write_text(text, encoding="utf-8")
    return folder / "fusionrec.toml"
