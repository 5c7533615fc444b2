"""The items that can be recommended: a version's own, with the changes since."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np

from fusionrec.data.dataset import Changes, Table, changed_table
from fusionrec.data.item_files import Item, item_of, plain_content
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

    Attributes:
        artifact: the version.
        number: of the last change included.
        items: ids and content, n of them.
        vectors: float32 [n, dim], of length 1.
        available: bool [n], which may be recommended.
        changed: position -> number of the last change.
        skipped: item -> why its change is not included: its content does not fit the version's
            schema, or the version has vectors alone and none for it.
        changed_content: position -> content that replaces the version's own; of all added items.
    """

    artifact: Artifact
    number: int
    items: Table
    vectors: np.ndarray
    available: np.ndarray
    changed: dict[int, int] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    changed_content: Changes = field(default_factory=dict)

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
        added: dict[str, int] = {}
        latest: dict[int, ItemChange] = {}
        contents: dict[int, ItemChange] = {}  # the latest with a content, which a withdrawal keeps
        for change in taken:
            row = positions.get(change.item, added.get(change.item))
            if row is None:
                if change.content is None:
                    continue  # it was never here
                row = added[change.item] = len(self) + len(added)
            latest[row] = change
            if change.content is not None:
                contents[row] = change
        changed_content, fresh = self._read(contents, skipped)
        available = np.append(self.available, np.ones(len(added), dtype=bool))
        for row, change in latest.items():
            # Without towers, unreadable content leaves the item as the file of vectors has it.
            readable = change.item not in skipped or not artifact.has_towers
            available[row] = readable and not change.withdrawn
        ids = [*self.items.ids, *added] if added else self.items.ids
        made = type(self)(
            artifact,
            changes[-1].number,
            changed_table(artifact.items, ids, changed_content),
            self._vectors(len(available), contents, fresh),
            available,
            self.changed | {row: change.number for row, change in latest.items()},
            skipped,
            changed_content,
        )
        vars(made)["positions"] = positions | added if added else positions
        if "columns" in vars(self):
            updated = self.columns.updated(made.items, made.positions, sorted(contents))
            vars(made)["columns"] = updated
        return made

    def until_now(self, ledger: Ledger) -> Self:
        """The catalog after all changes in the ledger."""
        return self.after(ledger.item_changes(self.number))

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def positions(self) -> dict[str, int]:
        """Outside id -> position, of all items, withdrawn ones too."""
        return self.items.positions()

    @cached_property
    def columns(self) -> FilterColumns:
        """Which items have which values."""
        return FilterColumns(self.artifact.schema, self.items, self.positions)

    @cached_property
    def counts(self) -> np.ndarray:
        """int64 [n]: how often each item was rated in the training data."""
        own = self.artifact.item_counts
        counts: np.ndarray = np.concatenate([own, np.zeros(len(self) - len(own), dtype=own.dtype)])
        return counts

    def rows(self, ids: Collection[str]) -> np.ndarray:
        """Positions, int64 [m], of those ids that are here."""
        positions = self.positions
        return np.array([positions[id_] for id_ in ids if id_ in positions], dtype=np.int64)

    def changed_since(self, number: int) -> np.ndarray:
        """Positions, int64 [m] rising, of the items with changes after a number."""
        rows = [row for row, last in self.changed.items() if last > number]
        return np.sort(np.array(rows, dtype=np.int64))

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
    ) -> tuple[dict[int, Mapping[str, Any]], dict[int, Item]]:
        """All changed contents by position, and the items among the new ones that can be read;
        ``skipped`` gets why the others cannot.
        """
        content, schema = dict(self.changed_content), self.artifact.schema
        fresh: dict[int, Item] = {}
        for row, change in contents.items():
            try:
                fresh[row] = item_of(schema, change.item, change.content or {})
                content[row] = fresh[row].content
                skipped.pop(change.item, None)
            except DataError as error:  # written under another schema
                skipped[change.item] = error.message
                content.pop(row, None)
                if row >= len(self.artifact.items):
                    content[row] = item_of(schema, "x", {}).content
        return content, fresh

    def _vectors(
        self, n: int, contents: Mapping[int, ItemChange], fresh: Mapping[int, Item]
    ) -> np.ndarray:
        """The vectors of n items after changes of contents, of which ``fresh`` can be read."""
        artifact = self.artifact
        if not contents or not artifact.has_towers:
            return self.vectors
        own = artifact.item_vectors
        vectors = np.concatenate([self.vectors, np.empty((n - len(self), own.shape[1]), own.dtype)])
        for row in contents.keys() - fresh.keys():
            # An added one is never searched, but every index wants vectors of length 1.
            vectors[row] = own[row] if row < len(own) else np.eye(1, own.shape[1])[0]
        if fresh:
            items = list(fresh.values())
            columns = {name: [item.content[name] for item in items] for name in items[0].content}
            features = artifact.encoder.encode("item", [item.id for item in items], columns)
            vectors[list(fresh)] = artifact.item_tower.vectors(features)
        return vectors


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
