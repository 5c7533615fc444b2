"""Reports what a data set holds, to be checked before training."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import numpy as np

from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.schema import Field, Side
from fusionrec.data.tabular.cache import CachedTables
from fusionrec.data.tabular.convert import source_files
from fusionrec.data.tabular.findings import Finding
from fusionrec.data.tabular.sources import is_table
from fusionrec.data.tabular.spec import SPEC_NAME

_SHOWN = 5  # names of unused files
_VALUES = 20  # distinct ratings that are counted singly; more are counted in ten bins
_ONE_ITEM = "all events are of a single item, so that there is nothing to rank"
# So many people are asked for what is held out of so many interactions, at least; with fewer no
# difference between models is sure, and ``auto`` answers with what is popular.
ENOUGH_PEOPLE, ENOUGH_TAKEN = 20, 3
_QUANTILES = {"least": 0.0, "quarter": 0.25, "half": 0.5, "three_quarters": 0.75, "most": 1.0}


@dataclass(frozen=True)
class FieldStats:
    """Statistics of one attribute.

    Attributes:
        name, side, kind: as in the schema.
        known, missing: how many users or items have it, and how many do not.
        distinct: number of distinct values.
        often: the most frequent values and their counts; of a number least, median and most.
    """

    name: str
    side: Side
    kind: str
    known: int
    missing: int
    distinct: int
    often: dict[str, float]


@dataclass(frozen=True)
class DatasetReport:
    """The content of a data set in figures.

    Attributes:
        name: the data set's.
        rows: rows of interactions in its files; None if unknown.
        interactions: usable interactions.
        users, items: how many there are.
        silent_users, silent_items: how many have no interaction.
        density: share of all user-item pairs that have an interaction, at most 1.
        per_user, per_item: quantiles of the interactions of those that have any.
        ratings: rating, or the range of ratings, -> how many.
        weighed: whether these are weights of events or counts instead of ratings.
        events: kind of event -> number of rows, and their weight (0: left out).
        first, last: earliest and latest time, in ISO 8601; empty without times.
        fields: the attributes.
        findings: what was odd or repaired while reading.
        obstacle: why it cannot be trained on; empty if it can.
        unlocks: what it lacks -> what answers would gain by it.
        unreviewed: grave doubts of ``init`` that nobody has looked at.
    """

    name: str
    rows: int | None
    interactions: int
    users: int
    items: int
    silent_users: int
    silent_items: int
    density: float
    per_user: dict[str, float]
    per_item: dict[str, float]
    ratings: dict[str, int]
    weighed: bool
    events: dict[str, dict[str, float]]
    first: str
    last: str
    fields: tuple[FieldStats, ...]
    findings: tuple[Finding, ...]
    obstacle: str
    unlocks: dict[str, str]
    unreviewed: tuple[str, ...] = ()


def report_on_tables(tables: CachedTables) -> DatasetReport:
    """The report on the files of a ``fusionrec.toml``."""
    weights = tables.spec.interactions.events
    events = {
        kind: {"rows": count, "weight": weights.get(kind, 0.0 if weights else 1.0)}
        for kind, count in sorted(tables.kinds.items(), key=lambda item: -item[1])
    }
    named = {p.resolve() for paths in source_files(tables.spec, True).values() for p in paths}
    beside = (p for p in tables.spec.folder.iterdir() if p.is_file() and is_table(p))
    unread = sorted(path.name for path in beside if path.resolve() not in named)
    findings = tables.findings
    if unread:
        says = f"files beside {SPEC_NAME} that it does not name"
        shown = ", ".join(unread[:_SHOWN]) + (", …" if len(unread) > _SHOWN else "")
        findings = (*findings, Finding("file_unread", len(unread), says, shown))
    found = _report(tables.dataset(), tables.rows, events, findings)
    return replace(found, unreviewed=tables.spec.unreviewed)


def report_on_dataset(dataset: Dataset) -> DatasetReport:
    """The report on any data set."""
    findings = tuple(Finding("repair", 1, repair) for repair in dataset.repairs)
    return _report(dataset, None, {}, findings)


def _report(
    dataset: Dataset,
    rows: int | None,
    events: dict[str, dict[str, float]],
    findings: tuple[Finding, ...],
) -> DatasetReport:
    per_user = np.bincount(dataset.user, minlength=len(dataset.users))
    per_item = np.bincount(dataset.item, minlength=len(dataset.items))
    fields = [(field, dataset.users) for field in dataset.schema.attributes("user")]
    fields += [(field, dataset.items) for field in dataset.schema.attributes("item")]
    first, last = (
        ("", "") if (time := dataset.time) is None else map(_date, (time.min(), time.max()))
    )
    return DatasetReport(
        name=dataset.name,
        rows=rows,
        interactions=len(dataset),
        users=len(dataset.users),
        items=len(dataset.items),
        silent_users=int((per_user == 0).sum()),
        silent_items=int((per_item == 0).sum()),
        density=min(1.0, len(dataset) / (len(dataset.users) * len(dataset.items))),
        per_user=_quantiles(per_user[per_user > 0]),
        per_item=_quantiles(per_item[per_item > 0]),
        ratings=_ratings(dataset),
        weighed=dataset.schema.events,
        events=events,
        first=first,
        last=last,
        fields=tuple(_field(field, table.columns[field.name]) for field, table in fields),
        findings=findings,
        obstacle=_ONE_ITEM if dataset.schema.events and (per_item > 0).sum() == 1 else "",
        unlocks=_unlocks(dataset, per_user),
    )


def _unlocks(dataset: Dataset, per_user: np.ndarray) -> dict[str, str]:
    """What more columns or rows would make possible."""
    found, time = dict[str, str](), dataset.time
    if time is None or time.min() == time.max():
        found["times"] = "what comes next, and what is popular lately"
    sides: tuple[tuple[Side, Table, str, str], ...] = (
        ("user", dataset.users, "profiles", "lists for newcomers"),
        ("item", dataset.items, "attributes of items", "new items in the lists"),
    )
    for side, table, what, gain in sides:
        names = [field.name for field in dataset.schema.attributes(side)]
        if not any(_says_something(value) for name in names for value in table.columns[name]):
            found[what] = gain
    if (per_user >= ENOUGH_TAKEN).sum() < ENOUGH_PEOPLE:
        what = f"{ENOUGH_PEOPLE} people with {ENOUGH_TAKEN} interactions or more"
        found[what] = "weights of the model's parts by validation, instead of what is popular"
    return found


def _says_something(value: Any) -> bool:
    return bool(value) and not (isinstance(value, float) and math.isnan(value))


def _quantiles(counts: np.ndarray) -> dict[str, float]:
    values = np.quantile(counts, list(_QUANTILES.values())).tolist()
    return dict(zip(_QUANTILES, values, strict=True))


def _ratings(dataset: Dataset) -> dict[str, int]:
    values, counts = np.unique(dataset.rating, return_counts=True)
    if len(values) <= _VALUES:
        return {f"{value:g}": count for value, count in zip(values, counts.tolist(), strict=True)}
    counts, edges = np.histogram(dataset.rating, bins=10, range=dataset.schema.rating_range)
    steps = zip(edges[:-1], edges[1:], counts.tolist(), strict=True)
    return {f"{low:g}..{high:g}": count for low, high, count in steps}


def _date(seconds: np.int64) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _field(field: Field, column: Sequence[Any]) -> FieldStats:
    often: dict[str, float]
    if field.kind == "number":
        known = sorted(value for value in column if value is not None and not math.isnan(value))
        names = {"least": 0, "median": len(known) // 2, "most": len(known) - 1}
        often = {name: float(known[index]) for name, index in names.items() if known}
        distinct = len(set(known))
    else:
        known = [value for value in column if value]
        several = field.kind == "categories"
        counts = Counter(chain.from_iterable(known) if several else known)
        often = {} if field.kind in ("text", "image") else dict(counts.most_common(5))
        distinct = len(counts)
    sizes = len(known), len(column) - len(known), distinct
    return FieldStats(field.name, field.side, field.kind, *sizes, often)
