"""The answer: a user's vector, a search, and what is known of the items found."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from fusionrec.errors import UsageError
from fusionrec.features.score_scale import SCALE
from fusionrec.index import Condition, Hits, Index, Only
from fusionrec.recommend.answer import Answer, AnswerKind, Recommended
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.categories import Categories
from fusionrec.recommend.explanations import Explainer
from fusionrec.recommend.fulltext import Match
from fusionrec.recommend.item_search import POOL, ItemSearch
from fusionrec.recommend.messages import NO_REASON, none_left, refuse_unknown, remarks, why_empty
from fusionrec.recommend.query import Query, Rated, UserVector
from fusionrec.recommend.rerank import Reranker, check
from fusionrec.recommend.user_vector import UserVectors
from fusionrec.registry import Artifact

__all__ = ["NOBODY", "Answer", "AnswerKind", "Recommended", "Recommender"]

NOBODY = "nothing is known of the person: these are the items rated most often"
RECENT = (
    "nothing is known of the person: these are the items rated most often, where what people took "
    "in the last 30 days counts for {share:.0%}"
)
# People who took something lately until that counts as much as all that was rated in training: a
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
        index: holds their vectors.
        notes: go with every answer, such as why the answer does not come from Milvus.
    """

    def __init__(self, catalog: Catalog, index: Index, notes: Sequence[str] = ()) -> None:
        self.catalog, self.artifact = catalog, catalog.artifact
        self.index, self.notes = index, tuple(notes)
        self.people, self.finder = UserVectors(catalog), ItemSearch(catalog)
        categories = Categories(catalog)
        self.reasons = Explainer(catalog, categories)
        self.reranker = Reranker(catalog, categories)

    def over(self, index: Index, notes: Sequence[str]) -> Self:
        """The same version and items, searched in another index of them; shares all else."""
        made = copy.copy(self)
        made.index, made.notes = index, tuple(notes)
        return made

    def after(self, catalog: Catalog) -> Self:
        """The same version after some changes of its items; what is made of them is updated for
        those that changed, and shared. Its index is still the one of before.
        """
        made = copy.copy(self)
        made.catalog = catalog
        made.people, made.finder = self.people.over(catalog), self.finder.after(catalog)
        categories = Categories(catalog)
        made.reasons = self.reasons.over(catalog, categories)
        made.reranker = Reranker(catalog, categories)
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
            UsageError: as of ``UserVectors.find`` and ``rerank.check``; or there is none of the
                items that are named, and nothing else is known.
            StoreError: the store failed.
        """
        refuse_unknown(self.finder, query)
        return self.recommend_to(self.people.find(query), query)

    def recommend_to(self, person: UserVector, query: Query) -> Answer:
        """The answer to a query whose person was found before; see ``recommend``."""
        depth = self.reranker.depth(query)
        if person.vector is None:
            return self._explained(self._popular(query, person, depth), person, query)
        barred = self._barred(person, query)
        hits = self.index.search(person.vector, depth, query.where, barred)
        hits = self.reranker.page(hits, person, query)
        user = query.user if person.kind == "user" else None
        notes = person.notes + remarks(self.finder, query) + self.reranker.notes(person, query)
        if not len(hits.rows):
            notes += why_empty(self.finder, query, barred)
        answer = self._answer(
            hits, person.kind, notes, user, rated=person.rates, offset=query.offset
        )
        return self._explained(answer, person, query)

    def _explained(self, answer: Answer, person: UserVector, query: Query) -> Answer:
        """The answer with the reasons of its items, if they are asked for."""
        if not query.explain:
            return answer
        rows = np.array([self.finder.rows[item.id] for item in answer.items], dtype=np.int64)
        reasons = self.reasons.of(rows, person, query)
        told = zip(answer.items, reasons, strict=True)
        if answer.items and not any(reasons):
            answer = replace(answer, notes=(*answer.notes, NO_REASON))
        return replace(answer, items=[replace(item, reason=reason) for item, reason in told])

    def similar(self, item: str, k: int = 10, where: Sequence[Condition] = ()) -> Answer:
        """Items whose vectors are nearest to an item's, itself left out.

        Raises:
            UsageError: there is no such item, or k is below 1.
            StoreError: the store failed.
        """
        row = self.finder.rows.get(item)
        if row is None:
            raise UsageError(
                f"item {item!r} is not among the {len(self.finder.rows)} items of "
                f"{self.artifact.version}",
                hint=" ".join(filter(None, [self.finder.guess(item), self.finder.example()])),
            )
        hits = self.index.search(self.catalog.vectors[row], k, where, [row])
        gone = () if self.catalog.available[row] else (f"item {item} itself is withdrawn",)
        notes = (*gone, *self.finder.unknown(where))
        if not len(hits.rows):
            notes += none_left(self.finder, where)
        return self._answer(hits, "similar", notes, rated=False)

    def search(self, text: str, query: Query | None = None, *, prefix: bool = False) -> Answer:
        """Items by words of their titles, categories and years; with a person, by taste as well.

        Args:
            text: the words; an item is found that holds one or more of them.
            query: how many, under which conditions, and for whom; see ``ItemSearch.by_taste`` for
                what their taste does. Without a person the order is BM25's.
            prefix: whether the last word may be the beginning of one.

        Raises:
            UsageError: there is no word in the text; else as of ``recommend``.
            StoreError: the store failed.
        """
        query = query or Query()
        check(query)
        told = query.user is not None or query.profile or query.history
        person = self.people.find(query) if told else NO_ONE
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
            held = [self.catalog.items.ids[row] for row in hits.rows]
            if person.rates:
                stars.update(zip(held, map(float, self._stars(hits, user)), strict=True))
            scores = dict(zip(held, map(float, hits.scores), strict=True))
            return np.array([scores.get(id_, -np.inf) for id_ in ids])

        return self.finder.by_taste(text, found, taste, prefix=prefix), stars

    def named(self, history: Sequence[Rated]) -> list[Rated]:
        """What someone rated, with ids where they gave titles; what is called by neither stays.

        Raises:
            UsageError: several items may be meant; the hint says which.
        """
        return [replace(one, item=self.finder.item(one.item) or one.item) for one in history]

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

    def _popular(self, query: Query, person: UserVector, depth: int) -> Answer:
        """The most popular items, then those that nobody has taken yet, what was added last first:
        all that can be said to someone of whom nothing is known. In vectors alone nothing is rated,
        and an order by anything else would pass for a recommendation.
        """
        counts, popularity = self.catalog.counts, self._popularity(query)
        allowed = self.finder.mask(query.where) & self.catalog.available
        allowed[self._barred(person, query)] = False
        rows = np.flatnonzero(allowed & ((popularity > 0) | self.artifact.has_towers))
        turn = np.where(rows < len(self.artifact.items), rows, -rows)
        best = rows[np.lexsort((turn, -popularity[rows]))][:depth]
        page = self.reranker.page(Hits(best, popularity[best]), person, query)
        items = [
            replace(self._item(rank, row, None, None), ratings=int(counts[row]))
            for rank, row in _ranked(page.rows, query.offset)
        ]
        share = _share(query.recent.users) if query.recent.takers else 0.0
        why: tuple[str, ...] = (RECENT.format(share=share) if share else NOBODY,)
        if self.artifact.schema.events:
            why = (why[0].replace("rated", "taken"),)
        if not len(best):
            empty = why_empty(self.finder, query, self._barred(person, query))
            why = empty if self.artifact.has_towers else (NO_COUNTS,)
        notes = (*self.notes, *person.notes, *remarks(self.finder, query))
        notes = (*notes, *self.reranker.notes(person, query), *why)
        return Answer(items, "popular", self.artifact.version, "counts", notes)

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
        user: str | None = None,
        *,
        rated: bool,
        offset: int = 0,
    ) -> Answer:
        stars = self._stars(hits, user) if rated else None
        items = []
        for rank, row in _ranked(hits.rows, offset):
            place = rank - offset - 1
            score = SCALE * float(hits.scores[place])
            predicted = None if stars is None else float(stars[place])
            items.append(self._item(rank, row, score, predicted))
        return Answer(items, kind, self.artifact.version, self.index.place, self.notes + notes)

    def _stars(self, hits: Hits, user: str | None) -> np.ndarray:
        """Predicted ratings, float [n]: a known user's from the rating head, if there is one."""
        users = None
        if user is not None:
            users = np.full(len(hits.rows), self.artifact.user_positions[user])
        return predicted(self.artifact, users, hits.rows, hits.scores)

    def _item(self, rank: int, row: int, score: float | None, stars: float | None) -> Recommended:
        table, title = self.catalog.items, self.artifact.schema.title
        content = table.row(row)
        name = content.pop(title, "") if title else ""
        return Recommended(rank, table.ids[row], name or table.ids[row], score, stars, content)


def predicted(
    artifact: Artifact, users: np.ndarray | None, items: np.ndarray, cosines: np.ndarray
) -> np.ndarray:
    """Predicted ratings, float64 [n]: known users' from the rating head, if there is one.

    Args:
        artifact: a version whose scores predict ratings.
        users: int [n], positions; None where they are of no known user.
        items: int [n], positions in the catalog.
        cosines: float [n], of the users' and items' vectors.
    """
    by_score = artifact.scores.rating(SCALE * np.asarray(cosines, dtype=np.float64))
    head = artifact.rating_head if users is not None else None
    if users is None or head is None:
        return by_score
    return head.rating(users, items, by_score, *artifact.schema.rating_range)


def _share(users: int) -> float:
    """How much what these users took counts against what was rated in training: 0..1."""
    return users / (users + EVIDENCE)


def _ranked(rows: np.ndarray, offset: int) -> list[tuple[int, int]]:
    return [(rank, int(row)) for rank, row in enumerate(rows, start=offset + 1)]
