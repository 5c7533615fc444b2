"""The items that can be recommended: a version's own, with the changes since."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from typing import Any, Self

import numpy as np

from fusionrec.data.dataset import Table, changed_table
from fusionrec.data.item_files import Item, item_of, plain_content
from fusionrec.data.layered import (
    GROWTH,
    LayeredMapping,
    LayeredRows,
    LayeredSequence,
    changed_rows,
)
from fusionrec.errors import DataError, UsageError
from fusionrec.index import FilterColumns
from fusionrec.ledger import ItemChange, Ledger
from fusionrec.registry import Artifact

_NO_VECTOR = "its vector is not known; put it into the file and index that again"


@dataclass(frozen=True)
class Catalog:
    """A version's items with all changes up to a certain one.

    The version's own items keep their positions; added items follow in order of first arrival. So
    a position, which is also the item's row in the index, always means the same item. A withdrawn
    item keeps its position and is not available.

    A change costs what changed: a catalog shares the rest with the one before, and copies of each
    item one byte, ``available``.

    Attributes:
        artifact: the version.
        number: of the last change included.
        items: ids and content, n of them.
        vectors: float32 [n, dim], of length 1; see ``matrix`` for all in one array.
        available: bool [n], which may be recommended.
        changed: position -> number of the last change.
        skipped: item -> why its change is not included: its content does not fit the version's
            schema, or the version has vectors alone and none for it.
        changed_content: position -> content that replaces the version's own, or None for that
            again; of all added items.
        below: an earlier catalog, over whose vectors those that changed since are laid; None where
            they are one array.
    """

    artifact: Artifact
    number: int
    items: Table
    vectors: np.ndarray | LayeredRows
    available: np.ndarray
    changed: LayeredMapping[int, int] = field(default_factory=lambda: LayeredMapping({}))
    skipped: dict[str, str] = field(default_factory=dict)
    changed_content: LayeredMapping[int, Mapping[str, Any] | None] = field(
        default_factory=lambda: LayeredMapping({})
    )
    below: Catalog | None = None

    @classmethod
    def of(cls, artifact: Artifact, changes: Sequence[ItemChange] = ()) -> Self:
        """The catalog of a version after some changes, with rising numbers.

        The item tower makes the vectors of changed items; all others are as published, and so are
        all of a version without towers, which has no items but its own.
        """
        own = artifact.items
        here = np.ones(len(own), dtype=bool)
        return cls(artifact, 0, own, artifact.item_vectors, here).after(changes)

    def after(self, changes: Sequence[ItemChange]) -> Self:
        """The catalog after more changes, the same as ``of`` with all changes together. Only the
        changed items are looked at; this catalog stays as it is.
        """
        if not changes:
            return self
        artifact, positions = self.artifact, self.positions
        taken, skipped = self._taken(changes)
        added, latest, contents = self._placed(taken)
        content, fresh = self._read(contents, skipped)
        changed_content = self.changed_content.updated(content)
        available = np.append(self.available, np.ones(len(added), dtype=bool))
        for row, change in latest.items():
            # Without towers, unreadable content leaves the item as the file of vectors has it.
            readable = change.item not in skipped or not artifact.has_towers
            available[row] = readable and not change.withdrawn
        ids = self.items.ids
        if added:
            ids = LayeredSequence.over(ids).extended(list(added))
            positions = LayeredMapping.over(positions).updated(added)
        vectors = self._vectors(len(available), contents, fresh)
        made = type(self)(
            artifact,
            changes[-1].number,
            changed_table(artifact.items, ids, changed_content),
            vectors,
            available,
            self.changed.updated({row: change.number for row, change in latest.items()}),
            skipped,
            changed_content,
            self.solid if isinstance(vectors, LayeredRows) else None,
        )
        vars(made)["positions"] = positions
        updated = self.columns.updated(made.items, made.positions, sorted(contents))
        vars(made)["columns"] = updated
        if "_counts" in vars(self) and len(made) <= len(self._counts):
            vars(made)["_counts"] = self._counts
        return made

    def until_now(self, ledger: Ledger) -> Self:
        """The catalog after all changes in the ledger."""
        return self.after(ledger.item_changes(self.number))

    def __len__(self) -> int:
        return len(self.items)

    @property
    def solid(self) -> Catalog:
        """The last catalog up to this one whose vectors are one array."""
        return self if self.below is None else self.below

    @property
    def matrix(self) -> np.ndarray:
        """All vectors in one array, float32 [n, dim]; a copy where some lie over others."""
        return np.asarray(self.vectors)

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Outside id -> position, of all items, withdrawn ones too."""
        return self.items.positions()

    @cached_property
    def columns(self) -> FilterColumns:
        """Which items have which values."""
        return FilterColumns(self.artifact.schema, self.items, self.positions)

    @cached_property
    def counts(self) -> np.ndarray:
        """int64 [n]: how often each item was rated in the training data."""
        return self._counts[: len(self)]

    @cached_property
    def _counts(self) -> np.ndarray:
        """The same, with room for items that later catalogs add."""
        own = self.artifact.item_counts
        if len(self) == len(own):
            return own
        room = np.zeros(len(self) - len(own) + len(self) // GROWTH, dtype=own.dtype)
        return np.concatenate([own, room])

    def rows(self, ids: Collection[str]) -> np.ndarray:
        """Positions, int64 [m], of those ids that are here."""
        positions = self.positions
        return np.array([positions[id_] for id_ in ids if id_ in positions], dtype=np.int64)

    def changed_since(self, number: int) -> np.ndarray:
        """Positions, int64 [m] rising, of the items with changes after a number."""
        later = takewhile(lambda one: one[1] > number, self.changed.newest())
        return np.unique(np.fromiter((row for row, _ in later), dtype=np.int64))

    def _placed(
        self, changes: Sequence[ItemChange]
    ) -> tuple[dict[str, int], dict[int, ItemChange], dict[int, ItemChange]]:
        """Item -> position, of those that are added; and position -> change: the latest, in the
        order of their numbers, and the latest with a content, which a withdrawal keeps.
        """
        added: dict[str, int] = {}
        latest: dict[int, ItemChange] = {}
        contents: dict[int, ItemChange] = {}
        for change in changes:
            row = self.positions.get(change.item, added.get(change.item))
            if row is None:
                if change.content is None:
                    continue  # it was never here
                row = added[change.item] = len(self) + len(added)
            latest.pop(row, None)
            latest[row] = change
            if change.content is not None:
                contents[row] = change
        return added, latest, contents

    def _taken(self, changes: Sequence[ItemChange]) -> tuple[Sequence[ItemChange], dict[str, str]]:
        """The changes that the version can include, and item -> why it is skipped so far."""
        skipped = dict(self.skipped)
        if self.artifact.has_towers:
            return changes, skipped
        for change in changes:
            if change.item not in self.positions:
                skipped.pop(change.item, None)
                if not change.withdrawn:
                    skipped[change.item] = _NO_VECTOR
        return [change for change in changes if change.item in self.positions], skipped

    def _read(
        self, contents: Mapping[int, ItemChange], skipped: dict[str, str]
    ) -> tuple[dict[int, Mapping[str, Any] | None], dict[int, Item]]:
        """The changed contents by position, and the items among them that can be read; ``skipped``
        gets why the others cannot.
        """
        content: dict[int, Mapping[str, Any] | None] = {}
        schema = self.artifact.schema
        fresh: dict[int, Item] = {}
        for row, change in contents.items():
            try:
                fresh[row] = item_of(schema, change.item, change.content or {})
                content[row] = fresh[row].content
                skipped.pop(change.item, None)
            except DataError as error:  # written under another schema
                skipped[change.item] = error.message
                added = row >= len(self.artifact.items)
                content[row] = item_of(schema, "x", {}).content if added else None
        return content, fresh

    def _vectors(
        self, n: int, contents: Mapping[int, ItemChange], fresh: Mapping[int, Item]
    ) -> np.ndarray | LayeredRows:
        """The vectors of n items after changes of contents, of which ``fresh`` can be read."""
        artifact = self.artifact
        if not contents or not artifact.has_towers:
            return self.vectors
        own = artifact.item_vectors
        unit = np.eye(1, own.shape[1], dtype=own.dtype)[0]
        vectors = dict[int, np.ndarray]()
        for row in contents.keys() - fresh.keys():
            # An added one is never searched, but every index wants vectors of length 1.
            vectors[row] = own[row] if row < len(own) else unit
        if fresh:
            items = list(fresh.values())
            columns = {name: [item.content[name] for item in items] for name in items[0].content}
            features = artifact.encoder.encode("item", [item.id for item in items], columns)
            vectors |= zip(fresh, artifact.item_tower.vectors(features), strict=True)
        return changed_rows(self.vectors, vectors, np.stack(list(vectors.values())), n)


def current(artifact: Artifact, ledger: Ledger) -> Catalog:
    """The catalog of a version as of now."""
    return Catalog.of(artifact).until_now(ledger)


# The following change items all or none, and may be repeated without effect. They raise a
# LedgerError if nothing could be written.


def put(ledger: Ledger, catalog: Catalog, items: Sequence[Item]) -> int:
    """Adds or changes items. What is not given of a known item stays as it was. A withdrawn item is
    changed, and stays withdrawn until it is restored.

    Returns:
        How many are new or different.

    Raises:
        UsageError: the version has no towers.
    """
    check_takes(catalog)
    contents, changed = {}, {item.id: item.given for item in items}
    for item in items:
        row = catalog.positions.get(item.id)
        before = {} if row is None else plain_content(catalog.items.row(row))
        kept = {name: value for name, value in before.items() if name not in item.given}
        contents[item.id] = item.to_json() | kept
    return ledger.change_items(contents, changed=changed, since=catalog.number)


def check_takes(catalog: Catalog) -> None:
    """Refuses a version without towers, which cannot add or change items (UsageError)."""
    catalog.artifact.require_towers(
        "the vector of a new or changed item is not known", "no_item_towers"
    )


def restore(ledger: Ledger, catalog: Catalog, ids: Sequence[str]) -> int:
    """Brings withdrawn items back with their last content.

    Returns:
        How many were withdrawn.

    Raises:
        UsageError: one is not in the catalog.
    """
    rows = {id: catalog.positions[id] for id in _known(catalog, ids)}
    gone = {id: row for id, row in rows.items() if not catalog.available[row]}
    content = {id: plain_content(catalog.items.row(row)) for id, row in gone.items()}
    return ledger.change_items(content, since=catalog.number, restore=True)


def withdraw(ledger: Ledger, catalog: Catalog, ids: Sequence[str]) -> int:
    """Takes items out of every answer.

    Returns:
        How many were available.

    Raises:
        UsageError: one is not in the catalog.
    """
    return ledger.change_items(dict.fromkeys(_known(catalog, ids)))


def _known(catalog: Catalog, ids: Sequence[str]) -> Sequence[str]:
    unknown = [id for id in ids if id not in catalog.positions]
    if unknown:
        raise UsageError(
            f"no item of {catalog.artifact.version} has the id {', '.join(unknown[:5])}",
            code="unknown_item",
        )
    return ids
