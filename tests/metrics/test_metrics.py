"""Metrics against an independent library, worked examples, and what must hold of any ranking."""

from __future__ import annotations

from typing import Any

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, R, Success, nDCG

from fusionrec import metrics
from fusionrec.errors import UsageError
from fusionrec.metrics import CatalogStats, ItemSets, Ranked, Ranking

KS = (1, 3, 10, 60)  # the last is beyond every catalog here


def random_case(seed: int, users: int = 30, items: int = 40, levels: int | None = None) -> Any:
    """Scores (few ``levels``: with ties), relevant and excluded sets; some users want nothing."""
    rng = np.random.default_rng(seed)
    scores = rng.permuted(np.tile(np.arange(items, dtype=np.float64), (users, 1)), axis=1)
    if levels:
        scores = np.floor(scores * levels / items)
    relevant = rng.random((users, items)) < rng.choice([0, 0.05, 0.3, 0.9], (users, 1))
    seen = (rng.random((users, items)) < 0.2) & ~relevant
    return scores, as_sets(relevant), as_sets(seen)


def as_sets(mask: np.ndarray) -> ItemSets:
    """The sets of a mask, bool [users, items]."""
    return ItemSets.of(*np.nonzero(mask), len(mask))


def rank(scores: np.ndarray, relevant: ItemSets, **options: Any) -> Ranked:
    """Everything of everybody in one block."""
    ranking = Ranking(relevant, scores.shape[1], **options)
    ranking.add(np.arange(len(scores)), scores)
    return ranking.result()


def of_all(ranked: Ranked) -> dict[str, np.ndarray]:
    """Every metric per user, under the independent library's names."""
    found = {"RR": ranked.reciprocal_rank()}
    for k in KS:
        found |= {
            f"Success@{k}": ranked.hit_rate(k),
            f"R@{k}": ranked.recall(k),
            f"nDCG@{k}": ranked.ndcg(k),
            f"AP@{k}": ranked.average_precision(k),
        }
    return found


def by_library(scores: np.ndarray, relevant: ItemSets, seen: ItemSets) -> dict[str, np.ndarray]:
    """The same by ir-measures, ties made apart by row; NaN where it has no answer."""
    users, items = scores.shape
    run, qrels = {}, {}
    for u in range(users):
        ranked = np.lexsort((np.arange(items), -scores[u])).tolist()
        left_out = set(seen.take(np.array([u])).items.tolist())
        ranked = [i for i in ranked if i not in left_out]
        run[str(u)] = {str(i): float(items - place) for place, i in enumerate(ranked)}
        wanted = relevant.take(np.array([u])).items
        if len(wanted):
            qrels[str(u)] = {str(i): 1 for i in wanted}
    measures = [RR, *(m @ k for m in (Success, R, nDCG, AP) for k in KS)]
    found = {str(m): np.full(users, np.nan) for m in measures}
    for answer in ir_measures.iter_calc(measures, qrels, run):
        found[str(answer.measure)][int(answer.query_id)] = answer.value
    return found


@pytest.mark.parametrize("levels", [None, 7, 1], ids=["no ties", "ties", "all tied"])
@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_an_independent_library(seed: int, levels: int | None) -> None:
    scores, relevant, seen = random_case(seed, levels=levels)
    ours = of_all(rank(scores, relevant, exclude=seen))
    for name, value in by_library(scores, relevant, seen).items():
        np.testing.assert_allclose(ours[name], value, rtol=0, atol=1e-9, err_msg=name)
    assert np.isnan(ours["R@3"]).any(), "no user without targets in this case"


@pytest.mark.parametrize("levels", [None, 5, 1])
def test_lists_are_those_of_a_stable_sort(levels: int | None) -> None:
    scores, relevant, _ = random_case(3, levels=levels)
    order = np.argsort(-scores, axis=1, kind="stable")
    np.testing.assert_array_equal(rank(scores, relevant, k=7).best, order[:, :7])
    np.testing.assert_array_equal(metrics.top(scores, 7), order[:, :7])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_blocks_and_lists_say_what_one_block_says(dtype: type) -> None:
    scores, relevant, seen = random_case(5, levels=9)
    scores = scores.astype(dtype)
    before = scores.copy()
    whole = rank(scores, relevant, exclude=seen, k=40)
    blocks, lists = (Ranking(relevant, 40, k=40, exclude=seen) for _ in range(2))
    for users in np.array_split(np.arange(len(scores)), 4):
        blocks.add(users, scores[users])
        lists.add_lists(users, whole.best[users])
    for other in (blocks.result(), lists.result()):
        for name in ("users", "best", "offsets", "target", "ranks"):
            np.testing.assert_array_equal(getattr(other, name), getattr(whole, name))
    np.testing.assert_array_equal(scores, before)


def test_a_short_list_ranks_what_it_holds_and_nothing_else() -> None:
    ranking = Ranking(as_sets(np.array([[True, False, True, True]])), 4, k=2)
    ranking.add_lists(np.array([0]), np.array([[3, 1, 0, -1]]))
    ranked = ranking.result()
    assert ranked.target.tolist() == [3, 0, 2]
    assert ranked.ranks.tolist() == [1, 3, np.inf]
    assert ranked.best.tolist() == [[3, 1]]
    assert ranked.recall(100).tolist() == pytest.approx([2 / 3])


def test_minus_infinity_is_never_shown_and_candidates_alone_are() -> None:
    scores = np.array([[3.0, -np.inf, 2.0, 9.0]])
    wanted = as_sets(np.array([[False, True, True, False]]))
    ranked = rank(scores, wanted, candidates=np.array([True, True, True, False]), k=4)
    assert ranked.best.tolist() == [[0, 2, -1, -1]]
    assert ranked.ranks.tolist() == [2, np.inf]


def test_errors_of_ratings() -> None:
    assert metrics.rmse(np.array([1.0, 2.0]), np.array([2.0, 4.0])) == pytest.approx(2.5**0.5)
    assert metrics.mae(np.array([1.0, 2.0]), np.array([2.0, 4.0])) == 1.5


def test_a_constant_scorer_scores_as_chance_does() -> None:
    rng = np.random.default_rng(0)
    users, items, k = 4000, 50, 10
    # The catalog's order has to do with relevance: the first items are the most relevant.
    target = np.minimum(rng.geometric(0.1, users) - 1, items - 1)
    relevant = ItemSets.of(np.arange(users), target, users)
    flat = np.zeros((users, items))
    in_order = rank(flat, relevant, k=k)
    assert in_order.ranks.tolist() == (target + 1).tolist()  # its place in the catalog, no better
    shuffled = ItemSets.of(np.arange(users), rng.integers(items, size=users), users)
    assert metrics.mean(rank(flat, shuffled).hit_rate(k)) == pytest.approx(k / items, abs=0.02)
    assert metrics.mean(rank(flat, shuffled).reciprocal_rank()) == pytest.approx(
        (1 / np.arange(1, items + 1)).mean(), abs=0.01
    )


def test_a_tie_order_is_what_a_shuffled_catalog_gives() -> None:
    scores, relevant, seen = random_case(7, levels=4)
    order = np.random.default_rng(0).permutation(40)
    column = np.argsort(order)
    user, item = relevant.pairs()
    moved = ItemSets.of(user, column[item], len(relevant))
    barred = ItemSets.of(seen.pairs()[0], column[seen.items], len(seen))
    ours = rank(scores, relevant, exclude=seen, tie_order=order, k=5)
    theirs = rank(scores[:, order], moved, exclude=barred, k=5)
    np.testing.assert_array_equal(ours.ranks, theirs.ranks)
    np.testing.assert_array_equal(ours.best, np.where(theirs.best < 0, -1, order[theirs.best]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([None, 1, 3, 9]), st.integers(1, 60))
def test_a_better_score_for_what_is_relevant_never_makes_a_metric_worse(
    seed: int, levels: int | None, k: int
) -> None:
    scores, relevant, seen = random_case(seed, users=8, items=12, levels=levels)
    before = of_all(rank(scores, relevant, exclude=seen, k=k))
    scores[relevant.pairs()] += 1.5
    better = of_all(rank(scores, relevant, exclude=seen, k=k))
    some = relevant.counts > 0
    for name, value in before.items():
        assert (np.isnan(value) == ~some).all(), name
        assert (better[name] >= value - 1e-12)[some].all(), name
        assert ((value >= 0) & (value <= 1 + 1e-12))[some].all(), name


def test_lists_of_everybody() -> None:
    best = np.array([[0, 1], [0, 2], [0, -1]])
    shown = metrics.exposure(best, 4)
    assert shown.tolist() == [3, 1, 1, 0]
    assert metrics.coverage(shown) == 0.75
    # Shares 0, .2, .2, .6 with weights -3, -1, 1, 3 over n - 1 = 3.
    assert metrics.gini(shown) == pytest.approx((-0.2 + 0.2 + 1.8) / 3)
    assert metrics.gini(np.array([5, 5, 5])) == 0
    assert metrics.gini(np.array([0, 0, 7])) == pytest.approx(1)
    assert np.isnan(metrics.gini(np.array([0, 0])))
    count = np.array([8, 4, 4, 0])
    assert metrics.popularity_percentile(count).tolist() == pytest.approx([1, 0.5, 0.5, 0])
    assert metrics.shown_percentile(best, count).tolist() == pytest.approx([0.75, 0.75, 1])
    assert metrics.novelty(best, count, 16).tolist() == pytest.approx([1.5, 1.5, 1])
    assert np.isfinite(metrics.novelty(np.array([[3]]), count, 16)).all()


def test_diversity_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.random((20, 6)) < 0.4).astype(float)
    vectors[3] = 0
    best = np.array([rng.permutation(20)[:5] for _ in range(10)])
    best[0, 3:], best[1, 1:] = -1, -1
    found = metrics.diversity(best, vectors)
    for u, row in enumerate(best):
        listed = [vectors[i] for i in row if i >= 0]
        far = [
            1 - (a @ b) / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-9)
            for m, a in enumerate(listed)
            for b in listed[:m]
        ]
        assert found[u] == pytest.approx(np.mean(far) if far else np.nan, nan_ok=True)


def test_strata_share_the_ratings_and_groups_share_the_users() -> None:
    count = np.array([1, 50, 0, 30, 20, 9, 10])
    stratum = metrics.popularity_strata(count, 3)
    assert stratum.tolist() == [2, 0, 2, 1, 2, 2, 2]
    scores, relevant, _ = random_case(2, items=7)
    ranked = rank(scores, relevant, k=3)
    catalog = CatalogStats(count, 60, vectors=np.eye(7))
    found = metrics.by_stratum(ranked, catalog, stratum, ks=(3,))
    assert sum(part["share@3"] for part in found.values()) == pytest.approx(1)
    mask = np.zeros((30, 7), dtype=bool)
    mask[relevant.pairs()] = True
    tail = rank(scores, as_sets(mask & (stratum == 2)), k=3)
    assert found[2]["ndcg@3"] == pytest.approx(metrics.mean(tail.ndcg(3)))
    labels = np.arange(30) % 2
    groups = metrics.by_group(labels, lambda rows: metrics.figures(ranked.take(rows), catalog))
    odd = rank(scores[1::2], as_sets(mask[1::2]), k=3)
    assert list(groups) == ["0", "1"]
    assert groups["1"]["mrr"] == pytest.approx(metrics.mean(odd.reciprocal_rank()))
    everybody = metrics.figures(ranked, catalog, ks=(3,))
    lists = ("coverage", "gini", "percentile", "novelty", "diversity")
    assert set(everybody) == {f"{n}@3" for n in ("hr", "recall", "ndcg", "map", *lists)} | {"mrr"}
    assert everybody["diversity@3"] == 1


ZEROS = np.zeros((2, 3))
ONE = ItemSets.of(np.array([0]), np.array([1]), 2)  # of two users, with one relevant item


def bad(scores: Any = ZEROS, relevant: Any = ONE, users: Any = (0, 1), **options: Any) -> Any:
    """Ranks a small good case with something changed."""
    ranking = Ranking(relevant, 3, **options)
    ranking.add(np.array(users), scores)
    return ranking.result()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"scores": np.array([[0, np.nan, 0]] * 2)}, "NaN"),
        ({"scores": np.zeros((2, 4))}, r"\[2, 3\]"),
        ({"users": (0, 0)}, "twice"),
        ({"k": 0}, "k must be 1"),
        ({"candidates": np.array([True, False, True])}, "1 relevant"),
        ({"candidates": np.array([1, 1, 1])}, "candidates must be bool"),
        ({"tie_order": np.array([0, 1, 1])}, "once"),
        ({"exclude": ONE}, "both relevant"),
        ({"exclude": ItemSets.of(np.array([0]), np.array([1]), 3)}, "3 excluded"),
        ({"relevant": ItemSets.of(np.array([0]), np.array([3]), 2)}, "below 3"),
    ],
)
def test_bad_input_is_an_error(changes: dict[str, Any], says: str) -> None:
    bad()
    with pytest.raises(UsageError, match=says):
        bad(**changes)


@pytest.mark.parametrize(
    ("best", "says"),
    [([[0, 0]], "twice"), ([[0, 3]], "lie in"), ([[0]], "or more"), ([[2, 0]], "excluded")],
)
def test_bad_lists_are_an_error(best: list[list[int]], says: str) -> None:
    seen = ItemSets.of(np.array([0]), np.array([2]), 1)
    ranking = Ranking(ItemSets.of(np.array([0]), np.array([1]), 1), 3, k=2, exclude=seen)
    with pytest.raises(UsageError, match=says):
        ranking.add_lists(np.array([0]), np.array(best))


def test_more_bad_input_is_an_error() -> None:
    three = np.array([1.0, 2.0, np.nan])
    for call in (
        lambda: metrics.rmse(three, np.ones(3)),
        lambda: metrics.mae(np.ones(2), np.ones(3)),
        lambda: metrics.rmse(np.ones(0), np.ones(0)),
        lambda: metrics.top(np.ones((1, 3)), 0),
        lambda: rank(np.zeros((2, 3)), ONE).ndcg(0),
        lambda: metrics.popularity_strata(np.ones(3, int), 0),
        lambda: metrics.novelty(np.array([[0]]), np.array([5]), 4),
        lambda: ItemSets.of(np.array([5]), np.array([0]), 5),
        lambda: ItemSets.of(np.array([5]), np.array([0, 1]), 9),
        lambda: Ranking(ONE, 3).result(),
    ):
        with pytest.raises(UsageError):
            call()


def test_pairs_that_come_twice_count_once_and_sets_can_be_taken() -> None:
    sets = ItemSets.of(np.array([2, 0, 2, 2]), np.array([5, 1, 3, 5]), 4)
    assert sets.counts.tolist() == [1, 0, 2, 0]
    some = sets.take(np.array([2, 1, 0]))
    assert some.offsets.tolist() == [0, 2, 2, 3]
    assert some.items.tolist() == [3, 5, 1]
