"""One version as requests see it: its index, and what the page shows of its items."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import Any

import numpy as np

from fusionrec.errors import StoreError
from fusionrec.index import Condition, Hits, Index
from fusionrec.index.batch import CoalescingExactIndex
from fusionrec.index.compressed import CompressedIndex, CompressedVectors
from fusionrec.recommend.answer import Answer
from fusionrec.recommend.example_people import ExamplePerson, example_people
from fusionrec.recommend.followed_index import FollowedIndex
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.service.telemetry import Metrics
from fusionrec.service.ui.facets import Facets
from fusionrec.service.ui.form import form_of, scale_of
from fusionrec.service.ui.projection import Projection, chart_of

_MADE = ("choices", "scale", "chart", "examples")  # for the page, from what an earlier view made
_EXAMPLES = 12  # users to look at
_QUICK = 4_000_000  # numbers in vectors that NumPy searches in half a millisecond


class _Timed:
    """An index whose searches are measured."""

    def __init__(self, index: Index, metrics: Metrics, place: str) -> None:
        self._index, self._metrics = index, metrics
        self.place, self.name = place, index.name

    def search(
        self,
        vector: np.ndarray,
        k: int,
        where: Sequence[Condition] = (),
        exclude: np.ndarray | Sequence[int] = (),
    ) -> Hits:
        with self._metrics.stages["search"].time():
            return self._index.search(vector, k, where, exclude)

    def close(self) -> None:
        self._index.close()


class VersionView:
    """One version with its items as they are at one time.

    Args:
        recommender: of the version.
        metrics: of the service.
        copied: whether a copy in memory answers in the store's place.
        compressed: what it searches; by default it compares all vectors.
        before: the view of the same version before the last changes of items, from which what the
            page shows is updated when it is asked for.
        hide: takes the names of folders out of what clients read.

    Attributes:
        index: the collection; ``exact`` where there is none.
        place: where its vectors are searched, unless the store has failed.
    """

    def __init__(
        self,
        recommender: Recommender,
        metrics: Metrics,
        *,
        copied: bool,
        compressed: CompressedVectors | None = None,
        before: VersionView | None = None,
        hide: Callable[[str], str] = str,
    ) -> None:
        self._metrics = metrics
        self.catalog, self.artifact = recommender.catalog, recommender.artifact
        self.index = recommender.index.name
        self.failed = ""  # how the store failed; from then on NumPy searches the same vectors
        self._copy: FollowedIndex | None = None if before is None else before._copy
        index = recommender.index
        if copied and compressed is not None:
            index = self._approximately(compressed, index)
        elif index.name == "exact":
            index = self._exactly(index.place)  # changes, too, in one index
        elif copied:
            index = self._exactly(f"exact copy of {index.place}")
        self._in_memory, self.place = index is not recommender.index, index.place
        self._on_server = not self._in_memory and "://" in index.place
        timed = _Timed(index, metrics, hide(index.place))
        self._recommender = recommender.over(timed, tuple(map(hide, recommender.notes)))
        self._earlier: dict[str, Any] = {}
        if before is not None:
            known = {**before._earlier, **vars(before)}
            self._earlier = {name: known[name] for name in _MADE if name in known}

    @property
    def is_quick(self) -> bool:
        """Whether a search takes this process well below a millisecond: in memory, or on a server,
        for which it waits.
        """
        small = self._in_memory and self.catalog.vectors.size <= _QUICK
        return not self.failed and (small or self.asks_server)

    @property
    def asks_server(self) -> bool:
        """Whether a Milvus server is searched."""
        return not self.failed and self._on_server

    @property
    def recommender(self) -> Recommender:
        """Answers from the store; exactly once that has failed."""
        return self._reserve if self.failed else self._recommender

    @cached_property
    def _reserve(self) -> Recommender:
        index = self._exactly("exact")
        note = f"answered exactly from the artifact: {self.failed}"
        return self._recommender.over(_Timed(index, self._metrics, index.place), (note,))

    def _exactly(self, place: str) -> Index:
        return self._copied(place, CoalescingExactIndex)

    def _approximately(self, copy: CompressedVectors, store: Index) -> Index:
        of = "the model's vectors" if store.name == "exact" else store.place
        place = f"approximate copy of {of}, recall {math.floor(1000 * copy.recall) / 1000:.3f}"
        changed = self.catalog.solid.changed_since(0)
        return self._copied(place, partial(CompressedIndex, copy, changed))

    def _copied(self, place: str, make: Callable[..., Index]) -> Index:
        """A copy of the items: all in one index, or with the last changes laid over it."""
        solid = self.catalog.solid
        if self._copy is None or self._copy.catalog is not solid or self._copy.index.place != place:
            items = (self.artifact.schema, solid.items, solid.matrix, place, solid.available)
            # Checked by the index that was opened.
            self._copy = FollowedIndex(make(*items, columns=solid.columns, checked=True), solid)
        return self._copy.after(self.catalog)

    @cached_property
    def form(self) -> dict[str, Any]:
        return form_of(self.catalog, self.choices, self.scale)

    @cached_property
    def scale(self) -> dict[str, float] | None:
        """The ratings that can be given; None where interactions are events."""
        if "scale" in self._earlier:
            earlier: dict[str, float] | None = self._earlier["scale"]
            return earlier
        return None if self.artifact.schema.events else scale_of(self.artifact)

    @cached_property
    def choices(self) -> Facets:
        earlier = self._earlier.get("choices")
        return Facets(self.catalog) if earlier is None else earlier.after(self.catalog)

    @cached_property
    def examples(self) -> list[ExamplePerson]:
        """Some of the version's users to look at."""
        earlier: list[ExamplePerson] | None = self._earlier.get("examples")
        return example_people(self.catalog, _EXAMPLES) if earlier is None else earlier

    @cached_property
    def chart(self) -> Projection:
        earlier = self._earlier.get("chart")
        return chart_of(self.catalog) if earlier is None else earlier.after(self.catalog)

    def recommend(self, query: Query) -> Answer:
        """``Recommender.recommend``, with its parts measured."""
        recommender = self.recommender
        with self._metrics.stages["person"].time():
            person = recommender.person(query, visitors=True)
        return recommender.recommend_to(person, query)

    def warm(self) -> None:
        """Makes what the first answers would wait for."""
        self.recommender.finder.prepare()
        with suppress(StoreError):  # the first answer that meets it says so
            if self.artifact.has_towers and len(self.artifact.users):
                self.recommend(Query(user=self.artifact.users.ids[0], k=1))
            self.recommend(Query(k=1))
