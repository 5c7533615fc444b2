"""Explains which columns and files are not used, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from fusionrec.data.detection import name_hints
from fusionrec.data.detection.column_stats import ColumnStats, agreement, misfits, number, shown
from fusionrec.data.detection.scan import ScannedFolder, TableFile
from fusionrec.data.detection.signal_columns import MOST, guess_time, refused_time
from fusionrec.data.detection.user_item_columns import EntityFile, InteractionFile
from fusionrec.data.schema import Side

FOLLOWS = 0.9  # an attribute's agreement with the id that it is of
_CALLED = {"count": "a count", "time": "the time"}


def explain_unused_columns(
    interactions: InteractionFile,
    sides: Collection[Side],
    used: Collection[str],
    left_out: dict[str, str],
) -> None:
    """Adds the reason for each unused column of the interactions.

    Args:
        interactions: the interactions.
        sides: those with a table.
        used: columns that these tables use or explain.
        left_out: column -> why; is added to.
    """
    signals = (signal.column for signal in interactions.signals)
    named = {interactions.user, interactions.item, *signals}
    for name, stats in interactions.file.columns.items():
        if name in named or name in used or name in left_out:
            continue
        followed = [s for s in ("item", "user") if s in sides and _follows(stats, interactions, s)]
        left_out[name] = (
            f"goes with the {followed[0]}, of whom another file tells" if followed
            else "it is empty" if not stats.known
            else why if not stats.lists and (why := _refused(stats)[1])
            else "neither the user's nor the item's, and no rating, count, event or time"
        )  # fmt: skip


def _follows(stats: ColumnStats, interactions: InteractionFile, side: Side) -> bool:
    column = interactions.user if side == "user" else interactions.item
    return agreement(stats, interactions.file.columns[column]) >= FOLLOWS


def _used_files(
    interactions: InteractionFile, tables: Mapping[Side, EntityFile | None]
) -> set[int]:
    """The ``id`` of each file that is used."""
    return {id(file.file) for file in (interactions, *tables.values()) if file is not None}


def unused_files(
    scanned: ScannedFolder,
    interactions: InteractionFile,
    candidates: list[InteractionFile],
    tables: Mapping[Side, EntityFile | None],
) -> dict[str, str]:
    """The files that are not used -> why."""
    used = _used_files(interactions, tables)
    others = {id(candidate.file): candidate for candidate in candidates}
    return {
        file.pattern: _why_not(file, others.get(id(file)), interactions, tables)
        for file in scanned.files
        if id(file) not in used
    }


def _why_not(
    file: TableFile,
    other: InteractionFile | None,
    interactions: InteractionFile,
    tables: Mapping[Side, EntityFile | None],
) -> str:
    if other is not None:
        return (
            f"it names users ({shown(other.user)}) and items ({shown(other.item)}) too, but "
            f"{interactions.file.pattern} says more of who took what"
        )
    for side, entity in tables.items():
        if entity is not None and entity.key in file.columns:
            tells_more = f"{entity.file.pattern} tells more of the {side}s"
            return f"it has {shown(entity.key)}, too, but {tells_more}"
    why = "none of its columns names the users or items of " + interactions.file.pattern
    return f"{why}; {lost}" if (lost := _lost(file)) else why


def _lost(file: TableFile) -> str:
    """What to do where a data frame's index was not written as a column."""
    if not file.lost_index:
        return ""
    return (
        f"its index, {shown(file.lost_index)}, was not written as a column: "
        "call reset_index() on the data frame before writing it"
    )


def lost_indexes(
    scanned: ScannedFolder, interactions: InteractionFile, tables: Mapping[Side, EntityFile | None]
) -> tuple[str, ...]:
    """Unused files whose ids may have been lost in writing, in sentences."""
    used = _used_files(interactions, tables)
    return tuple(
        f"{file.pattern} is not used: {lost}"
        for file in scanned.files
        if id(file) not in used and (lost := _lost(file))
    )


def refused_columns(interactions: InteractionFile, left_out: Mapping[str, str]) -> tuple[str, ...]:
    """Columns left out that look like a count or the time, if no other column is one; in
    sentences.
    """
    has = {signal.key for signal in interactions.signals}
    doubts = []
    for name, stats in interactions.file.columns.items():
        if name not in left_out or stats.lists or not stats.known:
            continue
        key = _refused(stats)[0] or ("time" if isinstance(guess_time(stats), str) else "")
        taken = "time" in has if key == "time" else bool(has - {"time"})
        if not key or taken:
            continue
        if not any(_follows(stats, interactions, side) for side in ("user", "item")):
            doubts.append(f"{name} is not taken for {_CALLED[key]}: {left_out[name]}")
    return tuple(doubts)


def _refused(stats: ColumnStats) -> tuple[str, str]:
    """What a column looks like, ``time`` or ``count``, and why it is not that; else empty."""
    for key, why in (("time", refused_time(stats)), ("count", _refused_count(stats))):
        if why:
            return key, why
    return "", ""


def _refused_count(stats: ColumnStats) -> str:
    """Why a column that is named like a count is none; empty if it does not look like one.

    Args:
        stats: a column that ``guess_count`` rejected.
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
