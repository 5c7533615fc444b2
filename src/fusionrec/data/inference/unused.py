"""What is not used of a folder's files, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from fusionrec.data.inference import name_hints
from fusionrec.data.inference.column_stats import ColumnStats, agreement, misfits, number, shown
from fusionrec.data.inference.interaction_columns import MOST, guess_time, refused_time
from fusionrec.data.inference.roles import EntityFile, InteractionFile
from fusionrec.data.inference.scan import File, Folder
from fusionrec.data.schema import Side

FOLLOWS = 0.9  # an attribute's agreement with the id that it is of
_CALLED = {"count": "a count", "time": "the time"}


def account(
    taken: InteractionFile, sides: Collection[Side], used: Collection[str], left: dict[str, str]
) -> None:
    """Says of each column of the interactions that nothing was made of why that is.

    Args:
        taken: the interactions.
        sides: those that a table tells of.
        used: columns that say something of these, or why they do not.
        left: column -> why; is added to.
    """
    named = {taken.user, taken.item, *(mark.column for mark in taken.marks)}
    for name, facts in taken.file.columns.items():
        if name in named or name in used or name in left:
            continue
        told = [s for s in ("item", "user") if s in sides and _goes(facts, taken, s)]
        left[name] = (
            f"goes with the {told[0]}, of whom another file tells" if told
            else "it is empty" if not facts.known
            else why if not facts.lists and (why := _refused(facts)[1])
            else "neither the user's nor the item's, and no rating, count, event or time"
        )  # fmt: skip


def _goes(facts: ColumnStats, taken: InteractionFile, side: Side) -> bool:
    column = taken.user if side == "user" else taken.item
    return agreement(facts, taken.file.columns[column]) >= FOLLOWS


def unused(
    held: Folder,
    taken: InteractionFile,
    candidates: list[InteractionFile],
    tables: Mapping[Side, EntityFile | None],
) -> dict[str, str]:
    """The files that are not used -> why."""
    used = {id(taken.file), *(id(told.file) for told in tables.values() if told is not None)}
    others = {id(one.file): one for one in candidates}
    return {
        file.pattern: _why_not(file, others.get(id(file)), taken, tables)
        for file in held.files
        if id(file) not in used
    }


def _why_not(
    file: File,
    other: InteractionFile | None,
    taken: InteractionFile,
    tables: Mapping[Side, EntityFile | None],
) -> str:
    if other is not None:
        return (
            f"it names users ({shown(other.user)}) and items ({shown(other.item)}) too, but "
            f"{taken.file.pattern} says more of who took what"
        )
    for side, told in tables.items():
        if told is not None and told.key in file.columns:
            return (
                f"it has {shown(told.key)}, too, but {told.file.pattern} tells more of the {side}s"
            )
    why = "none of its columns names the users or items of " + taken.file.pattern
    return f"{why}; {lost}" if (lost := _lost(file)) else why


def _lost(file: File) -> str:
    """What to do where a data frame's index was not written as a column."""
    if not file.lost_index:
        return ""
    return (
        f"its index, {shown(file.lost_index)}, was not written as a column: "
        "call reset_index() on the data frame before writing it"
    )


def lost_indexes(
    held: Folder, taken: InteractionFile, tables: Mapping[Side, EntityFile | None]
) -> tuple[str, ...]:
    """Of the files that are not used, those whose ids may have been lost in writing."""
    used = {id(taken.file), *(id(told.file) for told in tables.values() if told is not None)}
    return tuple(
        f"{file.pattern} is not used: {lost}"
        for file in held.files
        if id(file) not in used and (lost := _lost(file))
    )


def refused_marks(taken: InteractionFile, left: Mapping[str, str]) -> tuple[str, ...]:
    """Of the columns that are left out, those that seem to be a count or the time, where no other
    is taken for it.
    """
    has = {mark.key for mark in taken.marks}
    found = []
    for name, facts in taken.file.columns.items():
        if name not in left or facts.lists or not facts.known:
            continue
        key = _refused(facts)[0] or ("time" if isinstance(guess_time(facts), str) else "")
        there = "time" in has if key == "time" else bool(has - {"time"})
        if key and not there and not any(_goes(facts, taken, s) for s in ("user", "item")):
            found.append(f"{name} is not taken for {_CALLED[key]}: {left[name]}")
    return tuple(found)


def _refused(facts: ColumnStats) -> tuple[str, str]:
    """What a column seems to be, ``time`` or ``count``, and why it is not; or nothing."""
    for key, why in (("time", refused_time(facts)), ("count", _refused_count(facts))):
        if why:
            return key, why
    return "", ""


def _refused_count(stats: ColumnStats) -> str:
    """Why a column that is called a count was not taken for one; empty where it does not seem so.

    Args:
        stats: a column that ``guess_count`` made nothing of.
    """
    if not name_hints.has(stats.name, name_hints.COUNT) or stats.numeric < MOST:
        return ""
    numbers = stats.numbers
    if stats.numeric >= 0.95 and stats.whole and numbers.min() >= 0 and numbers.max() <= 1:
        return ""  # flags: as counts they would say nothing
    return misfits(
        stats,
        "whole numbers from 0 on",
        lambda value: number(value) == np.rint(number(value)) and number(value) >= 0,
    )
