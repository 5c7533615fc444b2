"""The sequence model with times: it learns from them, asks none of the future, and does without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from builders import carousel, library, sequence_recipe
from fusionrec.data.dataset import Dataset
from fusionrec.errors import TrainingError
from fusionrec.evaluation.model_source import ModelRanker, TrainOnSplit
from fusionrec.evaluation.protocols import ProtocolOptions, named
from fusionrec.evaluation.run import CLOCKED, evaluate
from fusionrec.features.history import History
from fusionrec.models.presets import SequenceRecipe
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.query import Query, Rated
from fusionrec.recommend.user_vector import UserVectors
from fusionrec.registry import Artifact
from fusionrec.training.train import train
from fusionrec.workspace import Workspace

LENGTH = 10
SEASON = 1_000_000  # seconds
ITEMS = 20


def seasons(users: int = 300, walk: int = 9) -> Dataset:
    """Items of the lower half are rated in even seasons, the others in odd ones, by everybody.

    A user comes at random times, which tell nothing of the next one.
    """
    made = carousel(users, ITEMS)
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(users), walk)
    time = np.sort(rng.integers(0, 8 * SEASON, (users, walk)), axis=1).ravel()
    return rated_at(made, user, time, (time // SEASON) % 2 == 0, rng)


def pauses(users: int = 200, walk: int = 9) -> Dataset:
    """After two items in a hurry comes one of the lower half, after a pause one of the other."""
    made = carousel(users, ITEMS)
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(users), walk)
    hurried = rng.random((users, walk)) < 0.5
    time = np.cumsum(np.where(hurried, 2, 100_000), axis=1).ravel()
    low = np.roll(hurried, 1, axis=1).ravel()  # as the pause before the item before it was
    return rated_at(made, user, time, low, rng)


def rated_at(
    made: Dataset, user: np.ndarray, time: np.ndarray, low: np.ndarray, rng: np.random.Generator
) -> Dataset:
    """The users and items of a data set with other interactions, no pair of which is repeated."""
    item = np.empty(len(user), dtype=np.int64)
    for place, who in enumerate(user):
        mine = item[:place][user[:place] == who]
        half = np.arange(ITEMS // 2) + (0 if low[place] else ITEMS // 2)
        item[place] = rng.choice(np.setdiff1d(half, mine))
    rating = np.full(len(user), 4.0, np.float32)
    return replace(
        made, user=user.astype(np.int32), item=item.astype(np.int32), rating=rating, time=time
    )


def recipe(*, epochs: int = 45, batch: int = 600, **model: bool) -> SequenceRecipe:
    given = {"epochs": epochs, "batch": batch, "validation": 0.0, "id_dropout": 0.0}
    made = sequence_recipe(LENGTH, **given)
    return made.change({f"model.{name}": str(on).lower() for name, on in model.items()})


def right_half(artifact: Artifact, data: Dataset) -> float:
    """How many of the five items ranked first are of the half that the latest item is of."""
    protocol = named("next-item")
    [run] = protocol.runs(data, ProtocolOptions())
    [task] = protocol.tasks(data, run, ProtocolOptions())
    scores = task.ranker(artifact, data, None, "next").scores(task.users)
    best = scores.argsort(axis=1)[:, -5:]
    low = task.relevant.take(task.users).items < ITEMS // 2
    return float(((best < ITEMS // 2) == low[:, None]).mean())


@pytest.fixture(scope="module")
def clocked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Artifact]:
    """The seasons, and a model of all but the latest items that reads the clock."""
    data = seasons()
    [run] = named("next-item").runs(data, ProtocolOptions())
    home = Workspace(tmp_path_factory.mktemp("clocked"))
    made = recipe(epochs=32, clock=True, gaps=True)
    return data, train(data, made, home, rows=run.split.train)


def test_the_season_is_learned_by_the_clock_alone(clocked, tmp_path):
    data, artifact = clocked
    assert right_half(artifact, data) > 0.9
    [run] = named("next-item").runs(data, ProtocolOptions())
    without = train(data, recipe(epochs=8), Workspace(tmp_path), rows=run.split.train)
    assert right_half(without, data) < 0.75


def test_pauses_are_learned_where_gaps_are_read(tmp_path):
    data = pauses()
    [run] = named("next-item").runs(data, ProtocolOptions())
    found = {}
    for gaps in (True, False):
        made = recipe(batch=400, gaps=gaps)
        artifact = train(data, made, Workspace(tmp_path / str(gaps)), rows=run.split.train)
        found[gaps] = right_half(artifact, data)
    assert found[True] > 0.85
    assert found[False] < 0.7


def test_the_manifest_says_what_is_read(clocked):
    _, artifact = clocked
    fields = artifact.manifest["history"]
    assert artifact.reads_clock
    assert fields["gaps"] is True
    assert 0 <= fields["clock"]["first"] < fields["clock"]["last"] < 8 * SEASON
    assert artifact.histories.time is not None


def test_the_answer_moves_with_the_time_of_the_request(clocked):
    """Of a stored user, too; but not that of a profile, or of nobody."""
    data, artifact = clocked
    people = UserVectors(Catalog.of(artifact))
    lows = []
    for season in (4.5, 5.5):
        vectors = [
            people.find(Query(user=data.users.ids[user], now=season * SEASON)).vector
            for user in range(40)
        ]
        best = (np.stack(vectors) @ artifact.item_vectors.T).argsort(axis=1)[:, -5:]
        lows.append(float((best < ITEMS // 2).mean()))
    assert lows[0] > 0.7
    assert lows[1] < 0.3
    assert np.array_equal(
        *(artifact.vectors_of([None], {}, None, np.array([now])) for now in (0.0, 1e7))
    )
    # The present lies behind all that training saw, and counts as the end of it.
    late = people.find(Query(user=data.users.ids[3], now=1e15)).vector
    assert np.array_equal(people.find(Query(user=data.users.ids[3])).vector, late)


def test_histories_without_times_or_with_times_out_of_order_are_answered(clocked):
    data, artifact = clocked
    people = UserVectors(Catalog.of(artifact))
    forwards = [Rated(data.items.ids[n], 4.0) for n in (3, 1, 7)]
    backwards = [replace(one, time=1e6 - 1e5 * n) for n, one in enumerate(forwards)]
    for history in (forwards, backwards, [backwards[0], forwards[1]]):
        for user in (None, data.users.ids[5]):
            vector = people.find(Query(user=user, history=history, now=5e6)).vector
            assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-4)
    forward = people.find(Query(history=list(reversed(backwards)), now=5e6)).vector
    assert np.array_equal(people.find(Query(history=backwards, now=5e6)).vector, forward)
    unsorted = History.of([3, 1, 7], None, [9.0, 5.0, 7.0])
    assert np.isfinite(artifact.vectors_of([None], {}, [unsorted], np.array([6.0]))).all()


def test_a_token_knows_no_time_behind_what_it_is_asked(clocked):
    reading = clocked[1].history_features
    times = np.arange(4.0)[None] * 50_000
    asked = np.concatenate([times, [[300_000.0]]], axis=1)
    before = reading.read_times(times, asked)
    moved = times + np.array([[0, 0, 0, 70_000.0]])
    asked = np.concatenate([moved, [[900_000.0]]], axis=1)
    gaps, since, date = reading.read_times(moved, asked)
    assert np.array_equal(gaps[:, :4, :4], before[0][:, :4, :4])
    # The token of the third item is asked for the fourth, and may know when that was rated.
    assert np.array_equal(since[:, :3], before[1][:, :3])
    assert np.array_equal(date[:, :3], before[2][:, :3])
    assert not np.array_equal(since[:, 4:], before[1][:, 4:])


def test_next_item_is_asked_at_its_own_time_and_global_time_at_one_instant():
    data = seasons()
    [run] = named("next-item").runs(data, ProtocolOptions())
    [task] = named("next-item").tasks(data, run, ProtocolOptions())
    test = run.split.test
    assert np.array_equal(task.now[data.user[test]], data.time[test])
    [task] = named("next-item").tasks(data, run, ProtocolOptions(validation=True))
    hidden = run.split.validation
    assert np.array_equal(task.now[data.user[hidden]], data.time[hidden])
    run = named("global-time").runs(data, ProtocolOptions())[0]
    [task] = named("global-time").tasks(data, run, ProtocolOptions())
    assert set(task.now) == {data.time[run.split.test].min()}
    assert data.time[run.split.train].max() <= task.now[0]


def test_a_ranker_asks_each_user_at_their_time(clocked):
    data, artifact = clocked
    users, known = np.array([4, 9]), np.arange(len(data))
    now = np.full(len(data.users), 4.5 * SEASON)
    early = ModelRanker(artifact, data, history_rows=known, now=now).vectors(users)
    now[9] += SEASON
    late = ModelRanker(artifact, data, history_rows=known, now=now).vectors(users)
    assert np.array_equal(early[0], late[0])
    assert np.abs(early[1] - late[1]).max() > 1e-3


def test_a_result_notes_that_the_model_had_the_time():
    data = seasons(users=40)
    for clock in (True, False):
        made = recipe(epochs=1, clock=clock)
        asked = ProtocolOptions(baselines=("popular",))
        result = evaluate(data, named("next-item"), asked, TrainOnSplit(made), through_index=0)
        assert (CLOCKED in result.notes) == clock


@pytest.mark.parametrize("name", ["clock", "gaps"])
def test_a_data_set_without_times_is_refused(name, tmp_path):
    with pytest.raises(TrainingError, match="no times"):
        train(library(), recipe(**{name: True}), Workspace(tmp_path))
