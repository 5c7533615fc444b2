"""Which file says who took what, and which tell of users and of items."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from fusionrec.data.inference import name_hints
from fusionrec.data.inference.attributes import guess_attribute
from fusionrec.data.inference.column_stats import ISO_TIME, ColumnStats, agreement, mostly, overlap
from fusionrec.data.inference.interaction_columns import InteractionColumn, guess_marks
from fusionrec.data.inference.scan import File
from fusionrec.data.schema import Side

_WORDS = {"user": name_hints.USER, "item": name_hints.ITEM}
_OTHER: dict[Side, Side] = {"user": "item", "item": "user"}
_MARKS = name_hints.RATING | name_hints.COUNT | name_hints.EVENT | name_hints.TIME
_VALUE = {"rating": 2.0, "event": 1.5, "count": 1.0, "time": 1.0}
_ENOUGH = 3.0  # of a table's score, so that it is taken


@dataclass(frozen=True)
class InteractionFile:
    """A file that says who took what.

    Attributes:
        file: the file.
        user, item: the columns of the ids.
        marks: what else it says of an interaction.
        left: column -> why it is not used, of those that might have been such a mark.
        score: how well all of it fits; higher is better.
    """

    file: File
    user: str
    item: str
    marks: tuple[InteractionColumn, ...]
    left: dict[str, str]
    score: float


@dataclass(frozen=True)
class EntityFile:
    """A file that tells of users or of items.

    Attributes:
        file: the file.
        key: the column of the ids.
        share: of the interactions, how many name an id that it has, as far as was read.
        score: how well it fits; higher is better.
    """

    file: File
    key: str
    share: float
    score: float


def _ids(file: File) -> Iterator[ColumnStats]:
    """The columns that may hold ids."""
    for facts in file.columns.values():
        known = max(name_hints.role(facts.name, words) for words in _WORDS.values())
        if facts.lists or facts.stamped or facts.filled < facts.rows / 2 or facts.words > 5:
            continue
        if facts.numeric > 0.9 and not facts.whole:
            continue
        if known == 0 and (name_hints.has(facts.name, _MARKS) or mostly(facts, ISO_TIME)):
            continue
        yield facts


def _named(file: File, key: str, side: Side) -> float:
    """How far the names of a file and its key say that it is a table of that side: -1, 0 or 1."""
    ours, theirs = (
        name_hints.role(key, _WORDS[s]) > 1 or name_hints.has(file.pattern.split(".")[0], _WORDS[s])
        for s in (side, _OTHER[side])
    )
    return float(ours) - float(theirs)


def _keys(file: File) -> list[ColumnStats]:
    """The columns that may name the rows of a table."""
    return [f for f in _ids(file) if f.unique >= 0.5 and f.filled >= 0.95 * f.rows]


def _share(ids: ColumnStats, table: File, key: ColumnStats) -> float:
    share = overlap(ids, key)
    # Of tables that were read in part, a small share of the ids is as good a sign.
    return share if table.complete or share < 0.02 else max(share, 0.6)


def _fit(ids: ColumnStats, side: Side, others: Sequence[File]) -> float:
    """How far a column seems to hold the ids of that side."""
    joined = max(
        (
            _share(ids, table, key) * (0.5 + 1.5 * _named(table, key.name, side))
            for table in others
            for key in _keys(table)
        ),
        default=0.0,
    )
    ours, theirs = (name_hints.role(ids.name, _WORDS[s]) for s in (side, _OTHER[side]))
    return ours - 0.75 * theirs + max(0.0, joined)


def _crossed(user: ColumnStats, item: ColumnStats) -> bool:
    """Whether both ids come again and neither follows from the other: as who takes what does."""
    if min(1 - user.unique, 1 - item.unique) < 0.1:
        return False
    return max(agreement(item, user), agreement(user, item)) < 0.9


def all_taken(files: Sequence[File]) -> list[InteractionFile]:
    """The files that may say who took what, each with its likeliest columns; the best first."""
    found = []
    for file in files:
        others = [other for other in files if other is not file]
        ids = list(_ids(file))
        fits = {s: {f.name: _fit(f, s, others) for f in ids} for s in ("user", "item")}
        best = (-math.inf, "", "")
        for user, item in product(ids, repeat=2):
            fit_user, fit_item = fits["user"][user.name], fits["item"][item.name]
            if user is item or max(fit_user, fit_item) < 1:
                continue
            score = fit_user + fit_item + 2 - user.unique - item.unique
            if score <= best[0] or (min(fit_user, fit_item) < 1 and not _crossed(user, item)):
                continue
            best = (score, user.name, item.name)
        if best[1]:
            found.append(_taken(file, *best))
    return sorted(found, key=lambda one: -one.score)


def _taken(file: File, score: float, user: str, item: str) -> InteractionFile:
    rest = [f for name, f in file.columns.items() if name not in (user, item)]
    marks, left = guess_marks(rest)
    score += sum(_VALUE[mark.key] for mark in marks)
    score += float(name_hints.has(file.pattern.split(".")[0], name_hints.TAKEN))
    score += 0.5 * math.log10(max(1, file.rows)) + 0.5 * (not file.complete)
    return InteractionFile(file, user, item, tuple(marks), left, score)


def tables_of(
    ids: ColumnStats, side: Side, taken: InteractionFile, files: Sequence[File]
) -> list[EntityFile]:
    """The files that may tell of the users or the items that interactions name; the best first."""
    found = []
    for file in files:
        if file is taken.file:
            continue
        for key in _keys(file):
            share = _share(ids, file, key)
            named = _named(file, key.name, side)
            score = 4 * share + 1.5 * named + key.unique + 0.5 * float(key.name == ids.name)
            score -= 1.5 * float(named < 0) + 3 * float(_of_others(ids, key, side))
            if share >= 0.3 and score >= _ENOUGH and (says := _attributes(file, key, side)):
                found.append(
                    EntityFile(file, key.name, overlap(ids, key), score + 0.3 * min(8, says))
                )
    return sorted(found, key=lambda one: -one.score)


def _of_others(ids: ColumnStats, key: ColumnStats, side: Side) -> bool:
    """Whether a key of numbers is called the id of something else. Numbers from 1 on are shared by
    all that is numbered so, whatever it is.
    """
    named = [word for word in name_hints.words(key.name) if word not in name_hints.ID]
    other = key.name != ids.name and not name_hints.role(key.name, _WORDS[side])
    return key.numeric > 0.9 and other and bool(named)


def _attributes(file: File, key: ColumnStats, side: Side) -> int:
    """How many of a table's columns say something."""
    rest = [facts for facts in file.columns.values() if facts is not key]
    return sum(not isinstance(guess_attribute(facts, side), str) for facts in rest)


def both_tables(taken: InteractionFile, files: Sequence[File]) -> dict[Side, EntityFile | None]:
    """The tables of users and of items that fit best together; no file is both."""
    sides: tuple[Side, Side] = ("user", "item")
    options: list[list[EntityFile | None]] = [
        [*tables_of(taken.file.columns[name], side, taken, files), None]
        for side, name in zip(sides, (taken.user, taken.item), strict=True)
    ]
    best: tuple[float, EntityFile | None, EntityFile | None] = (-1.0, None, None)
    for user, item in product(*options):
        if user and item and user.file is item.file:
            continue
        score = (user.score if user else 0.0) + (item.score if item else 0.0)
        # Of a file that could be either, items: they have more that can be told.
        if score > best[0] or (score == best[0] and best[1] is not None and user is None):
            best = (score, user, item)
    return {"user": best[1], "item": best[2]}
