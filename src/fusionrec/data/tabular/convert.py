"""Converts the files that a ``fusionrec.toml`` names to the columns of a Dataset."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from fusionrec.data.arrays import take
from fusionrec.data.dataset import Table, keep_last_of_pairs
from fusionrec.data.tabular.cautions import caution
from fusionrec.data.tabular.entities import EntityReader
from fusionrec.data.tabular.findings import Finding, Findings, FindingsLog
from fusionrec.data.tabular.ids import Ids
from fusionrec.data.tabular.interactions import FilePart, InteractionReader
from fusionrec.data.tabular.readers.compression import OnBytes
from fusionrec.data.tabular.readers.source import SourceFile
from fusionrec.data.tabular.readers.urls import scheme_of
from fusionrec.data.tabular.returns import cancel_returns
from fusionrec.data.tabular.source_spec import ReadSpec, SourceSpec
from fusionrec.data.tabular.sources import local_files, open_table
from fusionrec.data.tabular.spec import InteractionsSpec, Spec
from fusionrec.engine import Engine
from fusionrec.errors import DataError, Progress

OpenSource = tuple[SourceFile, OnBytes]
_TABLES = ("users", "items", "interactions")  # in the order in which they are read
_FINER = {"s": "ms", "ms": "us", "us": "ns"}
_FULL_WEIGHT = 0.99  # quantile of the counts from which on a count weighs 1


@dataclass(frozen=True)
class Converted:
    """The content of the files.

    Attributes:
        users, items: the tables.
        user, item, rating, time: the columns of a Dataset, in the files' order.
        rows: number of interaction rows read.
        kinds: kind of event -> number of rows, including those left out.
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


def source_files(spec: Spec, allow_remote: bool = False) -> dict[str, list[Path]]:
    """The files of ``interactions``, ``users`` and ``items``, and of each one's joined tables, such
    as ``users.join``; none of a table at a URL or left out.

    Raises:
        DataError: a file does not exist, or lies elsewhere and is not allowed.
    """

    def files_of(read: ReadSpec) -> list[Path]:
        here = read.files and not scheme_of(read.files)
        return local_files(read.files, spec.folder, allow_remote) if here else []

    found = {}
    for name in _TABLES:
        table: SourceSpec = getattr(spec, name)
        found[name] = files_of(table)
        found[f"{name}.join"] = list(chain.from_iterable(map(files_of, table.join)))
    return found


def convert(
    spec: Spec,
    progress: Progress = lambda *_: None,
    now: int | None = None,
    allow_remote: bool = False,
    engine: Engine | None = None,
) -> Converted:
    """Reads all files. Users and items keep the order of their tables; ids that only interactions
    have follow, in the order of their first appearance.

    Args:
        spec: describes the files, which are on this machine (see ``local_copies``).
        progress: called with the bytes read so far, and in all.
        now: seconds since 1970; later interactions are left out.
        allow_remote: whether files outside the spec's folder may be read.
        engine: what reads the files of interactions, one by one, with the same result; this process
            by default. It is not asked for tables that are reshaped or joined, and databases.

    Raises:
        EngineError: as of ``Engine.map``.
        DataError: a file or column is missing or damaged, no interaction is left, or the times are
            not in the unit of the spec.
    """
    before, total, reported = 0, 0, -1

    def counter(before: int) -> OnBytes:
        def on_bytes(read: int) -> None:
            nonlocal reported
            if before + read != reported:
                reported = before + read
                progress("reading", reported, total)

        return on_bytes

    opened: dict[str, list[OpenSource]] = {}
    for table in _TABLES:
        opened[table] = []
        for source in open_table(getattr(spec, table), spec.folder, allow_remote):
            opened[table].append((source, counter(before)))
            before += source.path.stat().st_size
    total = before  # without joined tables, which are small beside what they are joined to
    return convert_sources(spec, opened, now, engine)


def convert_sources(
    spec: Spec,
    opened: Mapping[str, Sequence[OpenSource]],
    now: int | None = None,
    engine: Engine | None = None,
) -> Converted:
    """``convert`` of sources that are already open, such as data frames.

    Args:
        spec: describes their columns.
        opened: the sources of ``users``, ``items`` and ``interactions``, each with the callback for
            its progress.
        now, engine: as in ``convert``.

    Raises:
        DataError: as in ``convert``.
    """
    findings = Findings()
    users = EntityReader("user", spec.users, findings)
    items = EntityReader("item", spec.items, findings)
    for reader, name in ((users, "users"), (items, "items")):
        for source, on_bytes in opened[name]:
            reader.read(source, on_bytes)
    now = int(clock.time()) if now is None else now
    rows = InteractionReader(spec.interactions, users.ids, items.ids, findings, now)
    sources = opened["interactions"]
    if engine is not None and all(type(source) is SourceFile for source, _ in sources):
        files = [replace(source, path=source.path.absolute()) for source, _ in sources]
        read = engine.map(partial(read_part, spec.interactions, now), files)
        for (part, log), (source, on_bytes) in zip(read, sources, strict=True):
            log.replay(findings)
            rows.take_in(part)
            on_bytes(source.path.stat().st_size)
    else:
        for source, on_bytes in sources:
            rows.read(source, on_bytes)
    _check_unit(spec, rows)
    user, item, rating, *times = rows.columns()
    time = times[0] if times else None
    if spec.interactions.count:
        user, item, rating, time = cancel_returns(user, item, rating, time, findings)
    if len(user) == 0:
        why = "; ".join(
            str(finding) for finding in findings.all if finding.left_out or finding.warning
        )
        raise DataError(
            f"{spec.interactions.files}: none of {rows.rows:,} interactions can be used: "
            f"{why or 'the files hold a header alone'}",
            "do the columns and the scale of [interactions] say what the files hold?",
        )
    user, item, rating, time = _deduplicate(spec.interactions, user, item, rating, time, findings)
    caution(spec.interactions, user, item, rating, time, findings)
    if spec.interactions.count:
        rating = count_weights(rating)
    users.report(user)
    items.report(item)
    tables = users.table(), items.table()
    return Converted(*tables, user, item, rating, time, rows.rows, dict(rows.kinds), findings.all)


def read_part(spec: InteractionsSpec, now: int, source: SourceFile) -> tuple[FilePart, FindingsLog]:
    """One file of interactions, with what was found in it."""
    log = FindingsLog()
    reader = InteractionReader(spec, Ids(), Ids(), log, now)
    reader.read(source, lambda _: None)
    return reader.part(), log


def count_weights(count: np.ndarray) -> np.ndarray:
    """Weights of counts, float32 [n], above 0 up to 1: their logarithm, as in Hu, Koren and
    Volinsky (Collaborative Filtering for Implicit Feedback Datasets, 2008, section 6), so that the
    hundredth play adds less than the first. The highest hundredth of the counts all weigh 1, so
    that a few extreme counts do not shrink all other weights.

    Args:
        count: float [n], above 0.
    """
    full = np.log1p(np.quantile(count, _FULL_WEIGHT))
    weight: np.ndarray = np.clip(np.log1p(count) / full, 1e-6, 1.0).astype(np.float32)
    return weight


def _deduplicate(
    spec: InteractionsSpec,
    user: np.ndarray,
    item: np.ndarray,
    rating: np.ndarray,
    time: np.ndarray | None,
    findings: Findings,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Keeps one interaction per user and item, as ``spec.repeats`` says. An event or count takes
    the pair's strongest weight, so that a view after a purchase still weighs as a purchase.
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
    if spec.rating:
        rating = take(rating, kept)
    else:
        rating = _strongest(user, item, rating, kept)
        says += ", weighing as the strongest"
    findings.add("repeated", left_out, says, left_out=True)
    time = None if time is None else take(time, kept)
    return take(user, kept), take(item, kept), rating, time


def _strongest(
    user: np.ndarray, item: np.ndarray, rating: np.ndarray, kept: np.ndarray
) -> np.ndarray:
    """float32 [m]: the highest rating of each kept row's pair, over all its rows."""
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
