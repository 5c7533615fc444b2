"""Another order of the same hits: what it must change, and what it never may."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import LIBRARY
from fusionrec.data.dataset import Table
from fusionrec.errors import UsageError
from fusionrec.features.history import History
from fusionrec.index import ExactIndex, Hits
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.categories import Categories
from fusionrec.recommend.query import Query, Rated, UserVector
from fusionrec.recommend.rerank import (
    FADE,
    NO_TASTE,
    POOL,
    Pool,
    Reranker,
    divergence,
    order,
    spread,
)
from swap_stress import exact

SHARES = st.floats(0, 1)


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    """Any pool of up to 30 hits, equal vectors and relevances among them."""
    count, seed = draw(st.integers(0, 30)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-2, 3, (count, 3)).astype(np.float32) + np.float32(0.1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    held = rng.random((count, 4)) < 0.4
    parts = held / np.maximum(held.sum(axis=1, keepdims=True), 1)
    target = rng.dirichlet(np.ones(4)) if draw(st.booleans()) else None
    relevance = np.sort(rng.integers(0, 5, count) / 4)[::-1]
    return Pool(relevance, vectors, parts, target)


def worth(pool: Pool, chosen: list[int], one: int, diversity: float, calibration: float) -> float:
    """What the formula gives an item behind those that were chosen, pair by pair."""
    likeness = spread(pool.vectors @ pool.vectors.T)
    nearest = max((likeness[other, one] for other in chosen), default=0.0)
    value = (1 - diversity) * pool.relevance[one] - diversity * nearest
    if not calibration or pool.target is None:
        return value
    mixed = pool.parts[[*chosen, one]].sum(axis=0)
    share = mixed / mixed.sum() if mixed.sum() else mixed
    found = 0.99 * share + 0.01 * pool.target
    lost = sum(p * np.log(p / q) for p, q in zip(pool.target, found, strict=True) if p > 0)
    return (1 - calibration) * value - calibration * lost


@settings(deadline=None)
@given(pools(), st.integers(0, 30), SHARES, SHARES)
def test_every_hit_is_in_the_order_once_and_more_picks_begin_alike(
    pool, picks, diversity, calibration
):
    count = len(pool.relevance)
    picks = min(picks, count)
    found = order(pool, picks, diversity=diversity, calibration=calibration)
    assert sorted(found.tolist()) == list(range(count))
    assert np.all(np.diff(found[picks:]) > 0)  # what was not chosen keeps its order
    whole = order(pool, count, diversity=diversity, calibration=calibration)
    assert found[:picks].tolist() == whole[:picks].tolist()


@settings(max_examples=60, deadline=None)
@given(pools(), st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0]), st.sampled_from([0.0, 0.3, 0.9]))
def test_the_order_is_that_of_the_formula(pool, diversity, calibration):
    count = len(pool.relevance)
    found = order(pool, count, diversity=diversity, calibration=calibration).tolist()
    for n, one in enumerate(found):
        left = found[n:]
        worths = [worth(pool, found[:n], other, diversity, calibration) for other in left]
        assert worths[0] == pytest.approx(max(worths), abs=1e-6)
        if not (calibration or (diversity and n)):  # of equal ones the first
            assert one == min(left)


def test_divergence():
    target = np.array([0.7, 0.3, 0.0])
    lists = np.array([[7.0, 3.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 4.0], [0.0, 0.0, 0.0]])
    same, half, other, nothing = divergence(target, lists)
    assert same == pytest.approx(0, abs=1e-12)
    by_hand = 0.7 * np.log(0.7 / (0.495 + 0.007)) + 0.3 * np.log(0.3 / (0.495 + 0.003))
    assert half == pytest.approx(by_hand)
    assert other == nothing == pytest.approx(np.log(100))


# --- whole answers --------------------------------------------------------------------------------

COUNT, DIM = 160, 8
PERSON = np.eye(DIM)[0]


def planted(topics: list[tuple[str, ...]], vectors: np.ndarray) -> Any:
    """A version of nothing but items."""
    count = len(vectors)
    columns = {name: [""] * count for name in ("shelf", "heading")}
    columns |= {name: [float("nan")] * count for name in ("pages", "rank")}
    return SimpleNamespace(
        schema=LIBRARY,
        version="v1",
        items=Table([f"i{n}" for n in range(count)], columns | {"topics": topics}),
        item_vectors=vectors,
        item_counts=np.arange(count)[::-1] + 1,
        likeness=lambda vectors: vectors,
    )


def clusters() -> np.ndarray:
    """Even items near to each other, odd ones too; every even item is a better hit than any odd one
    of the first eighty, in the order of their rows.
    """
    rng = np.random.default_rng(0)
    vectors = rng.normal(0, 0.01, (COUNT, DIM))
    score = np.where(np.arange(COUNT) % 2, 0.7, 0.8) - np.arange(COUNT) / 2000
    vectors[:, 0] = 0
    vectors[np.arange(COUNT), 1 + np.arange(COUNT) % 2] += 1
    vectors *= (np.sqrt(1 - score**2) / np.linalg.norm(vectors, axis=1))[:, None]
    vectors[:, 0] = score
    return vectors.astype(np.float32)


class Fixed:
    """Hits of one fixed person, by reranker and exact index."""

    def __init__(self, history: dict[int, float] | None = None, odd: str = "sea") -> None:
        topics = [(odd if n % 2 else "garden",) for n in range(COUNT)]
        artifact = planted(topics, clusters())
        here = np.ones(COUNT, dtype=bool)
        catalog = Catalog(artifact, 0, artifact.items, artifact.item_vectors, here)
        self.index = ExactIndex(LIBRARY, artifact.items, artifact.item_vectors)
        self.reranker = Reranker(catalog, Categories(catalog))
        rated = history or {}
        held = History.of(list(rated), list(rated.values()))
        self.person = UserVector(PERSON, "user", held.items, history=held)

    def ask(self, query: Query) -> Hits:
        depth = self.reranker.depth(query)
        hits = self.index.search(PERSON, depth)
        hits = self.reranker.order(hits, self.person, query) if query.reorders else hits
        end = query.offset + query.k
        return Hits(hits.rows[query.offset : end], hits.scores[query.offset : end])


def test_two_clusters_are_both_shown_with_diversity():
    plain = Fixed().ask(Query(k=6)).rows
    assert set(plain % 2) == {0}
    diverse = Fixed().ask(Query(k=6, diversity=0.5)).rows
    assert set(diverse % 2) == {0, 1}
    assert diverse[0] == plain[0]


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_calibration_moves_the_mix_to_the_history(share):
    sea = round(10 * share)
    history = dict.fromkeys(range(101, 101 + 2 * sea, 2), 9.0)
    history |= dict.fromkeys(range(100, 100 + 2 * (10 - sea), 2), 9.0)
    history |= dict.fromkeys(range(131, 151, 2), 1.0)  # disliked: of no account
    fixed = Fixed(history)
    assert np.mean(fixed.ask(Query(k=10)).rows % 2) == 0
    somewhat, wholly = (fixed.ask(Query(k=10, calibration=c)).rows % 2 for c in (0.8, 0.99))
    assert 0 < np.mean(somewhat) < share
    assert np.mean(wholly) == pytest.approx(share, abs=0.11)
    hidden = [f"i{n}" for n in history if n % 2]
    alone = fixed.ask(Query(k=10, calibration=0.99, hidden=hidden))
    assert np.mean(alone.rows % 2) == 0


def test_calibration_without_a_history_is_off_and_said_to_be():
    fixed, query = Fixed({4: 1.0}), Query(k=10, calibration=0.9)
    assert fixed.ask(query).rows.tolist() == fixed.ask(Query(k=10)).rows.tolist()
    assert fixed.reranker.notes(fixed.person, query) == (NO_TASTE,)
    assert fixed.reranker.notes(fixed.person, Query(k=10)) == ()
    known = Fixed({4: 9.0})
    assert known.reranker.notes(known.person, query) == ()


def test_what_was_shown_in_vain_sinks_and_keeps_its_score():
    fixed = Fixed()
    plain = fixed.ask(Query(k=10))
    best, second = (f"i{row}" for row in plain.rows[:2])
    once = fixed.ask(Query(k=10, fresh={best: 1, "none": 3}))
    often = fixed.ask(Query(k=10, fresh={best: 9}))
    assert once.rows[0] == plain.rows[1]
    assert plain.rows[0] not in often.rows
    scores = dict(zip(plain.rows.tolist(), plain.scores.tolist(), strict=True))
    for row, score in zip(once.rows.tolist(), once.scores.tolist(), strict=True):
        assert scores.get(row, score) == score
    both = fixed.ask(Query(k=10, fresh={best: 2, second: 2}))
    sunk = [row for row in plain.rows[2:].tolist() if row in both.rows]
    assert sunk == both.rows[: len(sunk)].tolist()  # the others keep their order
    pool = spread(fixed.index.search(PERSON, POOL).scores)
    wanted = np.argsort(-np.r_[FADE, pool[1:]], kind="stable")[:10]
    assert once.rows.tolist() == fixed.index.search(PERSON, POOL).rows[wanted].tolist()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 60), SHARES, SHARES,
    st.dictionaries(st.integers(0, COUNT - 1).map("i{}".format), st.integers(0, 9), max_size=9),
)  # fmt: skip
def test_pages_follow_each_other_without_gap_or_overlap(k, diversity, calibration, fresh):
    fixed = Fixed({1: 9.0, 3: 8.0, 4: 9.0})
    query = Query(k=k, diversity=diversity, calibration=calibration, fresh=fresh)
    pages = [fixed.ask(replace(query, offset=offset)).rows for offset in range(0, COUNT + k, k)]
    assert all(len(page) == k for page in pages[: COUNT // k])  # never shorter
    assert sorted(np.concatenate(pages).tolist()) == list(range(COUNT))
    whole = fixed.index.search(PERSON, COUNT).rows
    behind = np.concatenate(pages)[max(POOL, 5 * k) :]
    assert behind.tolist() == whole[max(POOL, 5 * k) :].tolist()


@pytest.mark.parametrize(
    "wish",
    [{"diversity": -0.1}, {"diversity": 1.1}, {"calibration": 2.0}, {"calibration": float("nan")},
     {"offset": -1}, {"k": 0}],
)  # fmt: skip
def test_what_cannot_be_is_refused(published, wish):
    recommender = exact(published)
    for query in (Query("10", **wish), Query(**wish)):
        with pytest.raises(UsageError, match=f"{next(iter(wish))} must be"):
            recommender.recommend(query)


@pytest.mark.parametrize(
    "wish", [{}, {"diversity": 0.4}, {"calibration": 0.4}, {"fresh": {"9": 2}}]
)
@pytest.mark.parametrize("who", [{"user": "10"}, {"history": [Rated("7", 5.0)]}, {}])
def test_pages_of_an_answer_continue_its_ranks(published, who, wish):
    recommender = exact(published)
    pages = [
        recommender.recommend(Query(**who, **wish, k=7, offset=n)).items for n in range(0, 49, 7)
    ]
    items = [item for page in pages for item in page]
    assert [item.rank for item in items] == list(range(1, len(items) + 1))
    plain = recommender.recommend(Query(**who, k=100)).items
    assert {item.id for item in items} == {item.id for item in plain}
    assert len({item.id for item in items}) == len(items)
    told = {item.id: (item.score, item.stars, item.ratings) for item in plain}
    for item in items:
        assert (item.score, item.stars, item.ratings) == pytest.approx(told[item.id])
    if not wish:
        assert [item.id for item in items] == [item.id for item in plain]


def test_pages_of_a_search(published):
    recommender = exact(published)
    for who in ({}, {"user": "10"}):
        query = Query(**who, k=40, seen=True)
        whole = recommender.search("drama comedy", query).items
        pages = [replace(query, k=3, offset=n) for n in range(0, 42, 3)]
        found = [i for page in pages for i in recommender.search("drama comedy", page).items]
        assert len(found) > 6
        assert [(i.rank, i.id) for i in found] == [(i.rank, i.id) for i in whole]
