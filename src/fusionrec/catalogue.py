"""The items that can be recommended: a version's own, with what was changed since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np

from fusionrec.artifact import Artifact
from fusionrec.data.dataset import Table
from fusionrec.data.items import Item, item_of, plain_content
from fusionrec.errors import DataError, UsageError
from fusionrec.ledger import ItemChange, Ledger

_NO_VECTOR = "its vector is not known; put it into the file and index that again"


@dataclass(frozen=True)
class Catalogue:
    """A version's items with all changes up to one of them.

    The version's own items keep their positions; items that were added stand behind them in the
    order of their first arrival. So a position, which is also the item's row in the index, never
    means two items. A withdrawn item keeps its position and is not available.

    Attributes:
        artifact: the version.
        number: of the last change in it.
        items: ids and content, n of them.
        vectors: float32 [n, dim], of length 1.
        available: bool [n], which may be recommended.
        changed: position -> number of the last change.
        skipped: item -> why a change of it is not in here: its content does not fit the version's
            schema, or the version, of vectors alone, has none for it.
    """

    artifact: Artifact
    number: int
    items: Table
    vectors: np.ndarray
    available: np.ndarray
    changed: dict[int, int] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, artifact: Artifact, changes: Sequence[ItemChange] = ()) -> Self:
        """The catalogue of a version after some changes, each with a number above the one before.

        The vectors of changed items are the item tower's; those of all others are as published, and
        so are all of a version without towers, which has no item but its own.
        """
        own = artifact.items
        if not changes:
            return cls(artifact, 0, own, artifact.item_vectors, np.ones(len(own), dtype=bool))
        ids, rows = list(own.ids), own.positions()
        latest: dict[int, ItemChange] = {}
        told: dict[int, ItemChange] = {}  # the latest with a content, which a withdrawal keeps
        taken, skipped = _taken(artifact, rows, changes)
        for change in taken:
            if change.item not in rows:
                if change.content is None:
                    continue  # it was never here
                rows[change.item] = len(ids)
                ids.append(change.item)
            latest[rows[change.item]] = change
            if change.content is not None:
                told[rows[change.item]] = change
        available = np.ones(len(ids), dtype=bool)
        fresh: dict[int, Item] = {}
        for row, change in latest.items():
            available[row] = change.content is not None
            content = told[row].content if row in told else None
            if content is None:
                continue
            try:
                fresh[row] = item_of(artifact.schema, change.item, content)
            except DataError as error:  # written under another schema
                if artifact.has_towers:  # else it stands as its file has it
                    available[row] = False
                skipped[change.item] = error.message
        items = _with(own, ids, fresh, artifact)
        vectors = _vectors(artifact, len(ids), fresh)
        changed = {row: change.number for row, change in latest.items()}
        return cls(artifact, changes[-1].number, items, vectors, available, changed, skipped)

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def positions(self) -> dict[str, int]:
        """Outside id -> position, of all items, withdrawn ones too."""
        return self.items.positions()

    @cached_property
    def counts(self) -> np.ndarray:
        """int64 [n]: how often each item was rated in the training data."""
        own = self.artifact.item_counts
        counts: np.ndarray = np.concatenate([own, np.zeros(len(self) - len(own), dtype=own.dtype)])
        return counts

    def changed_since(self, number: int) -> np.ndarray:
        """Positions, int64 [m] rising, of the items that were changed behind a change."""
        rows = sorted(row for row, last in self.changed.items() if last > number)
        return np.array(rows, dtype=np.int64)


def _taken(
    artifact: Artifact, rows: Mapping[str, int], changes: Sequence[ItemChange]
) -> tuple[Sequence[ItemChange], dict[str, str]]:
    """The changes that a version can take in, and why the other items are skipped."""
    if artifact.has_towers:
        return changes, {}
    last = {change.item: change.content for change in changes if change.item not in rows}
    skipped = {item: _NO_VECTOR for item, content in last.items() if content is not None}
    return [change for change in changes if change.item in rows], skipped


def _with(own: Table, ids: list[str], fresh: dict[int, Item], artifact: Artifact) -> Table:
    """The version's items, some with other content, and behind them those that were added."""
    nothing = item_of(artifact.schema, "x", {}).content
    columns = {}
    for name, column in own.columns.items():
        values = [*column, *([nothing[name]] * (len(ids) - len(own)))]
        for row, item in fresh.items():
            values[row] = item.content[name]
        columns[name] = values
    return Table(ids, columns)


def _vectors(artifact: Artifact, n: int, fresh: dict[int, Item]) -> np.ndarray:
    own = artifact.item_vectors
    vectors = np.concatenate([own, np.zeros((n - len(own), own.shape[1]), dtype=own.dtype)])
    # Never searched, and of length 1 as every index wants its vectors.
    vectors[len(own) :, 0] = 1.0
    if fresh and artifact.has_towers:
        items = list(fresh.values())
        columns = {name: [item.content[name] for item in items] for name in items[0].content}
        features = artifact.encoder.encode("item", [item.id for item in items], columns)
        vectors[list(fresh)] = artifact.item_tower.vectors(features)
    return vectors


def current(artifact: Artifact, ledger: Ledger) -> Catalogue:
    """The catalogue of a version as of now."""
    return Catalogue.of(artifact, ledger.item_changes())


def put(ledger: Ledger, catalogue: Catalogue, items: Sequence[Item]) -> int:
    """Adds items, or changes those that are there; all or none. Doing it again changes nothing.

    What is not told of an item that is there, or was before it was withdrawn, stays as it was.

    Returns:
        How many were new or other than before.

    Raises:
        UsageError: the version has no towers.
        LedgerError: they could not be written.
    """
    check_takes(catalogue)
    contents = {}
    for item in items:
        row, told = catalogue.positions.get(item.id), item.to_json()
        before = {} if row is None else plain_content(catalogue.items.row(row))
        contents[item.id] = told | {n: v for n, v in before.items() if n not in item.given}
    return ledger.change_items(contents)


def check_takes(catalogue: Catalogue) -> None:
    """Makes sure that items can be added and changed.

    Raises:
        UsageError: the version has no towers.
    """
    catalogue.artifact.need_towers(
        "the vector of a new or changed item is not known",
        "put the item and its vector into the file, then: fusionrec index --vectors FILE",
    )


def restore(ledger: Ledger, catalogue: Catalogue, ids: Sequence[str]) -> int:
    """Brings withdrawn items back as they were; all or none. Doing it again changes nothing.

    Returns:
        How many were withdrawn.

    Raises:
        UsageError: one is not in the catalogue.
        LedgerError: it could not be written.
    """
    rows = {id: catalogue.positions[id] for id in _known(catalogue, ids)}
    gone = {id: row for id, row in rows.items() if not catalogue.available[row]}
    content = {id: plain_content(catalogue.items.row(row)) for id, row in gone.items()}
    return ledger.change_items(content)


def withdraw(ledger: Ledger, catalogue: Catalogue, ids: Sequence[str]) -> int:
    """Takes items out of every answer; all or none. Doing it again changes nothing.

    Returns:
        How many were there.

    Raises:
        UsageError: one is not in the catalogue.
        LedgerError: it could not be written.
    """
    return ledger.change_items(dict.fromkeys(_known(catalogue, ids)))


def _known(catalogue: Catalogue, ids: Sequence[str]) -> Sequence[str]:
    unknown = [id for id in ids if id not in catalogue.positions]
    if unknown:
        raise UsageError(
            f"no item of {catalogue.artifact.version} has the id {', '.join(unknown[:5])}",
            hint="find its id with: fusionrec search WORDS; withdrawn ones: fusionrec items",
        )
    return ids
