"""What the files of a folder hold: a guess at all that a ``fusionrec.toml`` says, with reasons."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fusionrec.data.inference import name_hints
from fusionrec.data.inference.attributes import Attribute, Attributes, guess_attribute
from fusionrec.data.inference.column_stats import ColumnStats, agreement
from fusionrec.data.inference.roles import EntityFile, InteractionFile, all_taken, both_tables
from fusionrec.data.inference.scan import ROWS, Folder, look
from fusionrec.data.inference.unused import FOLLOWS, account, lost_indexes, refused_marks, unused
from fusionrec.data.schema import Side
from fusionrec.data.tabular.readers.files import lacks_header
from fusionrec.data.tabular.spec_checks import MINIMAL_SPEC
from fusionrec.errors import DataError

_MOST_FIELDS = 40
_NESTED = "objects within a row are not read"


@dataclass(frozen=True)
class InferredKey:
    """One key of the file: its value, and why it is so."""

    key: str
    value: Any
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class InferredTable:
    """Users or items.

    Attributes:
        lines: the keys of the table itself.
        attributes: what was made of its columns.
    """

    lines: tuple[InferredKey, ...]
    attributes: Attributes


@dataclass(frozen=True)
class InferredSpec:
    """What a folder's files seem to hold.

    Attributes:
        name: of the data set.
        interactions: the keys of that table.
        left: columns of the interactions that are not used, and why.
        users, items: the other tables; None where nothing tells of them.
        unused: file -> why it is not used, of those that were read.
        refused: file -> why it could not be read.
        doubts: what may be lost by that, in sentences for people.
    """

    name: str
    interactions: tuple[InferredKey, ...]
    left: dict[str, str]
    users: InferredTable | None
    items: InferredTable | None
    unused: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()


def guess(folder: Path, name: str = "", rows: int = ROWS) -> InferredSpec:
    """What the CSV, TSV, JSON Lines and Parquet files of a folder seem to hold.

    Args:
        folder: looked at itself, not the folders in it.
        name: of the data set; the folder's by default.
        rows: how many of each file are looked at, from its beginning.

    Raises:
        DataError: there is no such folder, it holds no file that can be read, or none that says who
            took what; the message tells what each file holds.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: there is no such folder", "name the folder that holds the files"
        )
    held = look(folder, rows)
    if not held.files:
        hint = "put the files there, each with a header line"
        raise DataError(
            _nothing_read(folder, held), f"mend them, or {hint}" if held.refused else hint
        )
    candidates = all_taken(held.files)
    if not candidates:
        raise DataError(_nothing_taken(folder, held), MINIMAL_SPEC)
    taken = candidates[0]
    tables = both_tables(taken, held.files)
    left = taken.left | dict.fromkeys(taken.file.nested, _NESTED)
    names = {"user_id", "item_id"}
    sides: dict[Side, InferredTable | None] = {}
    for side in ("item", "user"):  # of two columns of one name, the item's keeps it
        sides[side] = _table(taken, tables[side], side, names, left)
    told = {side: table for side, table in sides.items() if table is not None}
    account(taken, told.keys(), _said(taken, told.values()), left)
    return InferredSpec(
        name or folder.resolve().name or "data",
        _interactions(taken, tables),
        left,
        sides["user"],
        sides["item"],
        unused(held, taken, candidates, tables),
        held.refused,
        (*refused_marks(taken, left), *lost_indexes(held, taken, tables)),
    )


def _nothing_read(folder: Path, held: Folder) -> str:
    said = "; ".join(f"{name}: {why}" for name, why in list(held.refused.items())[:10])
    other = f"; it holds {', '.join(held.ignored[:5])}" if held.ignored else ""
    found = said or f"no CSV, TSV, JSON Lines or Parquet file{other}"
    return f"{folder} holds no table that could be read: {found}"


def _nothing_taken(folder: Path, held: Folder) -> str:
    seen = [
        f"{file.pattern} ({', '.join(list(file.columns)[:12])})" for file in held.files[:10]
    ] + [f"{name} ({why})" for name, why in list(held.refused.items())[:5]]
    bare = [file.pattern for file in held.files if lacks_header(file.columns)]
    header = f"; {', '.join(bare)} seems to have no header line" if bare else ""
    return (
        f"no file in {folder} seems to say who took what: a column of users beside one of items. "
        f"Seen were {'; '.join(seen)}{header}"
    )


def _interactions(
    taken: InteractionFile, tables: Mapping[Side, EntityFile | None]
) -> tuple[InferredKey, ...]:
    file = taken.file
    lines = [InferredKey("files", file.pattern, (file.seen,))]
    for side, name in (("user", taken.user), ("item", taken.item)):
        facts = file.columns[name]
        why = [_id_facts(facts)]
        if told := tables[side]:  # type: ignore[index]
            part = "" if told.file.complete else ", as far as that was read"
            why.append(f"{told.share:.0%} of the rows name one that {told.file.pattern} has{part}")
        if not name_hints.role(name, name_hints.USER if side == "user" else name_hints.ITEM):
            why.append("its name does not say so: look whether that is right")
        lines.append(InferredKey(side, name, tuple(why)))
    for mark in taken.marks:
        lines.append(InferredKey(mark.key, mark.column, mark.why.get(mark.key, ())))
        lines += [
            InferredKey(key, value, mark.why.get(key, ())) for key, value in mark.settings.items()
        ]
    lines.append(_repeats(taken))
    return tuple(lines)


def _id_facts(facts: ColumnStats) -> str:
    personal = any("@" in value for value in facts.some[:100])
    examples = "" if personal else f" such as {facts.examples()}"
    return f"{facts.distinct:,} distinct ids{examples}"


def _repeats(taken: InteractionFile) -> InferredKey:
    users, items = (taken.file.columns[name].values for name in (taken.user, taken.item))
    pairs = len(set(zip(users, items, strict=True)))
    again = 1 - pairs / max(1, taken.file.rows)
    said = f"{again:.1%} of the rows name a pair of user and item that stands there already"
    why = [said if again else "no pair of user and item stands there twice"]
    if again > 0.05:
        why.append('"keep" if people take things again, as food, and may be told of them again')
    return InferredKey("repeats", "last", tuple(why))


def _table(
    taken: InteractionFile,
    told: EntityFile | None,
    side: Side,
    names: set[str],
    left: dict[str, str],
) -> InferredTable | None:
    """The table of users or items: a file of its own, else columns of the interactions. Where there
    is none, columns that were looked at in vain are added to ``left``.
    """
    column = taken.user if side == "user" else taken.item
    if told is not None:
        facts = told.file.columns[told.key]
        columns = [f for f in told.file.columns.values() if f.name != told.key]
        files, key, seen = told.file.pattern, told.key, told.file.seen
        why: tuple[str, ...] = (_id_facts(facts),)
        if facts.unique < 1:
            why = (*why, f"{1 - facts.unique:.0%} of the rows repeat one; the last counts")
    else:
        columns = _following(taken, side)
        if not columns:
            return None
        files, key, seen = taken.file.pattern, column, "the same file says so in each of its rows"
        why = (f"the {side} that a row is about",)
    attributes = _attributes(columns, side, names)
    if told is not None:
        attributes.left.update(dict.fromkeys(told.file.nested, _NESTED))
    if not attributes.kept:
        left |= attributes.left
        return None
    lines = [InferredKey("files", files, (seen,)), InferredKey("id", key, why)]
    if side == "item" and attributes.title:
        lines.append(InferredKey("title", attributes.title, ("what people know an item by",)))
    return InferredTable(tuple(lines), attributes)


def _following(taken: InteractionFile, side: Side) -> list[ColumnStats]:
    """The columns of the interactions that say something of each user or item, by row of these."""
    file = taken.file
    used = {taken.user, taken.item, *(mark.column for mark in taken.marks), *taken.left}
    ours, theirs = file.columns[taken.user], file.columns[taken.item]
    if side == "item":
        ours, theirs = theirs, ours
    found = []
    for name, facts in file.columns.items():
        if name in used or not facts.known:
            continue
        follows = agreement(facts, ours)
        if follows < FOLLOWS or agreement(facts, theirs) > follows:
            continue
        last = {str(key): v for key, v in zip(ours.values, facts.values, strict=True) if key and v}
        found.append(replace(facts, values=list(last.values())))
    return found


def _attributes(columns: Collection[ColumnStats], side: Side, names: set[str]) -> Attributes:
    kept: list[Attribute] = []
    left: dict[str, str] = {}
    for number, facts in enumerate(columns, start=1):
        found = guess_attribute(facts, side)
        if isinstance(found, str):
            left[facts.name] = found
        elif len(kept) == _MOST_FIELDS:
            left[facts.name] = f"only the first {_MOST_FIELDS} are taken"
        else:
            name = name_hints.identifier(facts.name, number, names, side)
            names.add(name)
            label = "" if name == "_".join(name_hints.words(facts.name)) else facts.name
            source = "" if facts.name == name else facts.name
            column = replace(found.column, column=source, label=label)
            kept.append(replace(found, name=name, column=column))
    texts = {a.name: next(f for f in columns if f.name == a.source) for a in kept
             if a.column.kind == "text"}  # fmt: skip
    title = max(texts, key=lambda name: _titled(texts[name]), default="") if side == "item" else ""
    return Attributes(tuple(kept), left, title)


def _titled(facts: ColumnStats) -> tuple[int, int, float]:
    """How far a text seems to be what items are known by: by its name, and short and of its own."""
    named = name_hints.has(facts.name, name_hints.TITLE)
    return (
        2 * named - len(name_hints.words(facts.name)) * named,
        -int(facts.words > 12),
        facts.unique,
    )


def _said(taken: InteractionFile, tables: Iterable[InferredTable]) -> set[str]:
    """The columns of the interactions' own file that tables were made of, or say why not."""
    own = [t.attributes for t in tables if t.lines[0].value == taken.file.pattern]
    return {a.source for one in own for a in one.kept}.union(*(one.left for one in own))
