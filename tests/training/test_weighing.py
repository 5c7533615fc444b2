"""Weights of parts: a useful part is found, noise is left out, each figure is the claimed one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from fusionrec.registry.blend import Part
from fusionrec.training import weighing
from fusionrec.training.holdouts import Holdout
from fusionrec.training.parts import FittedPart
from fusionrec.training.weighing import Board, choose_weights

USERS, ITEMS = 300, 80


def drawn(name: str, seed: int, width: int = 4) -> FittedPart:
    """A part whose vectors are random."""
    rng = np.random.default_rng([9, seed])
    users = rng.normal(size=(USERS, width)).astype("f4")
    items = rng.normal(size=(ITEMS, width)).astype("f4")
    return FittedPart(Part(name, "history", width), items, {}, lambda at: users[at])


def scores_of(part: FittedPart) -> np.ndarray:
    """Scores of all users in standard deviations, [USERS, ITEMS]."""
    scores = part.vectors(np.arange(USERS)) @ part.items.T
    scores = scores - scores.mean(axis=1, keepdims=True)
    return scores / scores.std(axis=1, keepdims=True)


def held(scores: np.ndarray, noise: float = 0.5, each: int = 3, *, seen: bool = False) -> Holdout:
    """A holdout whose users took what has the best scores but for some noise."""
    rng = np.random.default_rng(1)
    order = np.argsort(-(scores + rng.normal(scale=noise, size=scores.shape)), axis=1)
    sets = []
    for first in (0, each):
        taken = np.zeros(scores.shape, dtype=bool)
        np.put_along_axis(taken, order[:, first : first + each], True, axis=1)
        sets.append(sparse.csr_array(taken))
    some = sets[1].astype(np.float32) if seen else None
    return Holdout(np.ones(1, dtype=bool), np.arange(USERS), sets[0], some)


NOISE = [drawn(f"noise-{n}", n) for n in range(4)]
PROFILE, ONE, OTHER = drawn("profile", 10), drawn("one", 11), drawn("other", 12)


def test_a_useful_part_is_found_and_noise_is_left_out():
    board = Board([(held(scores_of(ONE)), [*NOISE, ONE, PROFILE])])
    found = choose_weights(board)
    assert found.weights == {"one": 1.0}
    assert max(found.alone, key=found.alone.get) == "one"
    assert found.figure == pytest.approx(found.alone["one"])
    assert (found.users, len(found.values)) == (USERS, USERS)


def test_two_parts_that_both_help_are_joined_and_are_better_than_either():
    both = scores_of(ONE) + 0.6 * scores_of(OTHER)
    found = choose_weights(Board([(held(both), [*NOISE, ONE, OTHER, PROFILE])]))
    assert found.weights.keys() == {"one", "other"}
    assert 0.2 < found.weights["other"] < found.weights["one"] == 1.0
    assert found.figure > max(found.alone["one"], found.alone["other"]) + 0.05


def test_popularity_stands_where_nothing_is_better():
    again = replace(PROFILE, part=Part("taste", "history", 4))
    for parts in ([again, PROFILE], [*NOISE, PROFILE]):
        found = choose_weights(Board([(held(scores_of(PROFILE)), parts)]))
        assert found.weights == {"profile": 1.0}


@pytest.mark.parametrize("seen", [False, True])
def test_a_figure_is_that_of_the_weighed_sum_in_standard_deviations(seen):
    holdout = held(scores_of(ONE), seen=seen)
    board = Board([(holdout, [ONE, OTHER, PROFILE])])
    wanted = holdout.ndcg((scores_of(ONE) + 0.4 * scores_of(OTHER)).astype("f4"))
    assert 0.1 < wanted.mean() < 0.9
    assert_allclose(board.judge({"one": 1.0, "other": 0.4, "profile": 0.0}), wanted, atol=1e-6)


def test_the_best_of_many_items_are_all_that_is_ranked(monkeypatch):
    """The ten best of a part are in its pool, so what one part alone is worth is exact."""
    sides = [(held(scores_of(ONE), seen=True), [ONE, OTHER])]
    dense = Board(sides)
    monkeypatch.setattr(weighing, "DENSE", 40)
    monkeypatch.setattr(weighing, "POOL", 20)
    pooled = Board(sides)
    assert pooled.relevant.shape[1] < ITEMS
    for name in ("one", "other"):
        assert_allclose(pooled.judge({name: 1.0}), dense.judge({name: 1.0}), atol=1e-12)
    both = {"one": 1.0, "other": 0.5}
    assert pooled.judge(both).mean() == pytest.approx(dense.judge(both).mean(), abs=0.01)


def test_blocks_of_users_and_several_holdouts_stand_by_user(monkeypatch):
    holdout, parts = held(scores_of(ONE)), [ONE, OTHER]
    whole = Board([(holdout, parts)]).judge({"one": 1.0})
    monkeypatch.setattr(weighing, "BLOCK", 7)
    sides = [(holdout.take(slice(200, 300)), parts), (holdout.take(slice(0, 200)), parts)]
    assert_array_equal(Board(sides).judge({"one": 1.0}), whole)
