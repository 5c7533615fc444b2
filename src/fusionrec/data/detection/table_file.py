"""A table that was looked at: its first rows, and how it is read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.data.detection.column_stats import ColumnStats
from fusionrec.data.tabular.source_spec import SourceSpec

MOST_COLUMNS = 200  # whose statistics are made
MOST_ROWS = 100_000  # of a table


@dataclass(frozen=True, eq=False)
class TableFile:
    """A table: of a file, of several files of one pattern, or of a database.

    Attributes:
        spec: where it is and how its rows are read.
        name: of its files and of the table in them, for people.
        sample: its first rows, a pyarrow Table of texts and lists of texts.
        types: column -> pyarrow's name of its type.
        complete: whether these are all rows.
        seen: the format and how much was read, for people.
        notes: what was odd on reading, in sentences.
        headerless: whether its columns have no names of their own.
        ragged: what stands between the values of the last column, if rows differ in length.
        lost_index: the name of a data frame's index that was not written as a column; or empty.
        parts: the names of its files.
        origin: of several files, the name of each row's without its ending, a pyarrow Array.
        joined: names of the tables that were joined to it.
    """

    spec: SourceSpec
    name: str
    sample: Any
    types: Mapping[str, str]
    complete: bool
    seen: str
    notes: tuple[str, ...] = ()
    headerless: bool = False
    ragged: str = ""
    lost_index: str = ""
    parts: tuple[str, ...] = ()
    origin: Any = None
    joined: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """What the table is called: its name in a database, else the file's without its ending."""
        return self.spec.table or self.spec.files.rsplit("/", 1)[-1].split(".")[0]

    @property
    def rows(self) -> int:
        """Number of rows read."""
        return len(self.sample)

    @cached_property
    def columns(self) -> dict[str, ColumnStats]:
        """Name -> statistics, in the file's order."""
        return {
            name: ColumnStats(
                name,
                self.sample[name].combine_chunks(),
                stamped=self.types.get(name, "").startswith(("timestamp", "date")),
                truths=self.types.get(name, "") == "bool",
                decimal=self.spec.decimal,
            )
            for name in self.sample.column_names[:MOST_COLUMNS]
        }

    @property
    def nested(self) -> tuple[str, ...]:
        """The names of columns of objects, which are not read."""
        kinds = ("struct", "map", "binary")
        return tuple(n for n, kind in self.types.items() if any(one in kind for one in kinds))


def origins(parts: Sequence[tuple[str, int]]) -> Any:
    """For each row of several files the file's name without its endings."""
    import pyarrow as pa

    stems = [name.rsplit("/", 1)[-1].split(".")[0] for name, _ in parts]
    numbers = np.repeat(np.arange(len(parts)), [rows for _, rows in parts])
    return pa.array(stems, pa.string()).take(pa.array(numbers))


def same_columns(files: Sequence[TableFile], names: Sequence[str]) -> list[TableFile]:
    """The files; those of one folder that hold the same columns become one if a pattern matches
    them alone, such as a file for each user.
    """
    import pyarrow as pa

    groups: dict[tuple[str, ...], list[TableFile]] = {}
    for file in files:
        groups.setdefault((file.spec.table, *file.sample.column_names), []).append(file)
    merged: list[TableFile] = []
    for group in groups.values():
        parts = sorted(part for file in group for part in file.parts)
        pattern = "" if group[0].spec.table else _pattern_of(parts, names)
        if len(group) == 1 or not pattern:
            merged += group
            continue
        rows = -(-MOST_ROWS // len(group))
        heads = [file.sample.slice(0, rows) for file in group]
        sample = pa.concat_tables(heads, promote_options="permissive")
        seen = f"{len(parts):,} files with the same columns; {len(sample):,} rows were looked at"
        merged.append(
            replace(
                group[0],
                spec=SourceSpec(files=pattern),
                name=pattern,
                sample=sample,
                complete=all(f.complete and f.rows <= rows for f in group),
                seen=seen,
                parts=tuple(parts),
                origin=origins([(f.parts[0], len(h)) for f, h in zip(group, heads, strict=True)]),
            )
        )
    return sorted(merged, key=lambda file: file.name)


def _pattern_of(parts: Sequence[str], names: Sequence[str]) -> str:
    """A pattern that matches some of the names, and no other; empty if there is none that tells."""
    folder, ending = os.path.dirname(parts[0]), "".join(Path(parts[0]).suffixes)  # noqa: PTH120
    begin = os.path.commonprefix(parts)  # noqa: RUF071 (of letters, not of folders)
    fitting = sorted(name for name in names if fnmatchcase(name, begin + "*" + ending))
    telling = len(begin) - len(folder) > 3 or len(parts) > 2
    plain = not any(sign in begin for sign in "*?[")
    return begin + "*" + ending if plain and telling and fitting == list(parts) else ""
