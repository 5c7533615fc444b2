"""Infers the tables of users and of items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fusionrec.data.detection import name_hints
from fusionrec.data.detection.attributes import Attribute, guess_attribute
from fusionrec.data.detection.column_stats import ColumnStats, agreement
from fusionrec.data.detection.entity_files import EntityFile
from fusionrec.data.detection.inferred import InferredKey, InferredTable
from fusionrec.data.detection.roles import OTHER, InteractionFile
from fusionrec.data.detection.table_file import TableFile
from fusionrec.data.detection.unused import FOLLOWS
from fusionrec.data.schema import Side
from fusionrec.data.tabular.source_spec import SourceSpec

_MOST_FIELDS = 40
NESTED = "objects and bytes within a row are not read"
_DEFAULTS = ("", 0, ".", ())  # of keys of a join


def spec_keys(file: TableFile, why: str) -> Iterator[InferredKey]:
    """The keys of a table that say how its rows are read."""
    yield InferredKey("files", file.spec.files, (why,))
    default = SourceSpec()
    for key, value in file.spec.to_dict().items():
        if key in ("files", "separator") and not (key == "separator" and file.spec.explode):
            continue
        if key == "join" and value:
            plain = ({k: v for k, v in join.items() if v not in _DEFAULTS} for join in value)
            joins = list(plain)
            yield InferredKey("join", joins[0] if len(joins) == 1 else joins)
        elif key != "files" and value != getattr(default, key):
            yield InferredKey(key, list(value) if isinstance(value, tuple) else value)


def describe_ids(stats: ColumnStats) -> str:
    personal = any("@" in value for value in stats.some[:100])
    examples = "" if personal else f" such as {stats.examples()}"
    return f"{stats.distinct:,} distinct ids{examples}"


def infer_table(
    interactions: InteractionFile,
    entity: EntityFile | None,
    side: Side,
    names: set[str],
    left_out: dict[str, str],
) -> InferredTable | None:
    """The table of users or items: a file of its own, else columns of the interactions. Without a
    table, rejected columns are added to ``left_out``.
    """
    file, key = (entity or interactions).file, entity.key if entity else interactions.ids[side]
    why = [f"the {side} that a row is about"]
    if entity:
        stats = file.columns[key]
        columns = [column for column in file.columns.values() if column is not stats]
        why = [describe_ids(stats)]
        if stats.unique < 1:
            again = f"{1 - stats.unique:.0%} of the rows repeat one; the last counts"
            why.append(f"{again}, of several categories all")
    else:
        columns = _dependent_columns(interactions, side)
    fields, rejected, title = _fields(columns, side, names)
    if entity:
        rejected |= dict.fromkeys(file.nested, NESTED)
        fields = tuple(_with_all_categories(field, file, key) for field in fields)
    if not fields:
        left_out |= rejected
        return None
    seen = file.seen if entity else "its columns are in the file of the interactions"
    keys = [*spec_keys(file, seen), InferredKey("id", key, tuple(why))]
    if title:
        keys.append(InferredKey("title", title, ("the text that names an item for people",)))
    return InferredTable(tuple(keys), fields, rejected)


def _with_all_categories(attribute: Attribute, file: TableFile, key: str) -> Attribute:
    """A category of which one id has several rows becomes categories, which keep all of them."""
    stats, ids = file.columns[attribute.source], file.columns[key]
    several = len(np.unique(ids.codes * (stats.codes.max() + 2) + stats.codes)) - ids.distinct
    if attribute.column.kind != "category" or several < max(2, 0.1 * ids.distinct):
        return attribute
    why = (*attribute.why, "one id has several rows: all of their values together")
    separator = next(s for s in "|;\x1f" if not any(s in value for value in stats.values))
    column = replace(attribute.column, kind="categories", separator=separator)
    return replace(attribute, column=column, why=why)


def _dependent_columns(interactions: InteractionFile, side: Side) -> list[ColumnStats]:
    """The columns of the interactions that depend on the user or item, a row for each of these."""
    file = interactions.file
    used = interactions.used | interactions.left_out.keys()
    ids, other_ids = (interactions.column(s) for s in (side, OTHER[side]))
    dependent = []
    for name, stats in file.columns.items():
        if name in used or not stats.known:
            continue
        follows = agreement(stats, ids)
        if follows < FOLLOWS or agreement(stats, other_ids) > follows:
            continue
        rows = np.flatnonzero((ids.codes >= 0) & (stats.codes >= 0))
        last = np.full(ids.distinct, -1)
        last[ids.codes[rows]] = rows  # of equal ids the last row stays
        dependent.append(stats.take(np.sort(last[last >= 0])))
    return dependent


def _fields(
    columns: list[ColumnStats], side: Side, names: set[str]
) -> tuple[tuple[Attribute, ...], dict[str, str], str]:
    """The fields from columns, rejected column -> why, and the field that is an item's title."""
    kept: list[Attribute] = []
    rejected: dict[str, str] = {}
    titles: dict[str, tuple[int, int, float]] = {}  # how likely a text is the title
    for number, stats in enumerate(columns, start=1):
        attribute = guess_attribute(stats, side)
        if isinstance(attribute, str):
            rejected[stats.name] = attribute
            continue
        if len(kept) == _MOST_FIELDS:
            rejected[stats.name] = f"only the first {_MOST_FIELDS} are taken"
            continue
        words = name_hints.words(stats.name)
        name = name_hints.identifier(stats.name, number, names, side)
        names.add(name)
        label = "" if name == "_".join(words) else stats.name
        source = "" if stats.name == name else stats.name
        column = replace(attribute.column, column=source, label=label)
        kept.append(replace(attribute, name=name, column=column))
        if side == "item" and column.kind == "text":
            # By its name, of which the shorter is better, then by short and distinct values.
            named = name_hints.has(stats.name, name_hints.TITLE)
            titles[name] = ((2 - len(words)) * named, -int(stats.words > 12), stats.unique)
    return tuple(kept), rejected, max(titles, key=titles.__getitem__, default="")
