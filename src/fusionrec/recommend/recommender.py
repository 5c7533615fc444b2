"""The answer: a user's vector, a search, and what is known of the items found."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from fusionrec.features.score_scale import SCALE
from fusionrec.index import Condition, Hits, Index, Only
from fusionrec.recommend.answer import Answer, AnswerKind, Recommended
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.categories import Categories
from fusionrec.recommend.explanations import Explainer
from fusionrec.recommend.fulltext import Match
from fusionrec.recommend.item_search import ItemSearch
from fusionrec.recommend.messages import NO_REASON, none_left, refuse_unknown, remarks, why_empty
from fusionrec.recommend.query import Query, UserVector
from fusionrec.recommend.rank_fusion import POOL, fuse
from fusionrec.recommend.rerank import Reranker
from fusionrec.recommend.user_vector import UserVectors

__all__ = ["NOBODY", "Answer", "AnswerKind", "Recommended", "Recommender"]

NOBODY = "nothing is known of the person: these are the items rated most often"
RECENT = (
    "nothing is known of the person: these are the items rated most often, where what people took "
    "in the last 30 days counts for {share:.0%}"
)
# People who took something recently until that counts as much as all that was rated in training: a
# few, who may be invented, move little.
EVIDENCE = 200
NO_COUNTS = (
    "nothing is known of the person, and there are no ratings by which to order the items: "
    "say what the person likes"
)
NO_ONE = UserVector(None, "popular", np.empty(0, dtype=np.int64))


class Recommender:
    """Answers from one version's towers and the index of that version.

    Args:
        catalog: the version's items as they are now.
        index: holds their vectors; None for what asks none, such as making queries.
        notes: go with every answer, such as why the answer does not come from Milvus.
    """

    def __init__(self, catalog: Catalog, index: Index | None, notes: Sequence[str] = ()) -> None:
        self.catalog, self.artifact = catalog, catalog.artifact
        self._index, self.notes = index, tuple(notes)
        self.people, self.finder = UserVectors(catalog), ItemSearch(catalog)
        categories = Categories(catalog)
        self.explainer = Explainer(catalog, categories)
        self._reranker = Reranker(catalog, categories)

    @property
    def index(self) -> Index:
        """What holds the items' vectors."""
        assert self._index is not None, "this recommender was made without an index"
        return self._index

    def over(self, index: Index, notes: Sequence[str]) -> Self:
        """The same version and items, searched in another index of them; shares all else."""
        made = copy.copy(self)
        made._index, made.notes = index, tuple(notes)
        return made

    def after(self, catalog: Catalog) -> Self:
        """The same version after some changes of its items; what is made of them is updated for
        those that changed, and shared. Its index is still the one of before.
        """
        made = copy.copy(self)
        made.catalog = catalog
        made.people, made.finder = self.people.over(catalog), self.finder.after(catalog)
        categories = Categories(catalog)
        made.explainer = self.explainer.over(catalog, categories)
        made._reranker = Reranker(catalog, categories)
        return made

    def close(self) -> None:
        """Lets go of the index, and of an embedded store's lock with it."""
        self.index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def recommend(self, query: Query) -> Answer:
        """Items for a user, a profile, a history or any mixture; the most popular where nothing is
        known.

        Raises:
            UsageError: as of ``UserVectors.find`` and ``Query.check``; or there is none of the
                items that are named, and nothing else is known.
            StoreError: the store failed.
        """
        return self.recommend_to(self.person(query), query)

    def person(self, query: Query, *, visitors: bool = False) -> UserVector:
        """The person of a query, for ``recommend_to``; asks no index.

        Args:
            query: the query.
            visitors: whether one of which no item is known is answered like anybody's, instead of
                being refused.

        Raises:
            UsageError: as of ``recommend``.
        """
        query.check()
        if query.history and not visitors:
            refuse_unknown(self.finder, query)
        return self.people.find(query)

    def recommend_to(self, person: UserVector, query: Query) -> Answer:
        """The answer to a query whose person is found already; see ``recommend``."""
        end = query.offset + query.k
        depth = self._reranker.depth(query) if query.reorders else end
        barred = self._barred(person, query)
        if person.vector is None:
            hits, why = self._popular(query, barred, depth)
        else:
            hits = self.index.search(person.vector, depth, query.where, barred)
            why = () if len(hits.rows) > query.offset else why_empty(self.finder, query, barred)
        notes = person.notes
        if query.history or query.where:
            notes += remarks(self.finder, query)
        if query.reorders:
            hits = self._reranker.order(hits, person, query)
            notes += self._reranker.notes(person, query)
        page = Hits(hits.rows[query.offset : end], hits.scores[query.offset : end])
        user = query.user if person.kind == "user" else None
        stars = self._stars(page, user) if person.rates else None
        answer = self._answer(page, person.kind, notes + why, query.offset, stars)
        return self._explained(answer, person, query) if query.explain else answer

    def _explained(self, answer: Answer, person: UserVector, query: Query) -> Answer:
        """The answer with the reasons of its items."""
        rows = np.array([self.finder.rows[item.id] for item in answer.items], dtype=np.int64)
        reasons = self.explainer.of(rows, person, query)
        explained = zip(answer.items, reasons, strict=True)
        if answer.items and not any(reasons):
            answer = replace(answer, notes=(*answer.notes, NO_REASON))
        return replace(answer, items=[replace(item, reason=reason) for item, reason in explained])

    def similar(self, item: str, k: int = 10, where: Sequence[Condition] = ()) -> Answer:
        """Items whose vectors are nearest to an item's, itself left out.

        Raises:
            UsageError: there is no such item, or k is below 1.
            StoreError: the store failed.
        """
        row = self.finder.row(item)
        hits = self.index.search(self.catalog.vectors[row], k, where, [row])
        gone = () if self.catalog.available[row] else (f"item {item} itself is withdrawn",)
        notes = (*gone, *self.finder.unknown(where))
        if not len(hits.rows):
            notes += none_left(self.finder, where)
        return self._answer(hits, "similar", notes)

    def search(self, text: str, query: Query | None = None, *, prefix: bool = False) -> Answer:
        """Items by words of their titles, categories and years; with a person, by taste as well.

        Args:
            text: the words; an item is found that holds one or more of them.
            query: how many, under which conditions, and for whom; see ``rank_fusion.fuse`` for
                what their taste does. Without a person the order is BM25's.
            prefix: whether the last word may be the beginning of one.

        Raises:
            UsageError: there is no word in the text; else as of ``recommend``.
            StoreError: the store failed.
        """
        query = query or Query()
        query.check()
        has_person = query.user is not None or query.profile or query.history
        person = self.people.find(query) if has_person else NO_ONE
        barred = self._barred(person, query)
        end = query.offset + query.k
        limit = end if person.vector is None else max(end, POOL)
        found = self.finder.hits(text, query.where, barred, prefix=prefix, limit=limit)
        notes = person.notes + remarks(self.finder, query)
        notes += () if found else self.finder.missed(query.where)
        notes += self.finder.advice(text, empty=not found, prefix=prefix)
        stars: dict[str, float] = {}
        if person.vector is None:
            place = "words"
        else:
            place, notes = self.index.place, self.notes + notes
            found, stars = self._by_taste(text, found, query, person, prefix=prefix)
        items = [
            self._item(rank, self.finder.rows[hit.id], hit.score, stars.get(hit.id))
            for rank, hit in enumerate(found[query.offset : end], start=query.offset + 1)
        ]
        return Answer(items, "search", self.artifact.version, place, notes)

    def _by_taste(
        self, text: str, found: list[Match], query: Query, person: UserVector, *, prefix: bool
    ) -> tuple[list[Match], dict[str, float]]:
        """The hits in the order of words and taste, and the stars predicted of some."""
        assert person.vector is not None
        vector, user = person.vector, query.user if person.kind == "user" else None
        stars: dict[str, float] = {}

        def taste(ids: list[str]) -> np.ndarray:
            if not ids:
                return np.empty(0)
            hits = self.index.search(vector, len(ids), [Only(tuple(ids))])
            ids_found = [self.catalog.items.ids[row] for row in hits.rows]
            if person.rates:
                stars.update(zip(ids_found, map(float, self._stars(hits, user)), strict=True))
            scores = dict(zip(ids_found, map(float, hits.scores), strict=True))
            return np.array([scores.get(id_, -np.inf) for id_ in ids])

        return fuse(self.finder.words, text, found, taste, prefix=prefix), stars

    def _barred(self, person: UserVector, query: Query) -> np.ndarray:
        """Rows that must not be in the answer: int64 [m]."""
        rows = self.finder.rows
        hidden = np.array([rows[id_] for id_ in query.hidden if id_ in rows], dtype=np.int64)
        if self.keeps_seen(query):
            return hidden
        return np.union1d(person.rated, hidden) if len(hidden) else person.rated

    def keeps_seen(self, query: Query) -> bool:
        """Whether what someone has rated or taken may be recommended to them."""
        return query.seen or self.artifact.schema.repeats

    def _popular(
        self, query: Query, barred: np.ndarray, depth: int
    ) -> tuple[Hits, tuple[str, ...]]:
        """The most popular items, then those that nobody has taken yet, the last added first, all
        with their popularity as scores; and what to say of that order. In vectors alone nothing is
        rated, and an order by anything else would pass for a recommendation.
        """
        popularity = self._popularity(query)
        allowed = self.finder.mask(query.where) & self.catalog.available
        allowed[barred] = False
        rows = np.flatnonzero(allowed & ((popularity > 0) | self.artifact.has_towers))
        turn = np.where(rows < len(self.artifact.items), rows, -rows)
        best = rows[np.lexsort((turn, -popularity[rows]))][:depth]
        if not len(best):
            none = why_empty(self.finder, query, barred) if self.artifact.has_towers else ()
            return Hits(best, popularity[best]), none or (NO_COUNTS,)
        share = _share(query.recent.users) if query.recent.takers else 0.0
        why = RECENT.format(share=share) if share else NOBODY
        if self.artifact.schema.events:
            why = why.replace("rated", "taken")
        return Hits(best, popularity[best]), (why,)

    def _popularity(self, query: Query) -> np.ndarray:
        """How popular each item is, float32 [n] in 0..1: how often it was rated in training, as a
        share of the item rated most, mixed with how many took it in the last days, as a share of
        the item taken most.
        """
        takers, rows = np.zeros(len(self.catalog)), self.finder.rows
        for item, users in query.recent.takers.items():
            if item in rows:
                takers[rows[item]] = users
        share, counts = _share(query.recent.users), self.catalog.counts
        mixed = (1 - share) * counts / max(counts.max(initial=0), 1)
        mixed += share * takers / max(takers.max(initial=0), 1)
        return np.asarray(mixed, dtype=np.float32)

    def _answer(
        self,
        hits: Hits,
        kind: AnswerKind,
        notes: tuple[str, ...],
        offset: int = 0,
        stars: np.ndarray | None = None,
    ) -> Answer:
        """An answer of hits; of popular ones each item says by how many it was rated, instead of a
        score.
        """
        items = []
        for n, row in enumerate(hits.rows.tolist()):
            score = None if kind == "popular" else SCALE * float(hits.scores[n])
            item = self._item(
                offset + n + 1, row, score, None if stars is None else float(stars[n])
            )
            if kind == "popular":
                item = replace(item, ratings=int(self.catalog.counts[row]))
            items.append(item)
        place = "counts" if kind == "popular" else self.index.place
        return Answer(items, kind, self.artifact.version, place, self.notes + notes)

    def _stars(self, hits: Hits, user: str | None) -> np.ndarray:
        """Predicted ratings, float [n]: a known user's from the rating head, if there is one."""
        users = None
        if user is not None:
            users = np.full(len(hits.rows), self.artifact.user_positions[user])
        return self.artifact.ratings(users, hits.rows, hits.scores)

    def _item(self, rank: int, row: int, score: float | None, stars: float | None) -> Recommended:
        table, title = self.catalog.items, self.artifact.schema.title
        content = table.row(row)
        name = content.pop(title, "") if title else ""
        return Recommended(rank, table.ids[row], name or table.ids[row], score, stars, content)


def _share(users: int) -> float:
    """How much what these users took counts against what was rated in training: 0..1."""
    return users / (users + EVIDENCE)
