"""Where people take things again, what they took before gains in every list, by one sum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from event_data import data_set, schema
from fusionrec.data.dataset import Dataset
from fusionrec.evaluation.model_source import ModelRanker, TrainOnSplit
from fusionrec.evaluation.protocols import ProtocolOptions, named
from fusionrec.evaluation.run import evaluate
from fusionrec.features.history import History
from fusionrec.index import Only
from fusionrec.ledger import Ledger
from fusionrec.models.linear_settings import LinearRecipe
from fusionrec.models.presets import PRESETS
from fusionrec.recommend.batch import BatchRecommender, joined
from fusionrec.recommend.feedback import Feedback
from fusionrec.recommend.query import Query, Rated
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.registry.blend import REPEATS
from fusionrec.training.train import train
from fusionrec.workspace import Workspace
from swap_stress import exact, ids

QUICK = PRESETS["linear"]["quick"]
assert isinstance(QUICK, LinearRecipe)
WEEK = 7 * 86_400


def staples(users: int = 80, weeks: int = 16, items: int = 40) -> Dataset:
    """Every week each user buys one thing: mostly one of two that nobody else need like."""
    rng, rows = np.random.default_rng(0), []
    for user in range(users):
        own = rng.permutation(items)[:2]
        bought = np.where(
            rng.random(weeks) < 0.6, rng.choice(own, weeks), rng.integers(items, size=weeks)
        )
        rows += [(user, item, week * WEEK + user) for week, item in enumerate(bought)]
    user, item, time = np.array(rows).T
    return data_set(schema(repeats=True), user, item, time=time.astype(np.int64))


DATA = staples()


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return train(DATA, QUICK, Workspace(tmp_path_factory.mktemp("repeats")))


@pytest.fixture(scope="module")
def asked(version: Artifact) -> Recommender:
    return exact(version)


def test_what_each_user_takes_most_often_comes_first(asked, version):
    assert version.manifest["blend"]["weights"]["later"][REPEATS] > 0
    for user in range(40):
        counts = np.bincount(version.histories.of(user).items)
        answer = asked.recommend(Query(user=f"u{user}", k=5, explain=True))
        assert counts[int(ids(answer)[0][1:])] == counts.max()
        assert answer.items[0].reason.kind == "again"


def test_a_score_is_the_inner_product_and_what_was_taken_before(asked, version):
    person = asked.person(Query(user="u7"))
    rows, gains = person.repeats
    taken, counts = np.unique(version.histories.of(7).items, return_counts=True)
    assert_array_equal(rows, taken)
    assert (gains > 0).all()
    # Gains are as the logarithms of the counts, on one scale.
    assert_allclose(gains / gains[0], np.log1p(counts) / np.log1p(counts[0]), rtol=1e-5)
    scores = version.item_vectors @ person.vector
    scores[rows] += gains
    best = np.argsort(-scores, kind="stable")[:12]
    answer = asked.recommend_to(person, Query(user="u7", k=12))
    assert ids(answer) == [version.items.ids[row] for row in best]
    assert_allclose([item.score for item in answer.items], 5 * scores[best], atol=1e-5)


def test_in_standard_deviations_the_parts_stand_in_their_weights(version):
    weights = dict(version.blend.weights["later"])
    history = version.histories.of(3)
    vector = version.vectors_of(["u3"], {}, [history])[0]
    rows, gains = version.repeats(vector, history)
    added = np.zeros(len(version.items))
    added[rows] = gains
    share = added.std() / weights.pop(REPEATS)
    for name, weight in weights.items():
        span = version.blend.spans()[name]
        spread = (version.item_vectors[:, span] @ vector[span]).std()
        assert spread / weight == pytest.approx(share, rel=1e-3)


def test_everybodys_lists_are_those_of_each(asked, version, tmp_path):
    feedback = Feedback(Ledger(Workspace(tmp_path).ledger))
    everyone = BatchRecommender(
        asked, feedback, Query(k=6, where=[Only(("i1", "i2", "i9", "i12"))])
    )
    rows = joined([lists for lists, _ in everyone.lists()])
    for position, user in enumerate(version.users.ids):
        answer = asked.recommend(Query(user=user, k=6, where=everyone.query.where))
        found = rows[rows["user"] == position]
        assert [version.items.ids[row] for row in found["item"]] == ids(answer)
        assert_allclose(found["score"], [item.score for item in answer.items], atol=1e-5)


def test_conditions_and_what_is_hidden_hold_for_what_was_taken_before(asked):
    first = ids(asked.recommend(Query(user="u5", k=5)))[0]
    assert first not in ids(asked.recommend(Query(user="u5", k=40, hidden={first})))
    only = tuple({f"i{n}" for n in range(40)} - {first})
    assert first not in ids(asked.recommend(Query(user="u5", k=40, where=[Only(only)])))


def test_what_else_people_like_is_what_they_did_not_take(asked, version):
    assert REPEATS not in version.manifest["blend"]["weights"]["taste"]
    for user in range(10):
        taken = {f"i{row}" for row in version.histories.of(user).items}
        assert not taken & set(ids(asked.recommend(Query(user=f"u{user}", k=40, goal="taste"))))
        seen = asked.recommend(Query(user=f"u{user}", k=40, goal="taste", seen=True))
        assert taken <= set(ids(seen))


def test_without_times_the_list_is_for_the_next_item_which_may_be_taken_again(tmp_path):
    version = train(replace(DATA, time=None), QUICK, Workspace(tmp_path))
    assert version.goals == ("next", "taste")


def test_what_was_just_taken_counts_at_once(asked):
    before = ids(asked.recommend(Query(user="u0", k=40, goal="later")))
    bought = [Rated(before[-1])] * 3
    after = ids(asked.recommend(Query(user="u0", k=40, goal="later", history=bought)))
    assert after.index(before[-1]) < 5


def test_whoever_took_nothing_gains_nothing(version):
    vector = version.vectors_of([None], {})[0]
    rows, gains = version.repeats(vector, History.of())
    assert len(rows) == len(gains) == 0


def test_evaluate_measures_the_lists_that_are_answered(version, asked):
    ranker = ModelRanker(version, DATA, history_rows=np.arange(len(DATA.user)))
    scores = ranker.scores(np.arange(20))
    for user in range(20):
        answer = asked.recommend(Query(user=f"u{user}", k=10))
        assert [f"i{row}" for row in np.argsort(-scores[user], kind="stable")[:10]] == ids(answer)


@pytest.mark.parametrize("protocol", ["next-item", "global-time"])
def test_no_baseline_is_better_where_people_take_things_again(protocol):
    result = evaluate(DATA, named(protocol), ProtocolOptions(), TrainOnSplit(QUICK))
    found = {row.name: row.figure("ndcg@10") for row in result.rows}
    own = found.pop("linear")
    assert own > 0.97 * max(found.values()), (own, found)
    assert own > 1.2 * found["ease"]
    assert result.index_check.differ == 0
