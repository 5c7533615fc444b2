"""One version as requests see it: its index, and what is made of its items once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np

from fusionrec.errors import StoreError
from fusionrec.index import Condition, ExactIndex, Hits, Index
from fusionrec.recommend.answer import Answer
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.service.telemetry import Metrics
from fusionrec.service.ui.facets import Facets
from fusionrec.service.ui.form import form_of, scale_of
from fusionrec.service.ui.projection import Projection, chart_of

_QUICK = 50_000  # items that NumPy searches in half a millisecond


class _Timed:
    """An index whose searches are measured."""

    def __init__(self, index: Index, metrics: Metrics) -> None:
        self._index, self._metrics = index, metrics
        self.place, self.name = index.place, index.name

    def search(
        self,
        vector: np.ndarray,
        k: int,
        where: Sequence[Condition] = (),
        exclude: np.ndarray | Sequence[int] = (),
    ) -> Hits:
        """See ``Index.search``."""
        with self._metrics.stages["search"].time():
            return self._index.search(vector, k, where, exclude)

    def close(self) -> None:
        """See ``Index.close``."""
        self._index.close()


class VersionView:
    """One version with its items as they are at a time, and what is made of it once.

    Args:
        recommender: of the version.
        metrics: what is counted.
        copied: whether a copy in memory answers in the store's place.
        before: of the same version, with fewer changes of items; what was made of it at requests is
            made of this one at once, as far as it is another.
    """

    def __init__(
        self,
        recommender: Recommender,
        metrics: Metrics,
        *,
        copied: bool,
        before: VersionView | None = None,
    ) -> None:
        self._metrics = metrics
        self.catalog, self.artifact = recommender.catalog, recommender.artifact
        self.index = recommender.index.name
        self.failed = ""  # how the store failed; from then on NumPy searches the same vectors
        index = recommender.index
        if index.name == "exact":
            index = self._exactly(index.place)  # changes, too, in one index
        elif copied:
            index = self._exactly(f"exact copy of {index.place}")
        self._in_memory = isinstance(index, ExactIndex)
        timed = _Timed(index, metrics)
        self._recommender = recommender.over(timed, recommender.notes)
        if before is not None:
            self._take_over(before)

    def _take_over(self, before: VersionView) -> None:
        if "choices" in vars(before):
            self.choices = before.choices.after(self.catalog)
        if "form" in vars(before):
            self.scale = before.scale
            self.form = form_of(self.catalog, self.choices, self.scale)
        if "chart" in vars(before):
            self.chart = before.chart.after(self.catalog)

    @property
    def is_quick(self) -> bool:
        """Whether a search takes well below a millisecond, and waits for nothing."""
        return self._in_memory and not self.failed and len(self.catalog) <= _QUICK

    @property
    def recommender(self) -> Recommender:
        """Answers from the store, or exactly since that has failed."""
        return self._reserve if self.failed else self._recommender

    @cached_property
    def _reserve(self) -> Recommender:
        index = self._exactly("exact")
        note = f"answered exactly from the artifact: {self.failed}"
        return self._recommender.over(_Timed(index, self._metrics), (note,))

    def _exactly(self, place: str) -> Index:
        now, schema = self.catalog, self.artifact.schema
        return ExactIndex(
            schema,
            now.items,
            now.vectors,
            place,
            now.available,
            columns=now.columns,
            checked=True,  # by the index that was opened
        )

    @cached_property
    def form(self) -> dict[str, Any]:
        """What the page draws its forms from; see ``form_of``."""
        return form_of(self.catalog, self.choices, self.scale)

    @cached_property
    def scale(self) -> dict[str, float] | None:
        """The ratings that can be given; None where interactions are events."""
        return None if self.artifact.schema.events else scale_of(self.artifact)

    @cached_property
    def choices(self) -> Facets:
        """The values that its fields hold."""
        return Facets(self.catalog)

    @cached_property
    def chart(self) -> Projection:
        """The map of the best known items."""
        return chart_of(self.catalog)

    def recommend(self, query: Query) -> Answer:
        """See ``Recommender.recommend``."""
        recommender = self.recommender
        with self._metrics.stages["person"].time():
            person = recommender.person(query, visitors=True)
        return recommender.recommend_to(person, query)

    def warm(self) -> None:
        """Makes what the first answers would have to wait for."""
        self.recommender.finder.prepare()
        with suppress(StoreError):  # the first answer that meets it says so
            if self.artifact.has_towers and len(self.artifact.users):
                self.recommend(Query(user=self.artifact.users.ids[0], k=1))
            self.recommend(Query(k=1))
