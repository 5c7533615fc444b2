"""Finds the columns of users and items, the file of interactions, and those of users and items."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from weakref import WeakKeyDictionary

import numpy as np

from fusionrec.data.detection import name_hints
from fusionrec.data.detection.column_stats import ColumnStats, agreement, determines, overlap
from fusionrec.data.detection.signal_columns import Told, guess_signals
from fusionrec.data.detection.signal_guesses import InteractionColumn, event_weight, looks_like_time
from fusionrec.data.detection.table_file import TableFile
from fusionrec.data.schema import Side
from fusionrec.data.tabular.source_spec import FILENAME

OTHER: dict[Side, Side] = {"user": "item", "item": "user"}
_NO_ID = (
    name_hints.RATING | name_hints.COUNT | name_hints.EVENT | name_hints.TIME | name_hints.PRICE
)
# As long as a table is held, and no longer: its rows may be many.
_KEYS: WeakKeyDictionary[TableFile, list[ColumnStats]] = WeakKeyDictionary()
_VALUE = {"rating": 2.0, "event": 1.5, "count": 1.0, "time": 1.0}
_MOST_ALIKE = 30  # columns that others are compared with
_FEW_TABLES = 12
_FEW = 11  # distinct numbers; so few without a telling name are levels, not ids


@dataclass(frozen=True)
class InteractionFile:
    """A file of interactions.

    Attributes:
        file: the file.
        ids: the columns of the ids: of users, then of items.
        fits: how surely each of them holds these ids; below 1 neither its name nor another table
            says so.
        signals: the columns of its rating, count, event and time.
        left_out: column that looks like a signal -> why it is not used.
        score: how well all of it fits; higher is better.
    """

    file: TableFile
    ids: dict[Side, str]
    fits: dict[Side, float]
    signals: tuple[InteractionColumn, ...]
    left_out: dict[str, str]
    score: float

    @property
    def used(self) -> set[str]:
        """The columns of ids and signals."""
        return {*self.ids.values(), *(signal.column for signal in self.signals)}

    def column(self, side: Side) -> ColumnStats:
        """The column of a side's ids."""
        return self.file.columns[self.ids[side]]


def role_of(name: str, side: Side) -> int:
    """``name_hints.role`` of a side's words; of two ids of people the one called unique is that of
    the person.
    """
    words = name_hints.OF_SIDE[side]
    role = max(name_hints.role(name, words), name_hints.role(name.rpartition(".")[2], words))
    if side == "item":
        return role
    unique = role and "unique" in name_hints.words(name)
    return 6 if unique or name == FILENAME else role or int(name_hints.has(name, name_hints.HANDLE))


def id_columns(file: TableFile, keys: bool = False) -> Iterator[ColumnStats]:
    """The columns that may hold ids: neither constant nor a running number, unless named so.

    Args:
        file: the table.
        keys: whether a running number may name its rows.
    """
    for stats in file.columns.values():
        role = max(role_of(stats.name, side) for side in name_hints.OF_SIDE)
        if stats.lists or stats.stamped or not stats.known:
            continue
        if stats.known.total() < stats.rows / 2:
            continue
        if stats.words > (12 if role else 6):
            continue
        fractions = stats.numeric > 0.9 and float((stats.numbers % 1 != 0).mean()) > 0.1
        if fractions and not (role and name_hints.is_id(stats.name)):
            continue
        if role < 2 and (stats.distinct < 3 or (not keys and stats.running)):
            continue
        if role == 0 and not (file.headerless and stats.name in list(file.columns)[:2]):
            levels = is_level(stats)
            named = name_hints.has(stats.name, _NO_ID) and not name_hints.is_id(stats.name)
            if levels or named or looks_like_time(stats):
                continue
        if role == 0 and stats.distinct <= _FEW and all(map(event_weight, stats.known)):
            continue  # kinds of events, whatever the column is called
        yield stats


def is_level(stats: ColumnStats) -> bool:
    """Whether a column has only a few numbers, as levels have and hardly any ids."""
    return stats.numeric > 0.9 and stats.distinct <= min(_FEW, stats.rows / 5)


def name_score(file: TableFile, key: str, side: Side) -> float:
    """1 if the names of a file and its key suggest this side, -1 for the other side, else 0."""
    ours, theirs = (
        role_of(key, one) > 1 or name_hints.has(file.stem, name_hints.OF_SIDE[one])
        for one in (side, OTHER[side])
    )
    return float(ours) - float(theirs)


def keys_of(file: TableFile) -> list[ColumnStats]:
    """The columns that may name the rows of a table; in one of two columns an id may repeat."""
    if file not in _KEYS:
        least = 0.1 if len(file.columns) == 2 else 0.5
        keys = id_columns(file, keys=True)
        _KEYS[file] = [f for f in keys if f.unique >= least and f.filled >= 0.95 * f.rows]
    return _KEYS[file]


def share_of(ids: ColumnStats, table: TableFile, key: ColumnStats) -> float:
    share = overlap(ids, key)
    # In tables that were read in part, a small share of the ids is as good a sign.
    return share if table.complete or share < 0.02 else max(share, 0.6)


_Met = Sequence[tuple[TableFile, ColumnStats, float]]


def _met(ids: ColumnStats, others: Sequence[TableFile]) -> _Met:
    """The tables and their keys that a column's ids are in, and the share of these."""
    # Among many tables only columns of one name are compared.
    few = len(others) <= _FEW_TABLES
    found = (
        (table, key, share_of(ids, table, key))
        for table in others
        for key in keys_of(table)
        if key.unique >= 0.5 and (few or key.name == ids.name)
    )
    return [one for one in found if one[2] > 0]


def _fit(ids: ColumnStats, side: Side, met: _Met) -> float:
    """How likely a column holds the ids of that side."""
    joined = [share * (0.5 + 1.5 * name_score(table, key.name, side)) for table, key, share in met]
    fit = role_of(ids.name, side) - 0.75 * role_of(ids.name, OTHER[side])
    fit += max([0.0, *joined])
    writer = side == "user" and name_hints.has(ids.name, name_hints.WRITER)
    if name_hints.has(ids.name, name_hints.GROUP) and not (writer or name_hints.is_id(ids.name)):
        fit -= 1.5
    if ids.running:
        fit -= 1  # such as the line of an order, called "item"
    if side == "user":
        fit -= 2 * name_hints.has(ids.name, name_hints.STAFF)
    if side == "user" and fit < 1:
        fit += 0.6 * writer
        fit += 0.4 * name_hints.has(ids.name, name_hints.SESSION)
        fit += 0.2 * name_hints.has(ids.name, name_hints.BASKET)
    return fit


def alike(one: ColumnStats, other: ColumnStats) -> bool:
    """Whether two columns name the same things in words, as those of a basket do."""
    if one is other or max(one.numeric, other.numeric) > 0.5:
        return False
    if min(one.distinct, other.distinct) < 3:
        return False
    first, second = one.counts.keys(), other.counts.keys()
    return len(first & second) > 0.3 * min(len(first), len(second))


def _crossed(user: ColumnStats, item: ColumnStats) -> bool:
    """Whether both ids repeat and neither depends on the other, as in interactions."""
    if min(1 - user.unique, 1 - item.unique) < 0.1:
        return False
    return max(agreement(item, user), agreement(user, item)) < 0.9


def _blocks(stats: ColumnStats) -> float:
    """The share of rows with the id of the row before: files are often in the order of users."""
    return float((np.diff(stats.codes) == 0).mean()) if stats.rows > 1 else 0.0


def _coarse(item: ColumnStats, user: ColumnStats, fits: Mapping[ColumnStats, float]) -> bool:
    """Whether a finer column than this one is the item, such as an article beside its category.

    Args:
        item, user: the columns.
        fits: column -> how likely it holds items.
    """
    group = name_hints.has(item.name, name_hints.GROUP)
    for finer, fit in fits.items():
        if finer is user or finer is item or finer.unique > 0.9 or finer.distinct <= item.distinct:
            continue
        if not group and fits[item] > max(1, fit):
            continue
        person = role_of(finer.name, "user") > 1 or name_hints.has(finer.name, name_hints.BASKET)
        finer_only = determines(finer, item) and not determines(item, finer)
        if not person and finer_only and _crossed(user, finer):
            return True
    return False


def find_interaction_files(
    files: Sequence[TableFile], shaped: Sequence[TableFile] = (), told: Told = MappingProxyType({})
) -> list[InteractionFile]:
    """The files that may hold interactions, each with its likeliest columns; the best first.

    Args:
        files: the tables as they are.
        shaped: the same with other rows.
        told: key of ``[interactions]`` -> the column that it is; "" where there is none.
    """
    found = []
    for file in (*files, *shaped):
        others = [other for other in files if other.name != file.name]
        found.append(_interactions(file, others, told))
    return sorted((one for one in found if one), key=lambda candidate: -candidate.score)


def _interactions(
    file: TableFile, others: Sequence[TableFile], told: Told
) -> InteractionFile | None:
    if file.ragged:
        return None  # its last column holds several values, which ``shaped`` takes apart
    columns = list(id_columns(file))
    for side in ("user", "item"):
        if told.get(side) in file.columns:
            columns.append(file.columns[told[side]])
    order = {name: number for number, name in enumerate(file.columns)}
    # A table with a row for each product or person says nothing of who took what.
    first = next(iter(file.columns), "") if file.headerless else ""
    entity = any(
        f.unique > 0.98 and (f.name == first or max(role_of(f.name, s) for s in OTHER) > 1)
        for f in columns
    )
    met = [_met(f, others) for f in columns]
    fits = [(f, _fit(f, "user", m), _fit(f, "item", m)) for f, m in zip(columns, met, strict=True)]
    items = {column: fit for column, _, fit in fits}
    named = {f.name for f, fit, _ in fits if fit >= 1}
    likes = [f for f in columns if any(alike(f, other) for other in columns[:_MOST_ALIKE])]
    baskets = {f.name for f in likes} - named  # of several items in a row
    best: tuple[float, ColumnStats, ColumnStats, float, float] | None = None
    for (user, fit_user, _), (item, _, fit_item) in product(fits, repeat=2):
        if any(told.get(s, one.name) != one.name for s, one in (("user", user), ("item", item))):
            continue
        plain = file.headerless or file.spec.unpivot or "user" in told
        telling = max(fit_user, fit_item) >= 1 or plain
        if user is item or not telling or role_of(user.name, "item") > role_of(user.name, "user"):
            continue
        if file.spec.explode and item.name not in file.spec.explode:
            continue
        if user.name in baskets or (user.unique > 0.98 and is_level(item)):
            continue
        sure = "user" in told or "item" in told  # someone said so
        if not sure and min(fit_user, fit_item) < (1 if entity else -0.99):
            continue
        score = fit_user + fit_item + 2 - user.unique - item.unique
        score += 0.1 * (order[user.name] < order[item.name])
        score += 0.3 * (_blocks(user) - _blocks(item))
        if best and score <= best[0]:
            continue
        crossed = _crossed(user, item)
        if not (crossed or sure) and min(fit_user, fit_item) < (2 if user.unique > 0.999 else 1):
            continue
        if not sure and _coarse(item, user, items):
            continue
        best = (score, user, item, fit_user, fit_item)
    return _with_signals(file, told, *best) if best else None


def _with_signals(
    file: TableFile,
    told: Told,
    score: float,
    user: ColumnStats,
    item: ColumnStats,
    fit_user: float,
    fit_item: float,
) -> InteractionFile:
    rest = [f for f in file.columns.values() if f is not user and f is not item]
    wide = "value" if file.spec.unpivot else ""
    signals, left_out = guess_signals(rest, user, item, told, wide, file.headerless)
    score += sum(_VALUE[signal.key] for signal in signals)
    score += float(name_hints.has(file.stem, name_hints.TAKEN))
    score += 0.5 * math.log10(max(1, file.rows)) + 0.5 * (not file.complete)
    score -= 0.5 * len(file.spec.join)
    ids: dict[Side, str] = {"user": user.name, "item": item.name}
    fits: dict[Side, float] = {"user": fit_user, "item": fit_item}
    return InteractionFile(file, ids, fits, tuple(signals), left_out, score)
