"""Explains which columns and files are not used, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from os.path import commonprefix
from typing import Any

from fusionrec.data.detection import name_hints
from fusionrec.data.detection.column_stats import ColumnStats, agreement, shown
from fusionrec.data.detection.doubts import Doubt
from fusionrec.data.detection.entity_files import EntityFile
from fusionrec.data.detection.rating_scale import guess_scale
from fusionrec.data.detection.roles import InteractionFile, role_of
from fusionrec.data.detection.scan import ScannedFolder
from fusionrec.data.detection.signal_guesses import (
    InteractionColumn,
    guess_event,
    guess_time,
    looks_like_time,
    refused_count,
)
from fusionrec.data.detection.table_file import TableFile
from fusionrec.data.schema import Side
from fusionrec.data.tabular.toml_file import assignments

FOLLOWS = 0.9  # an attribute's agreement with the id that it is of
_CALLED = {"count": "a count", "time": "the time", "rating": "a rating", "event": "an event"}


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
            else f"numbers such as {stats.examples(1)} are no time since 1970" if _numbered(stats)
            else why if not stats.lists and (why := refused_count(stats))
            else "neither the user's nor the item's, and no rating, count, event or time"
        )  # fmt: skip


def _numbered(stats: ColumnStats) -> bool:
    """Whether a column is called a time and has numbers that are none, such as a day from 1 on."""
    named = name_hints.has(stats.name, name_hints.TIME) and not stats.lists
    short = len(name_hints.words(stats.name)) <= 2  # not hours since the last order
    return named and short and stats.numeric > 0.9 and stats.distinct > 2


def _followed(stats: ColumnStats, interactions: InteractionFile) -> list[Side]:
    """The sides whose id determines a column of the interactions."""
    ids = ((side, interactions.file.columns[name]) for side, name in interactions.ids.items())
    return [side for side, column in ids if agreement(stats, column) >= FOLLOWS]


def unused_files(
    scanned: ScannedFolder,
    candidates: list[InteractionFile],
    tables: Mapping[Side, EntityFile | None],
) -> tuple[dict[str, str], list[Doubt]]:
    """The files that are not used -> why; and doubts about ids that were lost in writing, or are
    written in another way than those of the interactions.

    Args:
        scanned: all files.
        candidates: those that may hold interactions; the first is used.
        tables: the files of users and items.
    """
    interactions, *others = candidates
    used = {file.file.name for file in (interactions, *tables.values()) if file}
    used.update(interactions.file.joined)
    unused, lost = {}, list[Doubt]()
    for file in scanned.files:
        if file.name in used:
            continue
        other = next((one for one in others if one.file.name == file.name), None)
        named = [(s, t) for s, t in tables.items() if t and t.key in file.columns]
        index = (
            f"its index, {shown(file.lost_index)}, was not written as a column: "
            "call reset_index() on the data frame before writing it"
        )
        if file.lost_index:
            lost.append(Doubt("lost_index", f"{file.name} is not used: {index}"))
        if other:
            columns = f"users ({shown(other.ids['user'])}) and items ({shown(other.ids['item'])})"
            why = f"it has {columns} too, but {interactions.file.name} fits better"
        elif named:
            side, table = named[0]
            better = f"{table.file.name} describes the {side}s better"
            why = f"it has {shown(table.key)} too, but {better}"
        else:
            why = f"none of its columns has the ids of users or items in {interactions.file.name}"
            why += f"; {index}" if file.lost_index else ""
            lost += _nearly_met(file, interactions)
        unused[file.name] = why
    return unused, lost


def other_parts(interactions: InteractionFile, scanned: ScannedFolder) -> Iterator[Doubt]:
    """A doubt about unused tables with the columns of the interactions, such as a test part."""
    main = next(file for file in scanned.files if file.name == interactions.file.name)
    parts = [
        file for file in scanned.files
        if file is not main and file.headerless == main.headerless
        and [*file.columns] == [*main.columns] and file.name not in main.joined
    ]  # fmt: skip
    if not parts:
        return
    names = sorted(name for file in (main, *parts) for name in file.parts)
    listed = " and ".join(file.name for file in parts[:3])
    more = f" and {len(parts) - 3:,} more" if len(parts) > 3 else ""
    has, is_ = ("has", "is") if len(parts) == 1 else ("have", "are")
    says = f"{listed}{more} {has} the columns of {main.name}, and {is_} not used"
    # Of letters, not of folders.
    begin = commonprefix(names)  # noqa: RUF071
    end = commonprefix([name[::-1] for name in names])[::-1]  # noqa: RUF071
    pattern = f"{begin}*{end}"
    read = [name for file in scanned.files for name in file.parts if fnmatchcase(name, pattern)]
    together = not main.spec.table and sorted(read) == names
    if not together:
        says += "; to use all, write them as one table"
    yield Doubt("parts", says, assignments({"files": pattern}) if together else "")


def _nearly_met(file: TableFile, interactions: InteractionFile) -> Iterator[Doubt]:
    """Doubts about columns that hold the ids of the interactions, but write them otherwise."""
    for side in interactions.ids:
        ids = {_plain(value): value for value in interactions.column(side).counts}
        for key in file.columns.values():
            met = {_plain(value): value for value in key.counts}
            unlike = [one for one in met.keys() & ids.keys() if met[one] != ids[one]]
            if role_of(key.name, side) > 1 and len(unlike) > 0.5 * len(met):
                there, here = shown(met[unlike[0]]), shown(ids[unlike[0]])
                says = (
                    f"{file.name} is not used: its {key.name} would meet those of the interactions "
                    f"if they were written alike, not {there} and {here}"
                )
                yield Doubt("ids_unlike", says, "", (key.name,))


def _plain(id_: str) -> str:
    return id_.strip(" \"'").casefold().removesuffix(".0").lstrip("0")


def refused_columns(interactions: InteractionFile, left_out: Mapping[str, str]) -> Iterator[Doubt]:
    """Doubts about columns that look like a rating, a count or the time, if no other is one."""
    has = {signal.key for signal in interactions.signals}
    for name, stats in interactions.file.columns.items():
        if name not in left_out or stats.lists:
            continue
        if _speaks_against(stats):
            says = f"{name} is not used: rows of which it says so count as taken all the same"
            yield Doubt("against_unused", says, "", (name,))
        key = _looks_like(stats)
        taken = "time" in has if key == "time" else bool(has - {"time"})
        if not key or taken:
            continue
        says = f"{name} is not taken for {_CALLED[key]}: {left_out[name]}"
        # Events can be made of words.
        words = bool(key == "rating" and stats.known and not len(stats.numbers))
        mend = _mend("event" if words else key, stats)
        yield Doubt(f"{key}_left_out", says, mend, (name,), words)


def _speaks_against(stats: ColumnStats) -> bool:
    """Whether a column says yes or no of what is no interaction, such as ``returned``."""
    against = any(name_hints.EVENT_WEIGHTS.get(w) == 0 for w in name_hints.words(stats.name))
    answers = {value.strip().lower() for value in stats.known} <= name_hints.ANSWER
    return against and answers and len(stats.known) == 2


def _looks_like(stats: ColumnStats) -> str:
    """What a column that was left out looks like: a key of ``[interactions]`` or nothing."""
    if looks_like_time(stats) or isinstance(guess_time(stats), str) or _numbered(stats):
        return "time"
    if refused_count(stats):
        return "count"
    if isinstance(guess_event(stats), str):
        return "event"
    return "rating" if name_hints.has(stats.name, name_hints.RATING) else ""


def _mend(key: str, stats: ColumnStats) -> str:
    """What makes a column that was left out the value of a key; empty if it cannot be."""
    settings: dict[str, Any] = {}
    if key == "time":
        time = guess_time(stats)
        if not isinstance(time, InteractionColumn):
            return ""
        settings = time.settings
    elif key == "event":
        settings = {"events": dict.fromkeys(sorted(stats.known), 1.0)}
    elif key == "rating":
        if not len(stats.numbers) or stats.numbers.min() == stats.numbers.max():
            return ""
        settings = {"scale": list(guess_scale(stats.name, stats.numbers)[:2])}
    return assignments({key: stats.name} | settings)
