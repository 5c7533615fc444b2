"""One artifact version's item vectors in Milvus: built, verified, searched."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.schema import Schema
from fusionrec.errors import Progress, StoreMissingError, UsageError
from fusionrec.index import verify
from fusionrec.index.coalescing import ask
from fusionrec.index.connection import Place
from fusionrec.index.dialect import MAX_LIMIT
from fusionrec.index.exact import (
    ExactIndex,
    Hits,
    among,
    check_k,
    check_query,
    check_rows,
    margin,
    ranked,
)
from fusionrec.index.filters import Condition, expression
from fusionrec.index.index_types import KINDS, IndexType, check_kind, is_exact, is_rounded
from fusionrec.index.layout import BATCH, Layout, layout_of, records
from fusionrec.index.milvus_store import MilvusStore

# Rows asked for beyond k, so that ties at the end are mostly seen at once; each costs time in Lite.
SLACK = 4

# Of n rows that someone has taken, seldom more than this times the root of n are among the best: of
# 6,040 users of ml-1m 98 in 100 find ten others before. Where it is too few, more are asked for.
PASSED = 3.0

# How many times k an index with rounded vectors is asked for, to be scored again.
_ROUNDED_MORE = 4


def _written(items: Table, available: np.ndarray | None) -> np.ndarray:
    """Rows of the items that a collection holds, int64 [m]."""
    return np.arange(len(items)) if available is None else np.flatnonzero(available)


class MilvusIndex:
    """A searchable collection; made by ``build`` or ``open``, ended by ``close`` or a ``with``.

    Attributes:
        store: the connection, for the alias and for other collections.
        name: of the collection.
        kind: of the index in Milvus.
    """

    def __init__(
        self, store: MilvusStore, name: str, items: Table, exact: ExactIndex, layout: Layout
    ) -> None:
        self.store = store
        self.name = name
        self.kind: IndexType = "FLAT"
        self._items = items
        self._exact = exact
        self._layout = layout
        self._stored = len(items)  # rows in Milvus, doubled ones too
        self._rows = np.arange(len(items))  # those that are meant to be there
        self._settled = True  # whether every search sees the last write without waiting
        # Searches of an embedded store fight for the interpreter: one after the other is sooner.
        self._turn: AbstractContextManager[object] = (
            nullcontext() if store.software.folder is None else threading.Lock()
        )

    @classmethod
    def build(
        cls,
        place: Place | str,
        schema: Schema,
        items: Table,
        vectors: np.ndarray,
        name: str,
        checksum: str,
        *,
        available: np.ndarray | None = None,
        kind: IndexType | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Writes a collection from scratch, and verifies it before it is used.

        A collection of the same name is replaced; no other one is touched, and the alias stays
        where it is unless it pointed to this one.

        Args:
            place: where, and how it is reached; or its URI.
            schema: the artifact's.
            items: the n items; a row is a position in them.
            vectors: float32 [n, d], L2-normalised.
            name: of the collection; see ``collection_name``.
            checksum: the artifact's, hexadecimal.
            available: bool [n], which items are written; all by default.
            kind: of the index; what suits place and number of items by default (``kinds``).
            progress: called with what is being done, ``writing`` or ``indexing``, the rows that are
                done and all rows.

        Raises:
            UsageError: a URI, version, checksum or kind that is none, or that the place does not
                know, or there are no items.
            DataError: an id or category cannot be stored whole.
            StoreDamagedError: the vectors are not normalised (nothing was written then), or
                Milvus does not answer from them as the exact index does.
            StoreUnavailableError, StoreError: Milvus cannot be reached, or could not write.
        """
        if kind is not None:
            check_kind(kind)
        rows = _written(items, available)
        if len(rows) == 0:
            raise UsageError("an index needs at least one item")
        exact = ExactIndex(schema, items, vectors, available=available)
        layout = layout_of(schema, items)
        store = MilvusStore(place)
        try:
            index = cls(store, name, items, exact, layout)
            index.kind, index._settled = store.software.kind(kind, len(rows)), False
            index._rows = rows
            was_active = store.active() == name
            index._write(checksum, progress)
            index._stored = verify.check_rows(store, name, rows)
            verify.check_answers(index, exact, schema, items, rows, exact=is_exact(index.kind))
            index._settled = True
            if was_active:
                index.activate()
        except BaseException:
            # After a failed write the store may hide rows until it is opened anew.
            store.close()
            raise
        return index

    @classmethod
    def open(
        cls,
        place: Place | str,
        schema: Schema,
        items: Table,
        vectors: np.ndarray,
        name: str,
        checksum: str,
        *,
        available: np.ndarray | None = None,
    ) -> Self:
        """Opens a collection and verifies that it is the artifact's.

        The arguments are those of ``build``; a local store that is not there is not made.

        Raises:
            StoreMissingError: Milvus has no such collection.
            StoreDamagedError: what it has differs from the artifact, or cannot be read.
            StoreUnavailableError, StoreError: Milvus cannot be reached, or failed.
        """
        rows = _written(items, available)
        exact = ExactIndex(schema, items, vectors, available=available)
        layout = layout_of(schema, items)
        store = MilvusStore(place, create=False)
        try:
            if not store.has(name):
                raise StoreMissingError(
                    f"{store.place} has no collection {name}",
                    hint="build the index: fusionrec index",
                )
            index = cls(store, name, items, exact, layout)
            index._rows = rows
            index._check_note(checksum)
            store.load(name)
            index._stored = verify.check_rows(store, name, rows)
            verify.check_sample(store, name, items, vectors, rows)
        except BaseException:
            store.close()
            raise
        return index

    @property
    def place(self) -> str:
        """Where the vectors are, for people; without secrets."""
        return self.store.place

    def __len__(self) -> int:
        return len(self._exact)

    def search(
        self,
        vector: np.ndarray,
        k: int,
        where: Sequence[Condition] = (),
        exclude: np.ndarray | Sequence[int] = (),
    ) -> Hits:
        """The k items with the highest inner product, found by Milvus.

        Conditions and rows to leave out are part of Milvus' search. What it finds is scored again
        from the artifact's vectors, so that ties break by row and a score that is not the model's
        is noticed.

        The arguments are those of ``ExactIndex.search``; a k above 16,384 counts as 16,384.

        Raises:
            UsageError: see ``ExactIndex.search``.
            StoreDamagedError: Milvus' rows or scores are not those of the artifact.
            StoreUnavailableError, StoreError: Milvus cannot be reached, or failed.
        """
        query = check_query(vector, self._exact.vectors.shape[1])
        left_out = check_rows(exclude, len(self))
        check_k(k)
        k = min(k, len(self), MAX_LIMIT)
        filtered = bool(where) or len(left_out) > 0
        if not is_exact(self.kind) and filtered and self.store.software.lite:
            # Lite's graph finds k items, of which none may be the nearest, and saves no time.
            return self._exact.search(query, k, where, left_out)
        passed = left_out if self._passes(k, len(left_out)) else left_out[:0]
        barred = () if len(passed) else left_out
        rows, scores = self._candidates(query, k, expression(where, barred, self._layout), passed)
        if not is_exact(self.kind) and len(rows) < k and filtered:
            # A graph walks past what a selective filter leaves over.
            return self._exact.search(query, k, where, left_out)
        verify.check_scores(
            self.store,
            self.name,
            query,
            self._exact.vectors,
            rows=rows,
            scores=scores,
            rounded=is_rounded(self.kind),
        )
        return ranked(query, self._exact.vectors, rows, k)

    def _passes(self, k: int, left_out: int) -> bool:
        """Whether rows to leave out are passed over here, and not by a condition: a server reads a
        long list in more time than it takes to send as many rows, Lite in less.
        """
        return k + left_out + SLACK <= MAX_LIMIT and not self.store.software.lite

    def _candidates(
        self, query: np.ndarray, k: int, expression: str, passed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """At least the k best rows beside those that are passed over, distinct, with Milvus'
        scores, and all that tie.
        """
        most, rounded = min(self._stored, MAX_LIMIT), is_rounded(self.kind)
        wanted = k + math.ceil(PASSED * math.sqrt(len(passed)))
        limit = min(wanted * _ROUNDED_MORE if rounded else wanted + SLACK, most)
        while True:
            rows, scores = ask(self._found, query, limit, expression)
            distinct, first = np.unique(rows, return_index=True)
            kept, found = ~among(distinct, passed), scores[first]
            best = np.sort(found[kept])[::-1]
            apart = 0.0 if rounded else 2 * margin(query)
            enough = len(best) >= k and found.min() < best[k - 1] - apart
            if len(rows) < limit or limit == most or enough:
                return distinct[kept], found[kept]
            limit = min(4 * limit, most)

    def _found(
        self, queries: Sequence[np.ndarray], limit: int, expression: str
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Milvus' own answers, one for each query."""
        n, settled = len(self), self._settled
        with self._turn:
            return self.store.search(
                self.name, queries, limit, expression, self.kind, n, settled=settled
            )

    def activate(self) -> None:
        """Points the alias for readers outside at this collection."""
        self.store.activate(self.name)

    def close(self) -> None:
        """Closes the store; see ``MilvusStore.close``."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, checksum: str, progress: Progress | None) -> None:
        store, n = self.store, len(self._rows)
        d = self._exact.vectors.shape[1]
        store.create(self.name, self._layout, d, self._note(checksum))
        store.add_index(self.name, self.kind, n)  # first: a kind it does not know is refused now
        for start in range(0, n, BATCH):
            rows = self._rows[start : start + BATCH]
            store.insert(self.name, records(self._layout, self._items, self._exact.vectors, rows))
            if progress is not None:
                progress("writing", start + len(rows), n)
        tell = progress or (lambda *_: None)
        store.finish(self.name, n, lambda done: tell("indexing", done, n))

    def _note(self, checksum: str) -> dict[str, Any]:
        n, d = len(self._rows), self._exact.vectors.shape[1]
        layout = self._layout.fingerprint()
        return {"checksum": checksum, "rows": n, "d": d, "kind": self.kind, "layout": layout}

    def _check_note(self, checksum: str) -> None:
        try:
            note = self.store.note(self.name)
        except StoreMissingError as error:  # its folder is there, and no description in it
            raise verify.unlike(self.store, self.name, error.message) from error
        if note.get("kind") in KINDS:
            self.kind = note["kind"]
        for key, wanted in self._note(checksum).items():
            if note.get(key) != wanted:
                raise verify.unlike(
                    self.store, self.name, f"its {key} is {note.get(key)!r}, the model's {wanted!r}"
                )
