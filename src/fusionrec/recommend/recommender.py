"""Answers queries: by a user's vector, by an item's, by words, or by popularity."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from fusionrec.features.score_scale import SCALE
from fusionrec.index import Condition, Hits, Index, Only
from fusionrec.index.exact import check_k, distinct
from fusionrec.recommend.answer import Answer, AnswerKind, Recommended
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.categories import Categories
from fusionrec.recommend.explanations import Explainer
from fusionrec.recommend.fulltext import Match
from fusionrec.recommend.item_search import ItemSearch
from fusionrec.recommend.messages import NO_REASON, none_left, refuse_unknown, remarks, why_empty
from fusionrec.recommend.popular import popular_hits
from fusionrec.recommend.query import Query, UserVector
from fusionrec.recommend.rank_fusion import POOL, fuse
from fusionrec.recommend.rerank import Reranker
from fusionrec.recommend.similar import similar_scores
from fusionrec.recommend.user_vector import UserVectors
from fusionrec.registry.inference.blend import BlendRunner


class Recommender:
    """Answers from one version's towers and the index of that version.

    Args:
        catalog: the version's items as they are now.
        index: holds their vectors; None if nothing is asked that needs it.
        notes: go with every answer, such as why the answer does not come from Milvus.
        folder: the workspace's, which may hold synonyms for the search by words.
    """

    def __init__(
        self,
        catalog: Catalog,
        index: Index | None,
        notes: Sequence[str] = (),
        folder: Path | None = None,
    ) -> None:
        self.catalog, self.artifact = catalog, catalog.artifact
        self._index, self.notes = index, tuple(notes)
        self.people, self.finder = UserVectors(catalog), ItemSearch(catalog, folder)
        categories = Categories(catalog)
        self.explainer = Explainer(catalog, categories)
        self._reranker = Reranker(catalog, categories)

    @property
    def index(self) -> Index:
        """What holds the items' vectors."""
        assert self._index is not None, "this recommender was made without an index"
        return self._index

    def over(self, index: Index, notes: Sequence[str]) -> Self:
        """The same version and items with another index; shares everything else."""
        made = copy.copy(self)
        made._index, made.notes = index, tuple(notes)
        return made

    def after(self, catalog: Catalog) -> Self:
        """The same version after some changes of its items; what depends on them is updated for the
        changed ones, and shared. The index is still the one of before.
        """
        made = copy.copy(self)
        made.catalog = catalog
        made.people, made.finder = self.people.over(catalog), self.finder.after(catalog)
        categories = Categories(catalog)
        made.explainer = self.explainer.over(catalog, categories)
        made._reranker = Reranker(catalog, categories)
        return made

    def close(self) -> None:
        """Closes the index, and releases an embedded Milvus."""
        self.index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def recommend(self, query: Query) -> Answer:
        """Recommends items for a user, a profile, a history or any mixture; the most popular items
        if nothing is known.

        Raises:
            UsageError: as in ``UserVectors.find`` and ``Query.check``; or no named item is known,
                and nothing else.
            StoreError: Milvus failed.
        """
        return self.recommend_to(self.person(query), query)

    def person(self, query: Query, *, visitors: bool = False) -> UserVector:
        """The user vector of a query, for ``recommend_to``; does not use the index.

        Args:
            query: the query.
            visitors: whether a query without any known item gets the popular items instead of an
                error.

        Raises:
            UsageError: as in ``recommend``.
        """
        query.check()
        if query.history and not visitors:
            refuse_unknown(self.finder, query)
        return self.people.find(query)

    def recommend_to(self, person: UserVector, query: Query) -> Answer:
        """The answer to a query, given its user vector; see ``recommend``."""
        end = query.offset + query.k
        depth = self._reranker.depth(query) if query.reorders else end
        barred = self._barred(person, query)
        if person.vector is None:
            hits, why = popular_hits(self.finder, query, barred, depth)
        else:
            hits = self._search(person, depth, query.where, barred)
            why = () if len(hits.rows) > query.offset else why_empty(self.finder, query, barred)
        notes = person.notes
        if query.history or query.where:
            notes += remarks(self.finder, query)
        if query.reorders:
            hits = self._reranker.order(hits, person, query)
            notes += self._reranker.notes(person, query)
        page = Hits(hits.rows[query.offset : end], hits.scores[query.offset : end])
        stars = self._stars(page, person) if person.rates else None
        answer = self._answer(page, person.kind, notes + why, query.offset, stars)
        answer = replace(answer, goal=None if person.vector is None else query.goal)
        if not query.explain:
            return answer
        reasons = self.explainer.of(page.rows, person, query)
        if answer.items and not any(reasons):
            answer = replace(answer, notes=(*answer.notes, NO_REASON))
        explained = zip(answer.items, reasons, strict=True)
        return replace(answer, items=[replace(item, reason=reason) for item, reason in explained])

    def similar(self, item: str, k: int = 10, where: Sequence[Condition] = ()) -> Answer:
        """Finds the items that go with an item, itself left out: those whose vectors are nearest to
        its own; of a version with parts see ``similar_scores``.

        Raises:
            UsageError: there is no such item, or k is below 1.
            StoreError: Milvus failed.
        """
        row, place = self.finder.row(item), "exact"
        check_k(k)
        tower = self.artifact.user_tower if self.artifact.has_parts else None
        if isinstance(tower, BlendRunner):
            scores = similar_scores(self.catalog, tower, row)
            allowed = self.catalog.columns.mask(where) & self.catalog.available
            allowed[row] = False
            rows = np.flatnonzero(allowed)
            best = rows[np.argsort(-scores[rows], kind="stable")[:k]]
            hits = Hits(best, scores[best])
        else:
            hits, place = (
                self.index.search(self.catalog.vectors[row], k, where, [row]),
                self.index.place,
            )
        gone = () if self.catalog.available[row] else (f"item {item} itself is withdrawn",)
        notes = (*gone, *self.finder.unknown(where))
        if not len(hits.rows):
            notes += none_left(self.finder, where)
        return self._answer(hits, "similar", notes, place=place)

    def search(self, text: str, query: Query | None = None, *, prefix: bool = False) -> Answer:
        """Finds items by words of their titles, categories and years; for a person, by taste too.

        Args:
            text: the words; an item is found by one or more of them; see ``word_search``.
            query: how many, under which conditions, and for whom; see ``rank_fusion.fuse`` for
                what their taste does.
            prefix: whether the last word may be the beginning of one.

        Raises:
            UsageError: there is no word in the text; else as in ``recommend``.
            StoreError: Milvus failed.
        """
        query = query or Query()
        query.check()
        person = UserVector(None, "popular", np.empty(0, dtype=np.int64))
        if query.user is not None or query.profile or query.history:
            person = self.people.find(query)
        barred = self._barred(person, query)
        end = query.offset + query.k
        limit = end if person.vector is None else max(end, POOL)
        found = self.finder.hits(text, query.where, barred, prefix=prefix, limit=limit)
        notes = person.notes + remarks(self.finder, query)
        notes += () if found.hits else self.finder.missed(query.where)
        notes += found.notes
        hits = found.hits
        stars: dict[str, float] = {}
        if person.vector is None:
            place = "words"
        else:
            place, notes = self.index.place, self.notes + notes
            hits, stars = self._by_taste(text, hits, person, prefix=prefix)
        items = [
            self._item(rank, self.finder.rows[hit.id], hit.score, stars.get(hit.id))
            for rank, hit in enumerate(hits[query.offset : end], start=query.offset + 1)
        ]
        goal = None if person.vector is None else query.goal
        version, meant = self.artifact.version, found.suggestions
        return Answer(items, "search", version, place, notes, goal, meant)

    def _by_taste(
        self, text: str, found: list[Match], person: UserVector, *, prefix: bool
    ) -> tuple[list[Match], dict[str, float]]:
        """The hits in the order of words and taste, and item -> predicted stars."""
        stars: dict[str, float] = {}

        def taste(ids: list[str]) -> np.ndarray:
            if not ids:
                return np.empty(0)
            hits = self._search(person, len(ids), [Only(tuple(ids))])
            ids_found = [self.catalog.items.ids[row] for row in hits.rows]
            if person.rates:
                stars.update(zip(ids_found, map(float, self._stars(hits, person)), strict=True))
            scores = dict(zip(ids_found, map(float, hits.scores), strict=True))
            return np.array([scores.get(id_, -np.inf) for id_ in ids])

        return fuse(found, self.finder.matches(text, found, prefix=prefix), taste), stars

    def _search(
        self,
        person: UserVector,
        k: int,
        where: Sequence[Condition],
        barred: np.ndarray | Sequence[int] = (),
    ) -> Hits:
        """The k best items for a vector. What the person took before gains, wherever the search
        puts it, by what ``UserVector.repeats`` says.
        """
        assert person.vector is not None
        hits, (rows, gains) = self.index.search(person.vector, k, where, barred), person.repeats
        if not len(rows):
            return hits
        allowed = (self.catalog.columns.mask(where) & self.catalog.available)[rows]
        allowed &= ~np.isin(rows, barred)
        return hits.raised(rows[allowed], gains[allowed], self.catalog.vectors, person.vector, k)

    def _barred(self, person: UserVector, query: Query) -> np.ndarray:
        """Rows that must not be in the answer: int64 [m]."""
        hidden = self.catalog.rows(query.hidden)
        if self.keeps_seen(query):
            return hidden
        return distinct(person.rated, hidden) if len(hidden) else person.rated

    def keeps_seen(self, query: Query) -> bool:
        """Whether what someone has rated or taken may be recommended to them: where people take
        things again, but for the goal ``taste``, what else they like.
        """
        goal = query.goal or next(iter(self.artifact.goals), None)
        return query.seen or (self.artifact.schema.repeats and goal != "taste")

    def _answer(
        self,
        hits: Hits,
        kind: AnswerKind,
        notes: tuple[str, ...],
        offset: int = 0,
        stars: np.ndarray | None = None,
        place: str | None = None,
    ) -> Answer:
        """An answer of hits; popular ones carry their number of ratings instead of a score. They
        are from the index, unless a ``place`` is given.
        """
        items, popular = [], kind == "popular"
        for n, row in enumerate(hits.rows.tolist()):
            score = None if popular else SCALE * float(hits.scores[n])
            star = None if stars is None else float(stars[n])
            ratings = int(self.catalog.counts[row]) if popular else None
            items.append(self._item(offset + n + 1, row, score, star, ratings))
        place = "counts" if popular else place or self.index.place
        return Answer(items, kind, self.artifact.version, place, self.notes + notes)

    def _stars(self, hits: Hits, person: UserVector) -> np.ndarray:
        """Predicted ratings, float [n]: by the rating head for a known user, if there is one."""
        user = person.head_user
        users = None if user is None else np.full(len(hits.rows), user)
        return self.artifact.ratings(users, hits.rows, hits.scores)

    def _item(
        self,
        rank: int,
        row: int,
        score: float | None,
        stars: float | None,
        ratings: int | None = None,
    ) -> Recommended:
        table, title = self.catalog.items, self.artifact.schema.title
        content = table.row(row)
        name = content.pop(title, "") if title else ""
        id_ = table.ids[row]
        return Recommended(rank, id_, name or id_, score, stars, content, ratings)
