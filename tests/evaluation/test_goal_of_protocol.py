"""A version of parts is measured by the goal that a protocol asks for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fusionrec.data.dataset import Dataset
from fusionrec.evaluation.model_source import ModelRanker
from fusionrec.evaluation.protocols import ProtocolOptions, named
from fusionrec.models.linear_settings import LinearRecipe, LinearTraining
from fusionrec.registry import Artifact
from fusionrec.training.train import train
from fusionrec.workspace import Workspace

WEIGHTS = {"later": {"profile": 1.0}, "next": {"next": 1.0}, "taste": {"taste": 1.0}}
NEWCOMERS = {"later": "profile", "next": "profile", "taste": "profile-liked"}
GOALS = {
    "next-item": ("next",), "global-time": ("later",), "random-holdout": ("taste",),
    "new-user": ("next", "taste"), "new-item": ("taste",),
}  # fmt: skip
USERS = np.array([4, 9, 30])


@pytest.fixture(scope="module")
def version(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A version whose goals have a part each."""
    recipe = LinearRecipe(training=LinearTraining(validation=0))
    made = train(dataset, recipe, Workspace(tmp_path_factory.mktemp("goals")))
    blend = {**made.manifest["blend"], "weights": WEIGHTS}
    return Artifact(made.folder, {**made.manifest, "blend": blend}, made.encoder)


def test_a_ranker_has_the_vectors_of_its_goal(version, dataset):
    rows = np.arange(len(dataset))
    people = dataset.users.take(USERS)
    histories = [version.histories.of(int(user)) for user in USERS]
    made = []
    for goal in WEIGHTS:
        ranker = ModelRanker(version, dataset, history_rows=rows, goal=goal)
        wanted = version.vectors_of(people.ids, people.columns, histories, goal=goal)
        assert_array_equal(ranker.vectors(USERS), wanted)
        assert_allclose(ranker.scores(USERS), wanted @ version.item_vectors.T, atol=1e-6)
        made.append(wanted)
    assert not any(np.allclose(one, made[n - 1]) for n, one in enumerate(made))


def test_a_version_without_that_goal_is_measured_by_its_own(version, published, dataset):
    rows = np.arange(len(dataset))
    own = ModelRanker(version, dataset, history_rows=rows)
    other = ModelRanker(version, dataset, history_rows=rows, goal="best")
    assert_array_equal(own.vectors(USERS), other.vectors(USERS))
    fusion = ModelRanker(published, dataset), ModelRanker(published, dataset, goal="next")
    assert_array_equal(*(ranker.vectors(USERS) for ranker in fusion))


@pytest.mark.parametrize("protocol", GOALS)
def test_a_protocol_measures_by_its_goal_unless_the_options_name_another(
    protocol, version, dataset
):
    asked = named(protocol)
    assert asked.goals == GOALS[protocol]
    run = next(iter(asked.runs(dataset, ProtocolOptions())))

    def figure(goal: str | None, artifact: Artifact = version, name: str = "ndcg@10") -> float:
        found = asked.measure(dataset, run, ProtocolOptions(goal=goal), artifact)
        return float(np.nanmean(found.values[name]))

    def alone(goal: str) -> Artifact:
        """The version as if it had no other goal."""
        only = {"weights": {goal: WEIGHTS[goal]}, "newcomers": {goal: NEWCOMERS[goal]}}
        blend = {**version.manifest["blend"], **only, "goal": goal}
        return Artifact(version.folder, {**version.manifest, "blend": blend}, version.encoder)

    for goal in WEIGHTS:
        assert figure(goal) == figure(None, alone(goal))
        if protocol == "new-user":  # of what is liked, too
            assert figure(goal, name="ndcg@10 liked") == figure(None, alone(goal), "ndcg@10 liked")
    assert figure(None) == figure(asked.goals[0])
    if protocol == "new-user":
        assert figure(None, name="ndcg@10 liked") == figure("taste", name="ndcg@10 liked")
    assert len({figure(goal) for goal in WEIGHTS}) > 1
