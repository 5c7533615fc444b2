"""What a data set holds, so that one may judge before training whether it was read as meant."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.schema import Field, Side
from fusionrec.data.tabular.cache import CachedTables
from fusionrec.data.tabular.convert import files_of
from fusionrec.data.tabular.findings import Finding
from fusionrec.data.tabular.load import dataset_of
from fusionrec.data.tabular.readers.files import names_table
from fusionrec.data.tabular.spec import NAME

_SHOWN = 5  # names of files that nobody named
_VALUES = 20  # distinct ratings that are counted each; of more, in ten steps
_ONE_ITEM = "all events are of a single item, so that there is nothing to rank"
_QUANTILES = {"least": 0.0, "quarter": 0.25, "half": 0.5, "three_quarters": 0.75, "most": 1.0}


@dataclass(frozen=True)
class FieldStats:
    """What is known of one attribute.

    Attributes:
        name, side, kind: as in the schema.
        known, missing: how many users or items have it, and have not.
        distinct: how many values there are; of a text, how many texts.
        often: the values that most have, and how many; of a number least, median and most.
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
    """What a data set holds.

    Attributes:
        name: the data set's.
        rows: interactions in its files; None where that is not known.
        interactions: those that can be used.
        users, items: how many there are; ``silent`` are without an interaction.
        silent_users, silent_items: likewise.
        density: share of all pairs of a user and an item that have an interaction, at most 1.
        per_user, per_item: quantiles of the interactions of those that have any.
        ratings: rating, or the range of ratings, -> how many.
        weighed: whether these are no ratings that people gave, but weights of events or counts.
        events: kind of event -> how many rows, and what each weighs (0: left out).
        first, last: of the times, in ISO 8601; empty where there are none.
        fields: the attributes.
        findings: what was put right when it was read.
        obstacle: why it cannot be trained on; empty where it can.
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

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def check_kept(kept: CachedTables) -> DatasetReport:
    """What the files hold that a ``fusionrec.toml`` describes."""
    weights = kept.described.interactions.events
    events = {
        kind: {"rows": count, "weight": weights.get(kind, 0.0 if weights else 1.0)}
        for kind, count in sorted(kept.kinds.items(), key=lambda one: -one[1])
    }
    return _checked(dataset_of(kept), kept.rows, events, (*kept.findings, *_unread(kept)))


def _unread(kept: CachedTables) -> list[Finding]:
    """Files that may have been meant, and were not named."""
    folder = kept.described.folder
    named = {path.resolve() for paths in files_of(kept.described).values() for path in paths}
    beside = [path for path in folder.iterdir() if path.is_file() and names_table(path.name)]
    unread = sorted(path.name for path in beside if path.resolve() not in named)
    if not unread:
        return []
    shown = ", ".join(unread[:_SHOWN]) + (", …" if len(unread) > _SHOWN else "")
    return [
        Finding("file_unread", len(unread), f"files beside {NAME} that it does not name", shown)
    ]


def check_dataset(dataset: Dataset) -> DatasetReport:
    """What any data set holds."""
    findings = tuple(Finding("repair", 1, repair) for repair in dataset.repairs)
    return _checked(dataset, None, {}, findings)


def _checked(
    dataset: Dataset,
    rows: int | None,
    events: dict[str, dict[str, float]],
    findings: tuple[Finding, ...],
) -> DatasetReport:
    per_user = np.bincount(dataset.user, minlength=len(dataset.users))
    per_item = np.bincount(dataset.item, minlength=len(dataset.items))
    sides: tuple[tuple[Side, Table], ...] = (("user", dataset.users), ("item", dataset.items))
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
        first="" if dataset.time is None else _date(int(dataset.time.min())),
        last="" if dataset.time is None else _date(int(dataset.time.max())),
        fields=tuple(
            _field(field, table.columns[field.name])
            for side, table in sides
            for field in dataset.schema.attributes(side)
        ),
        findings=findings,
        obstacle=_ONE_ITEM if dataset.schema.events and (per_item > 0).sum() == 1 else "",
    )


def _quantiles(counts: np.ndarray) -> dict[str, float]:
    found = np.quantile(counts, list(_QUANTILES.values())).tolist()
    return dict(zip(_QUANTILES, found, strict=True))


def _ratings(dataset: Dataset) -> dict[str, int]:
    values, counts = np.unique(dataset.rating, return_counts=True)
    if len(values) <= _VALUES:
        return {f"{value:g}": count for value, count in zip(values, counts.tolist(), strict=True)}
    counts, edges = np.histogram(dataset.rating, bins=10, range=dataset.schema.rating_range)
    steps = zip(edges[:-1], edges[1:], counts.tolist(), strict=True)
    return {f"{low:g}..{high:g}": count for low, high, count in steps}


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _field(field: Field, column: Sequence[Any]) -> FieldStats:
    often: Mapping[str, float]
    if field.kind == "number":
        known = sorted(value for value in column if value is not None and not math.isnan(value))
        names = {"least": 0, "median": len(known) // 2, "most": len(known) - 1}
        often = {name: float(known[place]) for name, place in names.items() if known}
        distinct = len(set(known))
    else:
        known = [value for value in column if value]
        several = field.kind == "categories"
        counts = Counter(one for held in known for one in held) if several else Counter(known)
        often = {} if field.kind == "text" else dict(counts.most_common(5))
        distinct = len(counts)
    missing = len(column) - len(known)
    return FieldStats(
        field.name, field.side, field.kind, len(known), missing, distinct, dict(often)
    )
