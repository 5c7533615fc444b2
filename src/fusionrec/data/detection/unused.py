"""Explains which columns and files are not used, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from fusionrec.data.detection import name_hints
from fusionrec.data.detection.column_stats import ColumnStats, agreement, misfits, number, shown
from fusionrec.data.detection.scan import ScannedFolder
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
    for name, stats in interactions.file.columns.items():
        if name in interactions.used or name in used or name in left_out:
            continue
        followed = [side for side in _followed(stats, interactions) if side in sides]
        left_out[name] = (
            f"depends on the {followed[-1]}, which another file describes" if followed
            else "it is empty" if not stats.known
            else why if not stats.lists and (why := _refused(stats)[1])
            else "neither the user's nor the item's, and no rating, count, event or time"
        )  # fmt: skip


def _followed(stats: ColumnStats, interactions: InteractionFile) -> list[Side]:
    """The sides whose id determines a column of the interactions."""
    ids = ((side, interactions.file.columns[name]) for side, name in interactions.ids.items())
    return [side for side, column in ids if agreement(stats, column) >= FOLLOWS]


def unused_files(
    scanned: ScannedFolder,
    candidates: list[InteractionFile],
    tables: Mapping[Side, EntityFile | None],
) -> tuple[dict[str, str], list[str]]:
    """The files that are not used -> why; and sentences about ids that were lost in writing.

    Args:
        scanned: all files.
        candidates: those that may hold interactions; the first is used.
        tables: the files of users and items.
    """
    interactions, *others = candidates
    used = [file.file for file in (interactions, *tables.values()) if file]
    unused, lost = {}, []
    for file in scanned.files:
        if any(file is one for one in used):
            continue
        other = next((one for one in others if one.file is file), None)
        named = [(s, t) for s, t in tables.items() if t and t.key in file.columns]
        index = (
            f"its index, {shown(file.lost_index)}, was not written as a column: "
            "call reset_index() on the data frame before writing it"
        )
        if file.lost_index:
            lost.append(f"{file.pattern} is not used: {index}")
        if other:
            columns = f"users ({shown(other.ids['user'])}) and items ({shown(other.ids['item'])})"
            why = f"it has {columns} too, but {interactions.file.pattern} fits better"
        elif named:
            side, table = named[0]
            better = f"{table.file.pattern} describes the {side}s better"
            why = f"it has {shown(table.key)} too, but {better}"
        else:
            why = (
                f"none of its columns has the ids of users or items in {interactions.file.pattern}"
            )
            why += f"; {index}" if file.lost_index else ""
        unused[file.pattern] = why
    return unused, lost


def refused_columns(interactions: InteractionFile, left_out: Mapping[str, str]) -> tuple[str, ...]:
    """Sentences about columns that look like a count or the time, if no other column is one."""
    has = {signal.key for signal in interactions.signals}
    doubts = []
    for name, stats in interactions.file.columns.items():
        if name not in left_out or stats.lists or not stats.known:
            continue
        key = _refused(stats)[0] or ("time" if isinstance(guess_time(stats), str) else "")
        taken = "time" in has if key == "time" else bool(has - {"time"})
        if not key or taken:
            continue
        if not _followed(stats, interactions):
            doubts.append(f"{name} is not taken for {_CALLED[key]}: {left_out[name]}")
    return tuple(doubts)


def _refused(stats: ColumnStats) -> tuple[str, str]:
    """What a rejected column looks like, ``time`` or ``count``, and why it is not that; else empty
    texts.
    """
    if why := refused_time(stats):
        return "time", why
    if not name_hints.has(stats.name, name_hints.COUNT) or stats.numeric < MOST:
        return "", ""
    numbers = stats.numbers
    if stats.numeric >= 0.95 and stats.whole and numbers.min() >= 0 and numbers.max() <= 1:
        return "", ""  # flags: as counts they would say nothing
    why = misfits(
        stats,
        "whole numbers from 0 on",
        lambda value: number(value) == np.rint(number(value)) and number(value) >= 0,
    )
    return "count" if why else "", why
