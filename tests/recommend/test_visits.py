"""Whoever is in the middle of a visit is answered for the next item, where no goal is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from builders import auto_recipe, cycle
from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.evaluation.model_source import ModelRanker
from fusionrec.evaluation.protocols import ProtocolOptions
from fusionrec.ledger import Ledger
from fusionrec.models.linear_settings import LinearRecipe
from fusionrec.recommend.batch import BatchRecommender, joined
from fusionrec.recommend.feedback import Feedback
from fusionrec.recommend.query import Query, Rated
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.registry.blend import VISIT
from fusionrec.training import blend_train
from fusionrec.training.job import Job
from fusionrec.training.parts import PROFILE
from fusionrec.training.train import train
from fusionrec.training.weighing import Weighed
from fusionrec.workspace import Workspace
from swap_stress import exact, ids


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """After each item comes the next of a cycle; users come one after the other, twice."""
    data = cycle()
    place = data.time - data.time.min()
    return replace(data, time=place + 600 * (data.user + 1000 * (place > 4)))


@pytest.fixture(scope="module")
def version(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    made, weigh = auto_recipe(), blend_train._weigh

    def popular_later(job: Job, goal: str, *rest: Any) -> Weighed:
        found = weigh(job, goal, *rest)
        return replace(found, weights={PROFILE: 1.0}) if goal == "later" else found

    with pytest.MonkeyPatch.context() as patch:  # so that the lists of the two goals differ
        patch.setattr(blend_train, "_weigh", popular_later)
        made = LinearRecipe(replace(made.model, goal="later"), made.linear)
        return train(dataset, made, Workspace(tmp_path_factory.mktemp("visits")))


@pytest.fixture(scope="module")
def asked(version: Artifact) -> Recommender:
    return exact(version)


def lists(asked: Recommender, user: str, **query) -> dict[str, list[str]]:
    """The list without a goal, and that of each of two goals."""
    plain = Query(user=user, seen=True, **query)
    goals = {"none": None, "later": "later", "next": "next"}
    return {name: ids(asked.recommend(replace(plain, goal=goal))) for name, goal in goals.items()}


def test_a_visit_lasts_for_half_an_hour(asked, version):
    differ = 0
    for position, user in enumerate(version.users.ids[:20]):
        newest = version.histories.of(position).times[-1]
        during = lists(asked, user, now=newest + VISIT - 1)
        after = lists(asked, user, now=newest + VISIT + 1)
        assert during["none"] == during["next"]
        assert after["none"] == after["later"]
        differ += during["next"] != during["later"]
    assert differ > 10


def test_what_a_request_names_is_of_now(asked, version):
    user, item = version.users.ids[3], version.items.ids[0]
    found = lists(asked, user, history=[Rated(item)])
    assert found["none"] == found["next"] != found["later"]
    long_ago = lists(asked, user, history=[Rated(item, time=1e9)], now=2e9)
    assert long_ago["none"] == long_ago["later"]


def test_everybodys_lists_and_measured_ones_are_those_of_each(asked, version, dataset, tmp_path):
    now = float(version.histories.newest[70])
    feedback = Feedback(Ledger(Workspace(tmp_path).ledger))
    rows = joined(
        [found for found, _ in BatchRecommender(asked, feedback, Query(k=5, now=now)).lists()]
    )
    everybody = np.arange(len(dataset.user))
    ranker = ModelRanker(
        version, dataset, history_rows=everybody, now=np.full(len(dataset.users), now)
    )
    scores = ranker.scores(np.arange(len(dataset.users)))
    visits = version.blend.visits(version.histories.newest, now)
    assert 0 < visits.sum() < len(visits)
    for position, user in enumerate(version.users.ids):
        own = ids(asked.recommend(Query(user=user, k=5, now=now)))
        found = rows["item"][rows["user"] == position]
        assert [version.items.ids[row] for row in found] == own
        scores[position, version.histories.of(position).items] = -np.inf
        best = np.argsort(-scores[position], kind="stable")[:5]
        assert [version.items.ids[row] for row in best] == own


def test_who_is_to_be_forgotten_is_in_no_list_during_a_visit_either(asked, version, tmp_path):
    now = float(version.histories.newest[70])
    ledger = Ledger(Workspace(tmp_path).ledger)
    ledger.forget(version.users.ids[70])
    batch = BatchRecommender(asked, Feedback(ledger), Query(k=5, now=now))
    rows = joined([found for found, _ in batch.lists()])
    assert version.blend.visits(version.histories.newest, now)[70]
    assert batch.forgotten == 1
    assert 70 not in rows["user"]
    assert {69, 71} <= set(rows["user"].tolist())


def test_only_versions_for_later_have_visits(version):
    newest = np.array([1000.0, np.nan])
    assert_array_equal(version.blend.visits(newest, 1000.0), [True, False])
    for other in (
        replace(version.blend, goal="taste"),
        replace(version.blend, weights={"later": version.blend.weights["later"]}),
    ):
        assert not other.visits(newest, 1000.0).any()


def test_evaluate_knows_the_goals_and_none():
    assert ProtocolOptions(goal="default").goal == "default"
    with pytest.raises(UsageError, match="later, next, taste, or default, got 'soon'"):
        ProtocolOptions(goal="soon")


def test_a_list_of_what_is_popular_has_no_cause_in_the_history(asked, version):
    kinds = {}
    for goal in ("later", "next"):
        query = Query(user=version.users.ids[0], k=10, goal=goal, explain=True)
        reasons = [item.reason for item in asked.recommend(query).items]
        kinds[goal] = {reason.kind for reason in reasons if reason}
    assert "liked" in kinds["next"]
    assert "liked" not in kinds["later"]
