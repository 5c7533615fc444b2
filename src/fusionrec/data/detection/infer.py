"""Infers a ``fusionrec.toml`` from the files of a folder, with a reason for each value."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fusionrec.data.detection import name_hints
from fusionrec.data.detection.attributes import Attribute, Attributes, guess_attribute
from fusionrec.data.detection.column_stats import ColumnStats, agreement
from fusionrec.data.detection.scan import ROWS, ScannedFolder, scan_folder
from fusionrec.data.detection.unused import (
    FOLLOWS,
    explain_unused_columns,
    lost_indexes,
    refused_columns,
    unused_files,
)
from fusionrec.data.detection.user_item_columns import (
    EntityFile,
    InteractionFile,
    choose_entity_files,
    find_interaction_files,
)
from fusionrec.data.schema import Side
from fusionrec.data.tabular.readers.files import lacks_header
from fusionrec.data.tabular.spec_checks import MINIMAL_SPEC
from fusionrec.errors import DataError, UsageError

_MOST_FIELDS = 40
_NESTED = "objects within a row are not read"


@dataclass(frozen=True)
class InferredKey:
    """One key of the TOML: its value, and the reasons for it."""

    key: str
    value: Any
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class InferredTable:
    """The table ``[users]`` or ``[items]``.

    Attributes:
        keys: the keys of the table itself.
        attributes: the fields from its columns.
    """

    keys: tuple[InferredKey, ...]
    attributes: Attributes


@dataclass(frozen=True)
class InferredSpec:
    """The inferred content of a ``fusionrec.toml``.

    Attributes:
        name: of the data set.
        interactions: the keys of that table.
        left_out: unused columns of the interactions -> why.
        users, items: the other tables; None if no file has their attributes.
        unused: readable file -> why it is not used.
        refused: file -> why it could not be read.
        doubts: what may be lost by that, in sentences for people.
    """

    name: str
    interactions: tuple[InferredKey, ...]
    left_out: dict[str, str]
    users: InferredTable | None
    items: InferredTable | None
    unused: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()


def infer_spec(folder: Path, name: str = "", rows: int = ROWS) -> InferredSpec:
    """Infers what the CSV, TSV, JSON Lines and Parquet files of a folder hold.

    Args:
        folder: subfolders are ignored.
        name: of the data set; the folder's by default.
        rows: how many to read of each file, from its beginning.

    Raises:
        UsageError: the folder does not exist.
        DataError: it holds no readable file or none of interactions; the message describes each.
    """
    if not folder.is_dir():
        raise UsageError(
            f"{folder}: there is no such folder", "name the folder that holds the files"
        )
    scanned = scan_folder(folder, rows)
    if not scanned.files:
        hint = "put the files there, each with a header line"
        raise DataError(
            _nothing_read(folder, scanned), f"mend them, or {hint}" if scanned.refused else hint
        )
    candidates = find_interaction_files(scanned.files)
    if not candidates:
        raise DataError(_no_interactions(folder, scanned), MINIMAL_SPEC)
    interactions = candidates[0]
    tables = choose_entity_files(interactions, scanned.files)
    left_out = interactions.left_out | dict.fromkeys(interactions.file.nested, _NESTED)
    names = {"user_id", "item_id"}
    sides: dict[Side, InferredTable | None] = {}
    for side in ("item", "user"):  # of two columns of one name, the item's keeps it
        sides[side] = _table(interactions, tables[side], side, names, left_out)
    made = {side: table for side, table in sides.items() if table is not None}
    # Columns of the interactions' file that tables use, or explain why they do not.
    own = [t.attributes for t in made.values() if t.keys[0].value == interactions.file.pattern]
    used = {a.source for attributes in own for a in attributes.kept}
    used = used.union(*(attributes.left_out for attributes in own))
    explain_unused_columns(interactions, made.keys(), used, left_out)
    return InferredSpec(
        name or folder.resolve().name or "data",
        _interaction_keys(interactions, tables),
        left_out,
        sides["user"],
        sides["item"],
        unused_files(scanned, interactions, candidates, tables),
        scanned.refused,
        (*refused_columns(interactions, left_out), *lost_indexes(scanned, interactions, tables)),
    )


def _nothing_read(folder: Path, scanned: ScannedFolder) -> str:
    refused = "; ".join(f"{name}: {why}" for name, why in list(scanned.refused.items())[:10])
    other = f"; it holds {', '.join(scanned.ignored[:5])}" if scanned.ignored else ""
    why = refused or f"no CSV, TSV, JSON Lines or Parquet file{other}"
    return f"{folder} holds no table that could be read: {why}"


def _no_interactions(folder: Path, scanned: ScannedFolder) -> str:
    seen = [
        f"{file.pattern} ({', '.join(list(file.columns)[:12])})" for file in scanned.files[:10]
    ] + [f"{name} ({why})" for name, why in list(scanned.refused.items())[:5]]
    bare = [file.pattern for file in scanned.files if lacks_header(file.columns)]
    header = f"; {', '.join(bare)} seems to have no header line" if bare else ""
    return (
        f"no file in {folder} seems to say who took what: a column of users beside one of items. "
        f"Seen were {'; '.join(seen)}{header}"
    )


def _interaction_keys(
    interactions: InteractionFile, tables: Mapping[Side, EntityFile | None]
) -> tuple[InferredKey, ...]:
    file = interactions.file
    keys = [InferredKey("files", file.pattern, (file.seen,))]
    for side, name in (("user", interactions.user), ("item", interactions.item)):
        stats = file.columns[name]
        why = [_describe_ids(stats)]
        if entity := tables[side]:  # type: ignore[index]
            part = "" if entity.file.complete else ", as far as that was read"
            why.append(
                f"{entity.share:.0%} of the rows name one that {entity.file.pattern} has{part}"
            )
        if not name_hints.role(name, name_hints.USER if side == "user" else name_hints.ITEM):
            why.append("its name does not say so: look whether that is right")
        keys.append(InferredKey(side, name, tuple(why)))
    for signal in interactions.signals:
        keys.append(InferredKey(signal.key, signal.column, signal.why.get(signal.key, ())))
        keys += [
            InferredKey(key, value, signal.why.get(key, ()))
            for key, value in signal.settings.items()
        ]
    keys.append(_repeats(interactions))
    return tuple(keys)


def _describe_ids(stats: ColumnStats) -> str:
    personal = any("@" in value for value in stats.some[:100])
    examples = "" if personal else f" such as {stats.examples()}"
    return f"{stats.distinct:,} distinct ids{examples}"


def _repeats(interactions: InteractionFile) -> InferredKey:
    users, items = (
        interactions.file.columns[name].values for name in (interactions.user, interactions.item)
    )
    pairs = len(set(zip(users, items, strict=True)))
    again = 1 - pairs / max(1, interactions.file.rows)
    share = f"{again:.1%} of the rows name a pair of user and item that stands there already"
    why = [share if again else "no pair of user and item stands there twice"]
    if again > 0.05:
        why.append('"keep" if people take things again, as food, and may be told of them again')
    return InferredKey("repeats", "last", tuple(why))


def _table(
    interactions: InteractionFile,
    entity: EntityFile | None,
    side: Side,
    names: set[str],
    left_out: dict[str, str],
) -> InferredTable | None:
    """The table of users or items: a file of its own, else columns of the interactions. Without a
    table, rejected columns are added to ``left_out``.
    """
    column = interactions.user if side == "user" else interactions.item
    if entity is not None:
        stats = entity.file.columns[entity.key]
        columns = [f for f in entity.file.columns.values() if f.name != entity.key]
        files, key, seen = entity.file.pattern, entity.key, entity.file.seen
        why: tuple[str, ...] = (_describe_ids(stats),)
        if stats.unique < 1:
            why = (*why, f"{1 - stats.unique:.0%} of the rows repeat one; the last counts")
    else:
        columns = _dependent_columns(interactions, side)
        if not columns:
            return None
        files, key = interactions.file.pattern, column
        seen = "the same file says so in each of its rows"
        why = (f"the {side} that a row is about",)
    attributes = _attributes(columns, side, names)
    if entity is not None:
        attributes.left_out.update(dict.fromkeys(entity.file.nested, _NESTED))
    if not attributes.kept:
        left_out |= attributes.left_out
        return None
    keys = [InferredKey("files", files, (seen,)), InferredKey("id", key, why)]
    if side == "item" and attributes.title:
        keys.append(InferredKey("title", attributes.title, ("what people know an item by",)))
    return InferredTable(tuple(keys), attributes)


def _dependent_columns(interactions: InteractionFile, side: Side) -> list[ColumnStats]:
    """The columns of the interactions that depend on the user or item, a row for each of these."""
    file = interactions.file
    signals = (signal.column for signal in interactions.signals)
    used = {interactions.user, interactions.item, *signals, *interactions.left_out}
    ids, other_ids = file.columns[interactions.user], file.columns[interactions.item]
    if side == "item":
        ids, other_ids = other_ids, ids
    dependent = []
    for name, stats in file.columns.items():
        if name in used or not stats.known:
            continue
        follows = agreement(stats, ids)
        if follows < FOLLOWS or agreement(stats, other_ids) > follows:
            continue
        last = {str(key): v for key, v in zip(ids.values, stats.values, strict=True) if key and v}
        dependent.append(replace(stats, values=list(last.values())))
    return dependent


def _attributes(columns: Collection[ColumnStats], side: Side, names: set[str]) -> Attributes:
    kept: list[Attribute] = []
    left_out: dict[str, str] = {}
    for number, stats in enumerate(columns, start=1):
        attribute = guess_attribute(stats, side)
        if isinstance(attribute, str):
            left_out[stats.name] = attribute
        elif len(kept) == _MOST_FIELDS:
            left_out[stats.name] = f"only the first {_MOST_FIELDS} are taken"
        else:
            name = name_hints.identifier(stats.name, number, names, side)
            names.add(name)
            label = "" if name == "_".join(name_hints.words(stats.name)) else stats.name
            source = "" if stats.name == name else stats.name
            column = replace(attribute.column, column=source, label=label)
            kept.append(replace(attribute, name=name, column=column))
    texts = {a.name: next(f for f in columns if f.name == a.source) for a in kept
             if a.column.kind == "text"}  # fmt: skip
    title = ""
    if side == "item":
        title = max(texts, key=lambda name: _title_score(texts[name]), default="")
    return Attributes(tuple(kept), left_out, title)


def _title_score(stats: ColumnStats) -> tuple[int, int, float]:
    """How likely a text is the title: by its name, then short, then distinct values."""
    named = name_hints.has(stats.name, name_hints.TITLE)
    return (
        2 * named - len(name_hints.words(stats.name)) * named,
        -int(stats.words > 12),
        stats.unique,
    )
