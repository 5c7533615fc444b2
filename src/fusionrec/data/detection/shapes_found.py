"""Finds tables that do not have a row for each interaction, and gives them one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from fusionrec.data.detection import name_hints
from fusionrec.data.detection.attributes import SEPARATORS, list_separator
from fusionrec.data.detection.column_stats import CODE, ColumnStats, overlap
from fusionrec.data.detection.roles import OTHER, id_columns, keys_of, role_of
from fusionrec.data.detection.table_file import TableFile
from fusionrec.data.schema import Side
from fusionrec.data.tabular.casting import numbers
from fusionrec.data.tabular.shapes import shape_table
from fusionrec.data.tabular.source_spec import FILENAME, JoinSpec

_FEWEST_COLUMNS = 4  # of the values of a wide table
_MOST_JOINS = 3


def shaped(files: Sequence[TableFile]) -> Iterator[TableFile]:
    """Tables that have a row for each interaction after their cells, columns or files are taken
    apart, or after others are joined.
    """
    for file in files:
        yield from _filled(file)
        yield from _exploded(file)
        yield from _unpivoted(file)
        yield from _by_filename(file)
    yield from _joined(files)


def _filled(file: TableFile) -> Iterator[TableFile]:
    """Of a table that says whose an order is in its first row alone."""
    people = [s for s in file.columns.values() if role_of(s.name, "user") and not s.lists]
    first = next((s for s in people if 0.05 < s.filled / max(1, s.rows) < 0.95), None)
    if first is None:
        return
    orders = [s for s in file.columns.values() if name_hints.has(s.name, name_hints.BASKET)]
    begins = max((s.codes >= 0 for s in (first, *orders) if s.filled < s.rows), key=np.sum)
    columns = [
        s.name for s in file.columns.values()
        if s.filled > 0.5 * begins.sum() and not np.any((s.codes >= 0) & ~begins)
    ]  # fmt: skip
    if len(columns) < 2 or not begins[0]:
        return
    spec = replace(file.spec, fill=tuple(columns))
    yield replace(file, spec=spec, sample=shape_table(file.sample, spec, []))


def _exploded(file: TableFile) -> Iterator[TableFile]:
    """Of a table with several items in a cell, such as a basket or a history."""
    columns = file.columns.values()
    lists = [(stats, sep) for stats in columns if (sep := _separator(stats, file))]
    items = [one for one in lists if name_hints.has(one[0].name, name_hints.SEVERAL)] or lists
    if not items or not any(stats is not one for stats in columns for one, _ in items):
        return
    if file.ragged:
        yield from _ragged(file)
        return
    stats, separator = items[0]
    lengths = _lengths(stats, separator)
    together = [stats.name]
    for other, sep in lists:
        if (
            other is not stats
            and sep == separator
            and np.array_equal(_lengths(other, sep), lengths)
        ):
            together.append(other.name)
    spec = replace(file.spec, explode=tuple(together), separator=separator)
    yield replace(file, spec=spec, sample=shape_table(file.sample, spec, []))


def _ragged(file: TableFile) -> Iterator[TableFile]:
    """Of lines of a user and any number of items; not of baskets, whose first value is an item."""
    first = next(iter(file.columns.values()))
    if first.unique < 0.95:
        return
    names = ("user", "items")
    spec = replace(file.spec, names=names, explode=names[1:], separator=file.ragged)
    sample = shape_table(file.sample.rename_columns(names), spec, [])
    types = dict(zip(names, file.types.values(), strict=True))
    yield replace(file, spec=spec, sample=sample, types=types, ragged="")


def _separator(stats: ColumnStats, file: TableFile) -> str:
    """What stands between the items in a column's cells; empty if they are single values."""
    if stats.lists:
        return ","
    if file.ragged and stats.name == list(file.columns)[-1]:
        return file.ragged
    named = name_hints.has(stats.name, name_hints.SEVERAL)
    listed = np.mean([value.strip().startswith("[") for value in stats.some]) if stats.some else 0
    if listed > 0.9:
        return ","
    if file.headerless and _codes(stats):
        return " "
    return list_separator(stats, (*SEPARATORS, " ") if named else SEPARATORS)


def _codes(stats: ColumnStats) -> bool:
    """Whether cells hold several codes with spaces between, which come in other cells too."""
    listed = [value.split() for value in stats.some]
    codes = Counter(code for value in listed for code in value)
    several = sum(len(value) > 1 for value in listed) > 0.5 * len(listed)
    coded = several and all(CODE.fullmatch(code) for code in codes)
    return coded and codes.total() > 2 * len(codes)


def _lengths(stats: ColumnStats, separator: str) -> np.ndarray:
    """How many values each row's cell has, int64 [rows]."""
    import pyarrow.compute as pc

    if stats.lists:
        counts = pc.list_value_length(stats.column)
    else:
        counts = pc.add(pc.count_substring(stats.column, separator), 1)
    lengths: np.ndarray = pc.fill_null(counts, 0).to_numpy(zero_copy_only=False)
    return lengths


def _unpivoted(file: TableFile) -> Iterator[TableFile]:
    """Of a wide table: a row for each user, a column for each item, or the other way round."""
    names = file.sample.column_names
    if len(names) < _FEWEST_COLUMNS + 1:
        return
    first = file.columns[names[0]]
    keep = [names[0]] if first.unique > 0.95 and first.filled > 0.95 * first.rows else []
    rest = [name for name in names if name not in keep]
    if not keep or not _one_scale(file, rest):
        return
    spec = replace(file.spec, unpivot=tuple(keep))
    yield replace(file, spec=spec, sample=shape_table(file.sample, spec, []))


def _one_scale(file: TableFile, names: Sequence[str]) -> bool:
    """Whether columns hold numbers of one scale, as opinions of many items do."""
    levels: set[float] = set()
    empty, spans = 0, []
    for name in names[:500]:
        column = file.sample[name].combine_chunks()
        if not str(column.type).endswith("string"):
            return False
        distinct = column.drop_null().unique()
        parsed = numbers(distinct, name)
        blank = np.array([not text.strip() for text in distinct.to_pylist()], dtype=bool)
        if np.isnan(parsed[~blank]).any():
            return False
        levels.update(parsed[~blank].tolist())
        empty += column.null_count
        spans.append(parsed[~blank].max() - parsed[~blank].min() if (~blank).any() else np.nan)
    spread = np.nanmax(spans) if np.isfinite(spans).any() else 0.0
    alike = np.nanmedian(spans) >= 0.5 * spread if spread else False
    flags = levels <= {0.0, 1.0}
    sparse = empty > 0.1 * len(names[:500]) * file.rows
    return bool(alike and (sparse or (not flags and len(names) > 8)))


def _by_filename(file: TableFile) -> Iterator[TableFile]:
    """Of a file for each user."""
    if len(file.parts) < 3 or file.origin is None:
        return
    if any(role_of(stats.name, "user") > 1 for stats in id_columns(file)):
        return
    if any(role_of(stats.name, "item") for stats in id_columns(file)):
        sample = file.sample.append_column(FILENAME, file.origin)
        yield replace(file, sample=sample)


def _joined(files: Sequence[TableFile]) -> Iterator[TableFile]:
    """Of rows that name no people or no items, joined to tables that do by keys in common."""
    for file in files:
        lacks = [
            side for side in OTHER
            if not any(role_of(stats.name, side) > 1 for stats in id_columns(file))
        ]  # fmt: skip
        current = file
        for _ in range(_MOST_JOINS if "user" in lacks else len(lacks)):
            found = _by_join(current, files, lacks[0])
            if found is None:
                break
            current = found
            yield current


def _by_join(file: TableFile, files: Sequence[TableFile], side: Side) -> TableFile | None:
    """A table with another joined that has a column of a side's ids, by the key that fits best."""
    best: tuple[float, TableFile, JoinSpec] | None = None
    for other in files:
        if other.name == file.name or other.name in file.joined:
            continue
        for key in keys_of(other):
            if key.unique < 0.99:
                continue
            added = [
                role_of(s.name, side) for s in other.columns.values()
                if s is not key and s.name not in file.columns
                and name_hints.is_id(s.name) + role_of(s.name, side) > 1
            ]  # fmt: skip
            if not added:
                continue
            for on in id_columns(file):
                share = overlap(on, key)
                partly = not (file.complete and other.complete) and share > 0.005
                if not (share > 0.5 or (partly and on.name == key.name)):
                    continue
                if not _related(on, key, other):
                    continue
                fit = share + 2 * (on.name == key.name) + 0.1 * max(added)
                if best is None or fit > best[0]:
                    source = {k: v for k, v in other.spec.to_dict().items() if k in _READ and v}
                    renamed = "" if on.name == key.name else key.name
                    best = (fit, other, JoinSpec(**source, on=on.name, key=renamed))
    if best is None:
        return None
    _, other, join = best
    spec = replace(file.spec, join=(*file.spec.join, join))
    sample = shape_table(file.sample, replace(file.spec, join=(join,)), [other.sample])
    names = [name for name in sample.column_names if name not in file.sample.column_names]
    found = max(names, key=lambda name: role_of(name, side))
    sample = sample.filter(sample[found].is_valid())
    return replace(
        file,
        spec=spec,
        sample=sample,
        types={**other.types, **file.types},
        joined=(*file.joined, other.name),
    )


def _related(on: ColumnStats, key: ColumnStats, table: TableFile) -> bool:
    """Whether a column may hold the keys of a table: it is named after these or after the table, or
    the keys are no numbers from 1 on, which the ids of anything else overlap with.
    """
    subject = name_hints.subject(on.name)
    if on.name == key.name or subject & (
        name_hints.subject(key.name) | name_hints.subject(table.stem)
    ):
        return True
    dense = key.numeric > 0.9 and key.numbers.max() - key.numbers.min() < 2 * len(key.numbers)
    return not (dense and key.numbers.min() <= 10)


_READ = ("files", "table", "query", "names", "skip", "delimiter", "encoding")
