"""Infers a ``fusionrec.toml`` from the files of a folder, with a reason for each value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fusionrec.data.detection import name_hints
from fusionrec.data.detection.attributes import Attribute, guess_attribute
from fusionrec.data.detection.column_stats import ColumnStats, agreement
from fusionrec.data.detection.doubts import Doubt
from fusionrec.data.detection.scan import ROWS, ScannedFolder, scan_folder
from fusionrec.data.detection.unused import (
    FOLLOWS,
    explain_unused_columns,
    refused_columns,
    unused_files,
)
from fusionrec.data.detection.user_item_columns import (
    OTHER,
    EntityFile,
    InteractionFile,
    choose_entity_files,
    find_interaction_files,
)
from fusionrec.data.schema import Side
from fusionrec.data.tabular.readers.files import lacks_header
from fusionrec.data.tabular.spec import MINIMAL_SPEC
from fusionrec.errors import DataError, UsageError

_MOST_FIELDS = 40
_SIDES: tuple[Side, ...] = ("item", "user")
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
        fields: its fields, in the file's order.
        left_out: unused column -> why.
    """

    keys: tuple[InferredKey, ...]
    fields: tuple[Attribute, ...]
    left_out: dict[str, str]


@dataclass(frozen=True)
class InferredSpec:
    """The inferred content of a ``fusionrec.toml``.

    Attributes:
        name: of the data set.
        interactions: the keys of that table.
        left_out: unused column of the interactions -> why.
        users, items: the other tables; None if no file has their attributes.
        unused: readable file -> why it is not used.
        refused: file -> why it could not be read.
        doubts: what it is not sure of.
    """

    name: str
    interactions: tuple[InferredKey, ...]
    left_out: dict[str, str]
    users: InferredTable | None
    items: InferredTable | None
    unused: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    doubts: tuple[Doubt, ...] = ()


def infer_spec(
    folder: Path,
    name: str = "",
    rows: int = ROWS,
    *,
    told: Mapping[str, str] | None = None,  # noqa: ARG001
    sources: Sequence[str] = (),  # noqa: ARG001
) -> InferredSpec:
    """Infers what the CSV, TSV, JSON Lines and Parquet files of a folder hold.

    Args:
        folder: subfolders are ignored; or one file.
        name: of the data set; the folder's by default.
        rows: how many to read of each file, from its beginning.
        told: what someone said of keys that were in doubt, such as ``interactions.rating``.
        sources: URLs of databases whose tables are looked at too.

    Raises:
        UsageError: the folder does not exist.
        DataError: it holds no readable file or none of interactions; the message describes each.
    """
    if not folder.exists():
        raise UsageError(
            f"{folder}: there is no such folder or file", "name the folder that holds the files"
        )
    scanned = scan_folder(folder, rows)
    if not scanned.files:
        raise _nothing_read(folder, scanned)
    candidates = find_interaction_files(scanned.files)
    if not candidates:
        raise _no_interactions(folder, scanned)
    interactions = candidates[0]
    file = interactions.file
    tables = choose_entity_files(interactions, scanned.files)
    left_out = interactions.left_out | dict.fromkeys(file.nested, _NESTED)
    names = {"user_id", "item_id"}
    made: dict[Side, InferredTable] = {}
    for side in _SIDES:  # of two columns of one name, the item's keeps it
        if table := _table(interactions, tables[side], side, names, left_out):
            made[side] = table
    # Columns of the interactions' file that tables use, or explain why they do not.
    own = [table for table in made.values() if table.keys[0].value == file.pattern]
    used = {attribute.source for table in own for attribute in table.fields}
    explain_unused_columns(interactions, made, used.union(*(t.left_out for t in own)), left_out)
    unused, lost = unused_files(scanned, candidates, tables)
    return InferredSpec(
        name or folder.resolve().name or "data",
        tuple(_interaction_keys(interactions, tables)),
        left_out,
        made.get("user"),
        made.get("item"),
        unused,
        scanned.refused,
        tuple(
            Doubt("left_out", says) for says in (*refused_columns(interactions, left_out), *lost)
        ),
    )


def _nothing_read(folder: Path, scanned: ScannedFolder) -> DataError:
    hint = "put the files there, each with a header line"
    if scanned.refused:
        why = "; ".join(f"{name}: {why}" for name, why in list(scanned.refused.items())[:10])
        hint = f"mend them, or {hint}"
    else:
        other = f"; it holds {', '.join(scanned.ignored[:5])}" if scanned.ignored else ""
        why = f"no CSV, TSV, JSON Lines or Parquet file{other}"
    return DataError(f"{folder} holds no table that could be read: {why}", hint)


def _no_interactions(folder: Path, scanned: ScannedFolder) -> DataError:
    seen = [f"{file.pattern} ({', '.join(list(file.columns)[:12])})" for file in scanned.files[:10]]
    seen += [f"{name} ({why})" for name, why in list(scanned.refused.items())[:5]]
    bare = [file.pattern for file in scanned.files if lacks_header(file.columns)]
    header = f"; {', '.join(bare)} seems to have no header line" if bare else ""
    return DataError(
        f"no file in {folder} seems to say who took what: a column of users beside one of items. "
        f"Seen were {'; '.join(seen)}{header}",
        MINIMAL_SPEC,
    )


def _interaction_keys(
    interactions: InteractionFile, tables: Mapping[Side, EntityFile | None]
) -> Iterator[InferredKey]:
    file = interactions.file
    yield InferredKey("files", file.pattern, (file.seen,))
    for side in ("user", "item"):
        name = interactions.ids[side]
        why = [_describe_ids(file.columns[name])]
        if entity := tables[side]:
            part = "" if entity.file.complete else ", as far as that was read"
            share = f"{entity.share:.0%} of the rows name one that {entity.file.pattern} has"
            why.append(share + part)
        if not name_hints.role(name, name_hints.OF_SIDE[side]):
            why.append("its name does not say so: check it")
        yield InferredKey(side, name, tuple(why))
    for signal in interactions.signals:
        for key, value in {signal.key: signal.column, **signal.settings}.items():
            yield InferredKey(key, value, signal.why.get(key, ()))
    users, items = (file.columns[name].values for name in interactions.ids.values())
    again = 1 - len(set(zip(users, items, strict=True))) / max(1, file.rows)
    share = f"{again:.1%} of the rows repeat the user and item of an earlier row"
    why = [share if again else "no two rows have the same user and item"]
    if again > 0.05:
        why.append('"keep" if people take items repeatedly, and these may be recommended again')
    yield InferredKey("repeats", "last", tuple(why))


def _describe_ids(stats: ColumnStats) -> str:
    personal = any("@" in value for value in stats.some[:100])
    examples = "" if personal else f" such as {stats.examples()}"
    return f"{stats.distinct:,} distinct ids{examples}"


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
    file, key = (entity or interactions).file, entity.key if entity else interactions.ids[side]
    why = [f"the {side} that a row is about"]
    if entity:
        stats = file.columns[key]
        columns = [column for column in file.columns.values() if column is not stats]
        why = [_describe_ids(stats)]
        if stats.unique < 1:
            why.append(f"{1 - stats.unique:.0%} of the rows repeat one; the last counts")
    else:
        columns = _dependent_columns(interactions, side)
    fields, rejected, title = _fields(columns, side, names)
    if entity:
        rejected |= dict.fromkeys(file.nested, _NESTED)
    if not fields:
        left_out |= rejected
        return None
    seen = file.seen if entity else "its columns are in the file of the interactions"
    keys = [InferredKey("files", file.pattern, (seen,)), InferredKey("id", key, tuple(why))]
    if title:
        keys.append(InferredKey("title", title, ("the text that names an item for people",)))
    return InferredTable(tuple(keys), fields, rejected)


def _dependent_columns(interactions: InteractionFile, side: Side) -> list[ColumnStats]:
    """The columns of the interactions that depend on the user or item, a row for each of these."""
    file = interactions.file
    used = interactions.used | interactions.left_out.keys()
    ids, other_ids = (file.columns[interactions.ids[s]] for s in (side, OTHER[side]))
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
