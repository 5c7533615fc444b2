"""Items like one item, of versions made of parts: what goes with it, not what everybody takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from builders import walks
from fusionrec.data.dataset import Table
from fusionrec.data.schema import Field
from fusionrec.models.linear_settings import LinearRecipe, LinearSettings, LinearTraining
from fusionrec.recommend.query import Query, Rated
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.registry.inference.blend import BlendRunner
from fusionrec.training.train import train
from fusionrec.workspace import Workspace
from swap_stress import exact

KINDS = ("tea", "nail", "book")
PAIRS = 24  # an even item is followed by the next odd one; both are of kind n // 2 % 3
BLOCKBUSTER, RARE = 24, 25


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """People take pairs of one kind, and all of them the blockbuster; one took a rare nail, though
    all else that they took is tea.
    """
    rng, lists = np.random.default_rng(0), []
    for user in range(120):
        pairs = rng.permutation(np.arange(user % 3, PAIRS // 2, 3))[:3]
        taken = [item for pair in pairs for item in (2 * pair, 2 * pair + 1)]
        at = int(rng.integers(0, 4)) * 2  # never between the items of a pair
        lists.append([*taken[:at], BLOCKBUSTER, *taken[at:]])
    lists[0].append(RARE)
    data = walks(*lists)
    kinds = [KINDS[n // 2 % 3] for n in range(PAIRS)] + ["tea", "nail"]
    schema = replace(data.schema, fields=(*data.schema.fields, Field("kind", "item", "category")))
    data = replace(data, schema=schema, items=Table(data.items.ids, {"kind": kinds}))
    how = LinearTraining(
        halvings=(1.0,), ridges=(1.0,), weakest=(), validation=0, content_ridge=0.1
    )
    recipe = LinearRecipe(LinearSettings(dims=(26,)), how)
    return train(data, recipe, Workspace(tmp_path_factory.mktemp("similar")))


@pytest.fixture(scope="module")
def recommender(version: Artifact) -> Recommender:
    return exact(version)


def found(recommender: Recommender, item: int) -> list[int]:
    answer = recommender.similar(f"i{item}", k=30)
    scores = [one.score for one in answer.items]
    assert answer.place == "exact"
    assert scores == sorted(scores, reverse=True)
    assert max(abs(score) for score in scores) <= 5  # as cosines are shown
    return [int(one.id[1:]) for one in answer.items]


@pytest.mark.parametrize("item", range(0, PAIRS, 2))
def test_what_goes_with_an_item_is_first_and_the_blockbuster_is_not(item, recommender):
    near = found(recommender, item)
    assert near[0] == item + 1
    assert item not in near
    assert near.index(BLOCKBUSTER) > 0


def test_popularity_counts_by_its_root(recommender, monkeypatch):
    """Without it, what everybody takes would come sooner."""
    places = [found(recommender, item).index(BLOCKBUSTER) for item in range(1, PAIRS, 2)]
    even = np.ones_like(recommender.catalog.counts)
    monkeypatch.setattr("fusionrec.recommend.similar.SUPPORT", 0)
    monkeypatch.setitem(vars(recommender.catalog), "counts", even)
    plain = [found(recommender, item).index(BLOCKBUSTER) for item in range(1, PAIRS, 2)]
    assert np.mean(places) > np.mean(plain)


def test_an_item_that_few_took_goes_by_its_content(recommender, version):
    """And not by the tea that its only buyer took."""
    assert version.item_counts[RARE] == 1
    near = [item for item in found(recommender, RARE) if item != BLOCKBUSTER]
    assert {item // 2 % 3 for item in near[:6]} == {1}


def test_likeness_is_that_of_the_part_of_taste_or_of_the_one_that_reads_histories(version):
    vectors, tower = version.item_vectors, version.user_tower
    assert isinstance(tower, BlendRunner)
    assert_array_equal(version.likeness(vectors), vectors[:, tower.spans["taste"]])

    def of(*names: str) -> Artifact:
        """A version with some of the parts."""
        blend = version.manifest["blend"]
        blend = {**blend, "parts": [part for part in blend["parts"] if part["name"] in names]}
        blend["weights"], blend["newcomers"] = {"next": {}}, {"next": "profile"}
        blend["goal"] = "next"
        return Artifact(version.folder, {**version.manifest, "blend": blend}, version.encoder)

    spans, some = of("next", "profile"), vectors[:3]
    width = tower.spans["next"].stop - tower.spans["next"].start
    assert_array_equal(spans.likeness(some), some[:, :width])
    assert_array_equal(of("profile").likeness(some), some)


def test_a_visitor_is_answered_for_the_next_item(recommender, version):
    """By the order of what they took: the newest item's partner."""
    assert version.goals[0] != "next"
    for item in (0, 6, 14):
        liked = [Rated(f"i{(item + 6) % PAIRS}"), Rated(f"i{item}")]
        assert recommender.people.find(Query(history=liked)).goal == "next"
        known = Query(user=version.users.ids[0], now=1e9)
        assert recommender.people.find(known).goal is None
        answer = recommender.recommend(Query(history=liked))
        assert answer.kind == "history"
        assert answer.items[0].id == f"i{item + 1}"
