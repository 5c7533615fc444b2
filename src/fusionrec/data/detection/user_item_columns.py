"""Finds the file of interactions, and those of users and of items."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from fusionrec.data.detection import name_hints
from fusionrec.data.detection.attributes import guess_attribute
from fusionrec.data.detection.column_stats import ISO_TIME, ColumnStats, agreement, mostly, overlap
from fusionrec.data.detection.scan import TableFile
from fusionrec.data.detection.signal_columns import InteractionColumn, guess_signals
from fusionrec.data.schema import Side

OTHER: dict[Side, Side] = {"user": "item", "item": "user"}
_SIGNALS = name_hints.RATING | name_hints.COUNT | name_hints.EVENT | name_hints.TIME
_VALUE = {"rating": 2.0, "event": 1.5, "count": 1.0, "time": 1.0}
_ENOUGH = 3.0  # least score of a table that is used


@dataclass(frozen=True)
class InteractionFile:
    """A file of interactions.

    Attributes:
        file: the file.
        ids: the columns of the ids: of users, then of items.
        signals: the columns of its rating, count, event and time.
        left_out: column that looks like a signal -> why it is not used.
        score: how well all of it fits; higher is better.
    """

    file: TableFile
    ids: dict[Side, str]
    signals: tuple[InteractionColumn, ...]
    left_out: dict[str, str]
    score: float

    @property
    def used(self) -> set[str]:
        """The columns of ids and signals."""
        return {*self.ids.values(), *(signal.column for signal in self.signals)}


@dataclass(frozen=True)
class EntityFile:
    """A file of users or of items.

    Attributes:
        file: the file.
        key: the column of the ids.
        share: the share of the interactions read whose id it has, 0 to 1.
        score: how well it fits; higher is better.
    """

    file: TableFile
    key: str
    share: float
    score: float


def _ids(file: TableFile) -> Iterator[ColumnStats]:
    """The columns that may hold ids."""
    for stats in file.columns.values():
        known = max(name_hints.role(stats.name, words) for words in name_hints.OF_SIDE.values())
        if stats.lists or stats.stamped or stats.filled < stats.rows / 2 or stats.words > 5:
            continue
        if stats.numeric > 0.9 and not stats.whole:
            continue
        if known == 0 and (name_hints.has(stats.name, _SIGNALS) or mostly(stats, ISO_TIME)):
            continue
        yield stats


def _name_score(file: TableFile, key: str, side: Side) -> float:
    """1 if the names of a file and its key suggest this side, -1 for the other side, else 0."""
    ours, theirs = (
        name_hints.role(key, words) > 1 or name_hints.has(file.pattern.split(".")[0], words)
        for words in (name_hints.OF_SIDE[side], name_hints.OF_SIDE[OTHER[side]])
    )
    return float(ours) - float(theirs)


def _keys(file: TableFile) -> list[ColumnStats]:
    """The columns that may name the rows of a table."""
    return [f for f in _ids(file) if f.unique >= 0.5 and f.filled >= 0.95 * f.rows]


def _share(ids: ColumnStats, table: TableFile, key: ColumnStats) -> float:
    share = overlap(ids, key)
    # In tables that were read in part, a small share of the ids is as good a sign.
    return share if table.complete or share < 0.02 else max(share, 0.6)


def _fit(ids: ColumnStats, side: Side, others: Sequence[TableFile]) -> float:
    """How likely a column holds the ids of that side."""
    joined = [
        _share(ids, table, key) * (0.5 + 1.5 * _name_score(table, key.name, side))
        for table in others
        for key in _keys(table)
    ]
    ours, theirs = (name_hints.role(ids.name, name_hints.OF_SIDE[s]) for s in (side, OTHER[side]))
    return ours - 0.75 * theirs + max([0.0, *joined])


def _crossed(user: ColumnStats, item: ColumnStats) -> bool:
    """Whether both ids repeat and neither depends on the other, as in interactions."""
    if min(1 - user.unique, 1 - item.unique) < 0.1:
        return False
    return max(agreement(item, user), agreement(user, item)) < 0.9


def find_interaction_files(files: Sequence[TableFile]) -> list[InteractionFile]:
    """The files that may hold interactions, each with its likeliest columns; the best first."""
    candidates = []
    for file in files:
        others = [other for other in files if other is not file]
        ids = [(f, _fit(f, "user", others), _fit(f, "item", others)) for f in _ids(file)]
        best = (-math.inf, "", "")
        for (user, fit_user, _), (item, _, fit_item) in product(ids, repeat=2):
            if user is item or max(fit_user, fit_item) < 1:
                continue
            score = fit_user + fit_item + 2 - user.unique - item.unique
            if score <= best[0] or (min(fit_user, fit_item) < 1 and not _crossed(user, item)):
                continue
            best = (score, user.name, item.name)
        if best[1]:
            score, user_name, item_name = best
            rest = [f for name, f in file.columns.items() if name not in best]
            signals, left_out = guess_signals(rest)
            score += sum(_VALUE[signal.key] for signal in signals)
            score += float(name_hints.has(file.pattern.split(".")[0], name_hints.TAKEN))
            score += 0.5 * math.log10(max(1, file.rows)) + 0.5 * (not file.complete)
            named: dict[Side, str] = {"user": user_name, "item": item_name}
            candidates.append(InteractionFile(file, named, tuple(signals), left_out, score))
    return sorted(candidates, key=lambda candidate: -candidate.score)


def _find_entity_files(
    side: Side, interactions: InteractionFile, files: Sequence[TableFile]
) -> list[EntityFile]:
    """The files that may hold the users or items of interactions; the best first."""
    ids = interactions.file.columns[interactions.ids[side]]
    candidates = []
    for file in files:
        if file is interactions.file:
            continue
        for key in _keys(file):
            share = _share(ids, file, key)
            named = _name_score(file, key.name, side)
            score = 4 * share + 1.5 * named + key.unique + 0.5 * float(key.name == ids.name)
            score -= 1.5 * float(named < 0) + 3 * float(_of_others(ids, key, side))
            if share < 0.3 or score < _ENOUGH:
                continue
            rest = [stats for stats in file.columns.values() if stats is not key]
            attributes = sum(not isinstance(guess_attribute(stats, side), str) for stats in rest)
            if attributes:
                score += 0.3 * min(8, attributes)
                candidates.append(EntityFile(file, key.name, overlap(ids, key), score))
    return sorted(candidates, key=lambda candidate: -candidate.score)


def _of_others(ids: ColumnStats, key: ColumnStats, side: Side) -> bool:
    """Whether a numeric key is named as the id of something else. Numbers from 1 on overlap with
    the ids of any other table.
    """
    named = [word for word in name_hints.words(key.name) if word not in name_hints.ID]
    other = key.name != ids.name and not name_hints.role(key.name, name_hints.OF_SIDE[side])
    return key.numeric > 0.9 and other and bool(named)


def choose_entity_files(
    interactions: InteractionFile, files: Sequence[TableFile]
) -> dict[Side, EntityFile | None]:
    """The files of users and of items that fit best together; no file is both."""
    options: list[list[EntityFile | None]] = [
        [*_find_entity_files(side, interactions, files), None] for side in interactions.ids
    ]
    best: tuple[float, EntityFile | None, EntityFile | None] = (-1.0, None, None)
    for user, item in product(*options):
        if user and item and user.file is item.file:
            continue
        score = (user.score if user else 0.0) + (item.score if item else 0.0)
        # A file that could be either is of items, which have more attributes.
        if score > best[0] or (score == best[0] and best[1] is not None and user is None):
            best = (score, user, item)
    return {"user": best[1], "item": best[2]}
