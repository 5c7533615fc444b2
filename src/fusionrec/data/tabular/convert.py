"""Converts the files that a ``fusionrec.toml`` names to the columns of a Dataset."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fusionrec.data.dataset import Table, keep_last_of_pairs
from fusionrec.data.schema import Side
from fusionrec.data.tabular.entities import EntityReader
from fusionrec.data.tabular.findings import Finding, Findings
from fusionrec.data.tabular.interactions import InteractionReader
from fusionrec.data.tabular.readers.compression import OnBytes
from fusionrec.data.tabular.readers.files import SourceFile, find_files, open_source
from fusionrec.data.tabular.spec import InteractionsSpec, Spec, UsersSpec
from fusionrec.errors import DataError, Progress

OpenSource = tuple[SourceFile, OnBytes]
_MATCHED = 0.1  # share of users or items; a table with fewer of them may have other ids
_FINER = {"s": "ms", "ms": "us", "us": "ns"}
_FULL_WEIGHT = 0.99  # quantile of the counts from which on a count weighs 1


@dataclass(frozen=True)
class Converted:
    """The content of the files.

    Attributes:
        users, items: the tables.
        user, item, rating, time: the columns of a Dataset, in the files' order.
        rows: number of interaction rows that were read.
        kinds: kind of event -> number of rows, including rows left out.
        findings: what was odd or repaired.
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


def source_files(spec: Spec) -> dict[str, list[Path]]:
    """The files of ``interactions``, ``users`` and ``items``; none where the table is left out.

    Raises:
        DataError: a file does not exist.
    """
    named = {
        "interactions": spec.interactions.files,
        "users": spec.users.files,
        "items": spec.items.files,
    }
    folder = spec.folder
    return {table: find_files(folder, files) if files else [] for table, files in named.items()}


def convert(spec: Spec, progress: Progress = lambda *_: None, now: int | None = None) -> Converted:
    """Reads all files. Users and items keep the order of their tables; ids that only interactions
    name follow, in the order of their first appearance.

    Args:
        spec: describes the files.
        progress: called with the bytes read so far, and in all.
        now: seconds since 1970; later interactions are left out.

    Raises:
        DataError: a file or column is missing or damaged, no interaction is left, or the times are
            not in the unit of the spec.
    """
    files = source_files(spec)
    progress_of = _ByteCounter(files, progress)
    opened = {
        table: [(open_source(path), progress_of.file(path)) for path in files[table]]
        for table in ("users", "items", "interactions")
    }
    return convert_sources(spec, opened, now)


def convert_sources(
    spec: Spec, opened: Mapping[str, Sequence[OpenSource]], now: int | None = None
) -> Converted:
    """``convert`` of sources that are already open, such as data frames.

    Args:
        spec: describes their columns.
        opened: the sources of ``users``, ``items`` and ``interactions``, each with the callback for
            its progress.
        now: as in ``convert``.

    Raises:
        DataError: as in ``convert``.
    """
    findings = Findings()
    users = _table("user", spec.users, opened["users"], findings)
    items = _table("item", spec.items, opened["items"], findings)
    known = (len(users.ids), len(items.ids))
    now = int(clock.time()) if now is None else now
    rows = InteractionReader(spec.interactions, users.ids, items.ids, findings, now)
    for source, on_bytes in opened["interactions"]:
        rows.read(source, on_bytes)
    _check_unit(spec, rows)
    user, item, rating, *times = rows.columns()
    if len(user) == 0:
        raise _nothing_left(spec, rows, findings)
    user, item, rating, time = _deduplicate(
        spec.interactions, user, item, rating, times[0] if times else None, findings
    )
    if spec.interactions.count:
        rating = count_weights(rating)
    for reader, before in ((users, known[0]), (items, known[1])):
        reader.report(before)
    _report_little(spec, user, item, rating, findings)
    _report_unmatched("user", spec.users, known[0], user, findings)
    _report_unmatched("item", spec.items, known[1], item, findings)
    tables = users.table(), items.table()
    return Converted(*tables, user, item, rating, time, rows.rows, dict(rows.kinds), findings.all)


def count_weights(count: np.ndarray) -> np.ndarray:
    """Weights of counts, float32 [n], above 0 up to 1: their logarithm, as in Hu, Koren and
    Volinsky (Collaborative Filtering for Implicit Feedback Datasets, 2008, section 6), so that the
    hundredth play adds less than the first. The highest hundredth of the counts all weigh 1, so
    that a single machine that plays all day does not shrink everyone else's weight.

    Args:
        count: float [n], above 0.
    """
    full = np.log1p(np.quantile(count, _FULL_WEIGHT))
    weight: np.ndarray = np.clip(np.log1p(count) / full, 1e-6, 1.0).astype(np.float32)
    return weight


class _ByteCounter:
    """Sums the bytes read of all files.

    Args:
        files: all files; one that is read twice counts twice.
        progress: called with the sum.
    """

    def __init__(self, files: Mapping[str, Sequence[Path]], progress: Progress) -> None:
        self._total = sum(path.stat().st_size for paths in files.values() for path in paths)
        self._last, self._reported, self._progress = 0, -1, progress

    def file(self, path: Path) -> OnBytes:
        """The callback for the next file, to be called with the bytes read of it."""
        before, self._last = self._last, self._last + path.stat().st_size

        def on_bytes(read: int) -> None:
            if before + read != self._reported:
                self._reported = before + read
                self._progress("reading", self._reported, self._total)

        return on_bytes


def _table(
    side: Side, spec: UsersSpec, opened: Sequence[OpenSource], findings: Findings
) -> EntityReader:
    reader = EntityReader(side, spec, findings)
    for source, on_bytes in opened:
        reader.read(source, on_bytes)
    return reader


def _deduplicate(
    spec: InteractionsSpec,
    user: np.ndarray,
    item: np.ndarray,
    rating: np.ndarray,
    time: np.ndarray | None,
    findings: Findings,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Keeps one interaction per user and item, as ``spec.repeats`` says. A rating is kept as it is;
    an event or count takes the strongest weight of the pair: who bought and then looked again has
    bought.
    """
    if spec.repeats == "keep":
        return user, item, rating, time
    if spec.repeats == "last":
        kept, left_out = keep_last_of_pairs(user, item, time)
    else:
        back = None if time is None else -time[::-1]
        kept, left_out = keep_last_of_pairs(user[::-1], item[::-1], back)
        kept = len(user) - 1 - kept[::-1]
    if not left_out:
        return user, item, rating, time
    says = f"rows left out for the same user and item again: the {spec.repeats} one stays"
    if not spec.rating:
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


def _check_unit(spec: Spec, rows: InteractionReader) -> None:
    unit = spec.interactions.time_unit
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


def _nothing_left(spec: Spec, rows: InteractionReader, findings: Findings) -> DataError:
    why = findings.left_out or "the files hold a header alone"
    hint = "do the columns and the scale of [interactions] say what the files hold?"
    return DataError(
        f"{spec.interactions.files}: none of {rows.rows:,} interactions can be used: {why}", hint
    )


def _report_little(
    spec: Spec, user: np.ndarray, item: np.ndarray, rating: np.ndarray, findings: Findings
) -> None:
    """Adds findings about data from which little can be learned."""
    if user.min() == user.max():
        findings.add("one_user", 1, "users", "what one takes says nothing of what others take")
    if item.min() == item.max():
        findings.add("one_item", 1, "items", "there is nothing to choose from")
    if spec.interactions.rating and rating.min() == rating.max():
        means = "which items are liked better cannot be learned"
        findings.add("one_rating", len(rating), f"ratings that are all {rating[0]:g}", means)


def _report_unmatched(
    side: Side, spec: UsersSpec, known: int, positions: np.ndarray, findings: Findings
) -> None:
    """Adds a finding about a table that has hardly any of the ids in the interactions.

    Args:
        side, spec: the table.
        known: number of ids in the table; they have the first positions.
        positions: int32 [n], the interactions' users or items.
    """
    named = np.unique(positions)
    matched = int((named < known).sum())
    if spec.files and matched < _MATCHED * len(named):
        findings.first(
            f"{side}s_unmatched",
            len(named) - matched,
            f"{side}s of the interactions that are not in {spec.files} by its column "
            f"{spec.id!r}; is that the column of their ids?",
            f"{matched or 'none'} of {len(named):,} are there",
        )
