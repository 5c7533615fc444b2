"""From the files that a ``fusionrec.toml`` names to the columns of a Dataset."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fusionrec.data.dataset import Table, keep_last_of_pairs
from fusionrec.data.schema import Side
from fusionrec.data.tabular.entities import TableReader
from fusionrec.data.tabular.findings import Finding, Findings
from fusionrec.data.tabular.interactions import RowReader
from fusionrec.data.tabular.readers.compression import OnBytes
from fusionrec.data.tabular.readers.files import SourceFile, find_files, open_source
from fusionrec.data.tabular.spec import InteractionsSpec, Spec, UsersSpec
from fusionrec.errors import DataError, Progress

OpenVersion = tuple[SourceFile, OnBytes]
_MATCHED = 0.1  # of the users or items: where a table has fewer of them, its ids may be others
_FINER = {"s": "ms", "ms": "us", "us": "ns"}
_FULL_WEIGHT = 0.99  # quantile of the counts from which on a count weighs 1


@dataclass(frozen=True)
class Converted:
    """What the files hold.

    Attributes:
        users, items: the tables.
        user, item, rating, time: the columns of a Dataset, in the files' order.
        rows: how many rows of interactions were read.
        kinds: kind of event -> how many rows, those that are left out included.
        findings: what was put right.
    """

    users: Table
    items: Table
    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    time: np.ndarray | None
    rows: int
    kinds: Mapping[str, int]
    findings: tuple[Finding, ...]


def files_of(described: Spec) -> dict[str, list[Path]]:
    """The files of ``interactions``, ``users`` and ``items``; none where there is no such table.

    Raises:
        DataError: there is no such file.
    """
    named = {
        "interactions": described.interactions.files,
        "users": described.users.files,
        "items": described.items.files,
    }
    folder = described.folder
    return {table: find_files(folder, files) if files else [] for table, files in named.items()}


def convert(
    described: Spec,
    progress: Progress = lambda *_: None,
    now: int | None = None,
) -> Converted:
    """Reads all files. Users and items stand in the order of their tables; those that the tables
    lack follow, in the order in which the interactions first name them.

    Args:
        described: what the files are.
        progress: told of the bytes that were read, and of all.
        now: seconds since 1970, for what lies in the future.

    Raises:
        DataError: a file or column is missing or damaged, no interaction is left, or the times are
            not of the unit that is said.
    """
    files = files_of(described)
    done = _Done(files, progress)
    opened = {
        table: [(open_source(path), done.file(path)) for path in files[table]]
        for table in ("users", "items", "interactions")
    }
    return convert_sources(described, opened, now)


def convert_sources(
    described: Spec, opened: Mapping[str, Sequence[OpenVersion]], now: int | None = None
) -> Converted:
    """``convert`` of tables wherever they are.

    Args:
        described: what their columns mean.
        opened: the sources of ``users``, ``items`` and ``interactions``, each with what is told
            of how far it is read.
        now: as in ``convert``.

    Raises:
        DataError: as in ``convert``.
    """
    findings = Findings()
    users = _table("user", described.users, opened["users"], findings)
    items = _table("item", described.items, opened["items"], findings)
    known = (len(users.ids), len(items.ids))
    now = int(clock.time()) if now is None else now
    rows = RowReader(described.interactions, users.ids, items.ids, findings, now)
    for source, told in opened["interactions"]:
        rows.read(source, told)
    _check_unit(described, rows)
    user, item, rating, *times = rows.columns()
    if len(user) == 0:
        raise _nothing_left(described, rows, findings)
    user, item, rating, time = _once(
        described.interactions, user, item, rating, times[0] if times else None, findings
    )
    if described.interactions.count:
        rating = count_weights(rating)
    for reader, before in ((users, known[0]), (items, known[1])):
        reader.tell(before)
    _tell_of_little(described, user, item, rating, findings)
    _tell_of_strangers("user", described.users, known[0], user, findings)
    _tell_of_strangers("item", described.items, known[1], item, findings)
    tables = users.table(), items.table()
    return Converted(*tables, user, item, rating, time, rows.rows, dict(rows.kinds), findings.all)


def count_weights(count: np.ndarray) -> np.ndarray:
    """How strongly counts speak, float32 [n], above 0 up to 1: their logarithm, as of Hu, Koren and
    Volinsky (Collaborative Filtering for Implicit Feedback Datasets, 2008, section 6), so that
    the hundredth play says less than the first. All counts of the highest hundredth weigh 1, so
    that no single machine that plays all day makes everyone else's count little.

    Args:
        count: float [n], above 0.
    """
    full = np.log1p(np.quantile(count, _FULL_WEIGHT))
    weight: np.ndarray = np.clip(np.log1p(count) / full, 1e-6, 1.0).astype(np.float32)
    return weight


class _Done:
    """Adds the bytes up that were read of each file.

    Args:
        files: all of them; one that is read twice counts twice.
        progress: told of the sum.
    """

    def __init__(self, files: Mapping[str, Sequence[Path]], progress: Progress) -> None:
        self._total = sum(path.stat().st_size for paths in files.values() for path in paths)
        self._last, self._told, self._progress = 0, -1, progress

    def file(self, path: Path) -> OnBytes:
        """What is told of the next file, by the bytes that were read of it."""
        before, self._last = self._last, self._last + path.stat().st_size

        def told(read: int) -> None:
            if before + read != self._told:
                self._told = before + read
                self._progress("reading", self._told, self._total)

        return told


def _table(
    side: Side, described: UsersSpec, opened: Sequence[OpenVersion], findings: Findings
) -> TableReader:
    reader = TableReader(side, described, findings)
    for source, told in opened:
        reader.read(source, told)
    return reader


def _once(
    said: InteractionsSpec,
    user: np.ndarray,
    item: np.ndarray,
    rating: np.ndarray,
    time: np.ndarray | None,
    findings: Findings,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Of a user's interactions with an item the one that stays. Of a rating that is what it says;
    of events and counts it says when, and weighs as the strongest of them: who bought and then
    looked again has bought.
    """
    if said.repeats == "keep":
        return user, item, rating, time
    if said.repeats == "last":
        kept, left_out = keep_last_of_pairs(user, item, time)
    else:
        back = None if time is None else -time[::-1]
        kept, left_out = keep_last_of_pairs(user[::-1], item[::-1], back)
        kept = len(user) - 1 - kept[::-1]
    if not left_out:
        return user, item, rating, time
    says = f"rows left out for the same user and item again: the {said.repeats} one stays"
    if not said.rating:
        rating = _strongest(user, item, rating, kept)
        says += ", weighing as the strongest"
    else:
        rating = rating[kept]
    findings.add("repeated", left_out, says, left_out=True)
    return user[kept], item[kept], rating, None if time is None else time[kept]


def _strongest(
    user: np.ndarray, item: np.ndarray, rating: np.ndarray, kept: np.ndarray
) -> np.ndarray:
    """float32 [m]: the highest rating that a kept row's pair has anywhere."""
    width = int(item.max()) + 1
    left_out = np.ones(len(user), dtype=bool)
    left_out[kept] = False
    pair = user[kept].astype(np.int64) * width + item[kept]
    order = np.argsort(pair, kind="stable")
    others = user[left_out].astype(np.int64) * width + item[left_out]
    strongest: np.ndarray = rating[kept]
    np.maximum.at(strongest, order[np.searchsorted(pair[order], others)], rating[left_out])
    return strongest


def _check_unit(described: Spec, rows: RowReader) -> None:
    unit = described.interactions.time_unit
    if rows.dates * 2 > rows.rows:
        raise DataError(
            f"interactions.time: {rows.dates:,} of {rows.rows:,} times are dates, not numbers in "
            f"{unit} since 1970",
            'set time_unit = "text"',
        )
    if unit in _FINER and rows.too_late * 2 > rows.rows:
        raise DataError(
            f"interactions.time: {rows.too_late:,} of {rows.rows:,} times lie beyond the year 2100 "
            f"when read as {unit}",
            f'they look finer: set time_unit = "{_FINER[unit]}"',
        )


def _nothing_left(described: Spec, rows: RowReader, findings: Findings) -> DataError:
    why = findings.left_out or "the files hold a header alone"
    hint = "do the columns and the scale of [interactions] say what the files hold?"
    return DataError(
        f"{described.interactions.files}: none of {rows.rows:,} interactions can be used: {why}",
        hint,
    )


def _tell_of_little(
    described: Spec,
    user: np.ndarray,
    item: np.ndarray,
    rating: np.ndarray,
    findings: Findings,
) -> None:
    """Tells of data that can be read, and of which nothing much can be learned."""
    if user.min() == user.max():
        findings.add("one_user", 1, "users", "what one takes says nothing of what others take")
    if item.min() == item.max():
        findings.add("one_item", 1, "items", "there is nothing to choose from")
    if described.interactions.rating and rating.min() == rating.max():
        means = "which items are liked better cannot be learned"
        findings.add("one_rating", len(rating), f"ratings that are all {rating[0]:g}", means)


def _tell_of_strangers(
    side: Side, described: UsersSpec, known: int, positions: np.ndarray, findings: Findings
) -> None:
    """Tells of a table that hardly has any of those whom the interactions name.

    Args:
        side, described: the table.
        known: how many ids it has; their positions are the first.
        positions: int32 [n], of the side's users or items in the interactions.
    """
    named = np.unique(positions)
    there = int((named < known).sum())
    if described.files and there < _MATCHED * len(named):
        findings.first(
            f"{side}s_unmatched",
            len(named) - there,
            f"{side}s of the interactions that are not in {described.files} by its column "
            f"{described.id!r}; is that the column of their ids?",
            f"{there or 'none'} of {len(named):,} are there",
        )
