"""A version's item vectors in Milvus: builds, verifies and searches their collection."""

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
from fusionrec.index.coalescing import coalesced_search
from fusionrec.index.connection import Place
from fusionrec.index.exact import (
    ExactIndex,
    Hits,
    RowNumbers,
    check_k,
    check_query,
    check_rows,
    is_among,
    rank_exactly,
    score_margin,
)
from fusionrec.index.filters import Condition, expression
from fusionrec.index.index_types import KINDS, IndexType, is_exact, is_rounded
from fusionrec.index.layout import BATCH, layout_of, records
from fusionrec.index.milvus_store import MilvusStore
from fusionrec.index.server_info import MAX_LIMIT

# Rows fetched beyond k, so that one request mostly covers ties at the end; each costs Lite time.
SLACK = 4

# Of n rows that a user has taken, seldom more than this times √n are among the best: on ml-1m that
# leaves ten others for 88% of users with the goal taste, and for nearly all with others. Otherwise,
# another request fetches more. Chosen by benchmarks/over_fetching.py.
DROPPED_FACTOR = 6.0

# Rows fetched from an index with quantized vectors, as a multiple of k, to be scored again.
_ROUNDED_FACTOR = 4


class MilvusIndex:
    """A searchable collection; created by ``build`` or ``open``, closed by ``close`` or a ``with``.

    Attributes:
        store: the connection, also for the alias and other collections.
        name: of the collection.
        kind: type of the index in Milvus.
    """

    def __init__(
        self,
        place: Place | str,
        schema: Schema,
        items: Table,
        vectors: np.ndarray,
        name: str,
        available: np.ndarray | None,
        *,
        create: bool,
    ) -> None:
        self.name = name
        self.kind: IndexType = "FLAT"
        self._items = items
        self._rows = np.arange(len(items)) if available is None else np.flatnonzero(available)
        self._exact = ExactIndex(schema, items, vectors, available=available)
        self._layout = layout_of(schema, items)
        self._stored = len(items)  # rows in Milvus, including duplicates
        self._settled = True  # whether every search sees the last write without waiting
        self.store = MilvusStore(place, create=create)
        # Searches of an embedded store compete for the GIL: one after the other is faster.
        self._search_lock: AbstractContextManager[object] = (
            nullcontext() if self.store.server.folder is None else threading.Lock()
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
        """Writes and verifies a new collection.

        A collection of the same name is replaced; all others stay, and so does the alias unless it
        pointed to this one.

        Args:
            place: address and settings of the Milvus; or its URI.
            schema, checksum: the artifact's.
            items: the n items; a row is a position in them.
            vectors: float32 [n, d], none longer than 1.
            name: of the collection; see ``collection_name``.
            available: bool [n], which items are written; all by default.
            kind: type of the index; by default by place and number of items (``index_types``).
            progress: called with the step, ``writing`` or ``indexing``, the number of rows done and
                of all rows.

        Raises:
            UsageError: the URI, version, checksum or kind is invalid or unknown to the place, or
                there are no items.
            DataError: an id or category is too long.
            StoreDamagedError: a vector is longer than 1, or 0 (nothing was written then), or
                Milvus' results are not those of the exact index.
            StoreUnavailableError, StoreError: Milvus cannot be reached, or failed to write.
        """
        if kind is not None and kind not in KINDS:
            raise UsageError(f"an index is {', '.join(KINDS)}, got {kind!r}")
        if not (len(items) if available is None else available.any()):
            raise UsageError("an index needs at least one item")
        index = cls(place, schema, items, vectors, name, available, create=True)
        store, rows = index.store, index._rows
        try:
            index.kind, index._settled = store.server.choose_type(kind, len(rows)), False
            was_active = store.active() == name
            index._write(checksum, progress)
            index._stored = verify.check_rows(store, name, rows)
            verify.check_scores(store, name, index.kind, vectors, rows)
            found = (store, name, index.kind, index.search)
            verify.check_answers(*found, index._exact, schema, items, rows)
            index._settled = True
            if was_active:
                index.activate()
        except BaseException:
            # After a failed write the store may hide rows until it is reopened.
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
        """Opens a collection and verifies that it matches the artifact.

        The arguments are those of ``build``; a missing local store is not created.

        Raises:
            StoreMissingError: Milvus has no such collection.
            StoreDamagedError: it differs from the artifact, or cannot be read.
            StoreUnavailableError, StoreError: Milvus cannot be reached, or failed.
        """
        index = cls(place, schema, items, vectors, name, available, create=False)
        store, rows = index.store, index._rows
        try:
            store.check_exists(name)
            index._verify_note(checksum)
            store.load(name)
            index._stored = verify.check_rows(store, name, rows)
            verify.check_sample(store, name, items, vectors, rows)
            verify.check_scores(store, name, index.kind, vectors, rows)
        except BaseException:
            store.close()
            raise
        return index

    @property
    def place(self) -> str:
        """The store's name in messages; without secrets."""
        return self.store.place

    def __len__(self) -> int:
        return len(self._exact)

    def search(
        self, vector: np.ndarray, k: int, where: Sequence[Condition] = (), exclude: RowNumbers = ()
    ) -> Hits:
        """The k items with the highest inner product, searched by Milvus.

        Milvus applies the conditions. Its hits are scored again with the artifact's vectors, so
        that scores are the model's and ties break by row. Whether Milvus' rows, vectors and scores
        are the artifact's is checked by ``build`` and ``open``. Two checks remain here, since
        another program may write to the collection later, and both take microseconds: every row
        is one of the model's, and none is answered twice.

        The arguments are those of ``ExactIndex.search``; a k above 16,384 counts as 16,384.

        Raises:
            UsageError: see ``ExactIndex.search``.
            StoreDamagedError: Milvus finds a row that the model does not have.
            StoreUnavailableError, StoreError: Milvus cannot be reached, or failed.
        """
        query = check_query(vector, self._exact.vectors.shape[1])
        excluded = check_rows(exclude, len(self))
        check_k(k)
        k = min(k, len(self), MAX_LIMIT)
        filtered = bool(where) or len(excluded) > 0
        if not is_exact(self.kind) and filtered and self.store.server.lite:
            # Lite's graph may miss all of the nearest items, and saves no time.
            return self._exact.search(query, k, where, excluded)
        # Rows to leave out go into the condition, or are dropped from Milvus' results: a server
        # takes longer to parse a long list than to send as many rows, Lite does not.
        by_condition, dropped = excluded, excluded[:0]
        if k + len(excluded) + SLACK <= MAX_LIMIT and not self.store.server.lite:
            by_condition, dropped = dropped, by_condition
        rows = self._candidates(query, k, expression(where, by_condition, self._layout), dropped)
        if not is_exact(self.kind) and len(rows) < k and filtered:
            # A graph search may miss the few items that a selective filter allows.
            return self._exact.search(query, k, where, excluded)
        return rank_exactly(query, self._exact.vectors, rows, k)

    def _candidates(
        self, query: np.ndarray, k: int, expression: str, dropped: np.ndarray
    ) -> np.ndarray:
        """At least the k best rows that are not ``dropped``, and all ties with the last of them:
        int64 [m], distinct.
        """
        max_limit, rounded = min(self._stored, MAX_LIMIT), is_rounded(self.kind)
        wanted = k + math.ceil(DROPPED_FACTOR * math.sqrt(len(dropped)))
        limit = min(wanted * _ROUNDED_FACTOR if rounded else wanted + SLACK, max_limit)
        while True:
            rows, scores = coalesced_search(self._search_batch, query, limit, expression)
            distinct, first = np.unique(rows, return_index=True)
            if len(distinct) and (distinct[0] < 0 or distinct[-1] >= len(self)):
                what = "it answers with rows that the model does not have"
                raise verify.mismatch(self.store, self.name, what)
            kept, scores = ~is_among(distinct, dropped), scores[first]
            best = np.sort(scores[kept])[::-1]
            tolerance = 0.0 if rounded else 2 * score_margin(query)
            enough = len(best) >= k and scores.min() < best[k - 1] - tolerance
            if len(rows) < limit or limit == max_limit or enough:
                allowed: np.ndarray = distinct[kept]
                return allowed
            limit = min(4 * limit, max_limit)

    def _search_batch(
        self, queries: Sequence[np.ndarray], limit: int, expression: str
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Milvus' results, one for each query."""
        n, settled = len(self), self._settled
        with self._search_lock:
            return self.store.search(
                self.name, queries, limit, expression, self.kind, n, settled=settled
            )

    def activate(self) -> None:
        """Points the alias for other programs at this collection."""
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
        store.add_index(self.name, self.kind, n)  # first: an unknown kind fails before any write
        for start in range(0, n, BATCH):
            rows = self._rows[start : start + BATCH]
            store.insert(self.name, records(self._layout, self._items, self._exact.vectors, rows))
            if progress is not None:
                progress("writing", start + len(rows), n)
        report = progress or (lambda *_: None)
        store.finish(self.name, n, lambda done: report("indexing", done, n))

    def _note(self, checksum: str) -> dict[str, Any]:
        n, d = len(self._rows), self._exact.vectors.shape[1]
        layout = self._layout.fingerprint()
        return {"checksum": checksum, "rows": n, "d": d, "kind": self.kind, "layout": layout}

    def _verify_note(self, checksum: str) -> None:
        try:
            note = self.store.note(self.name)
        except StoreMissingError as error:  # its folder exists, but without a description
            raise verify.mismatch(self.store, self.name, error.message) from error
        if note.get("kind") in KINDS:
            self.kind = note["kind"]
        for key, expected in self._note(checksum).items():
            if note.get(key) != expected:
                raise verify.mismatch(
                    self.store,
                    self.name,
                    f"its {key} is {note.get(key)!r}, the model's {expected!r}",
                )
