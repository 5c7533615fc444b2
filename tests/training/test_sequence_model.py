"""The sequence model as a whole: it reads no future, learns an order, and is published as it is."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import paddle
import pytest

from builders import SMALL, carousel, library, sequence_recipe, stop_at
from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import leave_last_out
from fusionrec.errors import ConfigError, TrainingError
from fusionrec.evaluation.model_source import ModelRanker, TrainOnSplit
from fusionrec.evaluation.protocols import ProtocolOptions, named
from fusionrec.evaluation.run import evaluate
from fusionrec.features.encoder import Encoder
from fusionrec.features.history import RATINGS, History, HistoryFeatures
from fusionrec.metrics import ItemSets, Ranking, mean
from fusionrec.models.presets import SequenceRecipe, SequenceSettings, SequenceTraining
from fusionrec.models.sequence import Dropout, HistoryTower
from fusionrec.registry import Artifact, tables
from fusionrec.registry import publish as publishing
from fusionrec.registry.inference import towers as towers_module
from fusionrec.registry.publish import publish
from fusionrec.registry.tables import Histories
from fusionrec.training import sequence_trainer
from fusionrec.training.optimizer import weights
from fusionrec.training.progress import TrainingState
from fusionrec.training.sequence_trainer import SequenceTrainer, hold_out_latest
from fusionrec.training.train import train
from fusionrec.workspace import Workspace

LENGTH = 12
DIM = SMALL.dim


def everything(dataset: Dataset) -> np.ndarray:
    return np.arange(len(dataset))


def fit(dataset: Dataset, made: SequenceRecipe) -> SequenceTrainer:
    trainer = SequenceTrainer(dataset, everything(dataset), made)
    trainer.fit(lambda _: None)
    return trainer


def about(made: SequenceRecipe) -> dict[str, object]:
    """What a manifest must tell of a sequence model."""
    return {
        "model": "sequence",
        "recipe": made.to_dict(),
        "score": {"kind": "ranking"},
        "history": {"length": made.model.history},
    }


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    drawn = rng.normal(size=shape).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)


# --- the tower ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tower() -> tuple[HistoryTower, list[np.ndarray], Dataset]:
    """An untrained tower, the profiles of five users, and their data set.

    Every bias is set, so that none hides what stands where.
    """
    data = library()
    encoder = Encoder.fit(data, everything(data))
    paddle.seed(0)
    reading = HistoryFeatures(LENGTH, data.schema.rating_range)
    made = HistoryTower(encoder, sequence_recipe(LENGTH).model, reading)
    rng = np.random.default_rng(0)
    for name, parameter in made.named_parameters():
        if name.endswith("bias"):
            drawn = rng.normal(0, 0.5, parameter.shape).astype(np.float32)
            parameter.set_value(paddle.to_tensor(drawn))
    made.eval()
    features = encoder.encode_table("user", data.users.take(np.arange(5)))
    features.pop("reader")
    return made, list(features.values()), data


def tokens(
    tower: HistoryTower, profile: list[np.ndarray], items: np.ndarray, levels: np.ndarray
) -> np.ndarray:
    inputs = [paddle.to_tensor(x) for x in profile]
    read = tower.read(inputs, paddle.to_tensor(items), paddle.to_tensor(levels))
    return read.numpy()


def answer(tower: HistoryTower, *inputs: np.ndarray) -> np.ndarray:
    return tower([paddle.to_tensor(x) for x in inputs]).numpy()


def drawn_histories(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Item vectors and rating levels of five histories of full length."""
    rng = np.random.default_rng(seed)
    return unit(rng, 5, LENGTH, DIM), rng.integers(0, RATINGS + 1, (5, LENGTH))


def test_a_token_knows_nothing_of_what_comes_later(tower):
    made, profile, _ = tower
    items, levels = drawn_histories()
    before = tokens(made, profile, items, levels)
    assert before.shape == (5, LENGTH + 1, DIM)
    for place in range(LENGTH):
        for changed in ("items", "levels"):
            other_items, other_levels = items.copy(), levels.copy()
            if changed == "items":
                other_items[:, place] = -items[:, place]
            else:
                other_levels[:, place] = (levels[:, place] + 1) % (RATINGS + 1)
            after = tokens(made, profile, other_items, other_levels)
            moved = np.abs(after - before).max(axis=(0, 2))
            assert moved[: place + 1].max() < 1e-5
            assert moved[place + 1 :].min() > 1e-3, "a later token does not read it"


def test_every_token_knows_the_profile(tower):
    made, profile, _ = tower
    items, levels = drawn_histories()
    before = tokens(made, profile, items, levels)
    for number, values in enumerate(profile):
        other = [*profile[:number], np.roll(values, 1, axis=0), *profile[number + 1 :]]
        moved = np.abs(tokens(made, other, items, levels) - before).max(axis=2)
        assert (moved.max(axis=0) > 1e-4).all()


def test_the_order_of_a_history_matters(tower):
    made, profile, _ = tower
    items, levels = drawn_histories()
    count = np.full((5, 1), LENGTH)
    there = answer(made, *profile, items, levels, count)
    back = answer(made, *profile, items[:, ::-1].copy(), levels[:, ::-1].copy(), count)
    assert np.abs(there - back).max(axis=1).min() > 1e-3


def test_what_lies_behind_a_history_is_not_read(tower):
    made, profile, _ = tower
    items, levels = drawn_histories()
    count = np.array([[0], [1], [5], [LENGTH - 1], [LENGTH]])
    whole = answer(made, *profile, items, levels, count)
    other_items, other_levels = drawn_histories(seed=2)
    behind = np.arange(LENGTH) >= count
    other_items = np.where(behind[..., None], other_items, items)
    other_levels = np.where(behind, other_levels, levels)
    assert np.allclose(answer(made, *profile, other_items, other_levels, count), whole, atol=1e-6)
    # Nor does a longer padding than needed say anything.
    short = answer(made, *profile, items[:, :5], levels[:, :5], np.minimum(count, 5))
    assert np.allclose(short[:3], whole[:3], atol=1e-5)


def test_the_vector_is_that_of_the_last_token(tower):
    made, profile, _ = tower
    items, levels = drawn_histories()
    read = paddle.to_tensor(tokens(made, profile, items, levels))
    for count in (0, 3, LENGTH):
        counts = np.full((5, 1), count)
        found = answer(made, *profile, items, levels, counts)
        assert np.allclose(found, made.join(read[:, count]).numpy(), atol=1e-6)


def test_dropout_is_of_training_alone_and_keeps_the_mean():
    drop, ones = Dropout(0.25), paddle.ones([400, 50])
    drop.eval()
    assert np.array_equal(drop(ones).numpy(), ones.numpy())
    drop.train()
    drop.seed(3, 4)
    first = drop(ones).numpy()
    assert set(np.unique(first)) == {0.0, np.float32(4 / 3)}
    assert (first == 0).mean() == pytest.approx(0.25, abs=0.02)
    assert first.mean() == pytest.approx(1.0, abs=0.02)
    assert not np.array_equal(first, drop(ones).numpy())
    drop.seed(3, 4)
    assert np.array_equal(first, drop(ones).numpy())
    drop.seed(3, 5)
    assert not np.array_equal(first, drop(ones).numpy())
    highest, none = Dropout(0.999), Dropout(0.0)
    highest.train()
    none.train()
    assert np.isfinite(highest(ones).numpy()).all()
    assert np.array_equal(none(ones).numpy(), ones.numpy())


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (lambda: SequenceSettings(SMALL, heads=3), "must divide model.tower.dim, got 3 and 16"),
        (lambda: SequenceSettings(SMALL, history=0), "model.history must be 1 to 4096"),
        (lambda: SequenceSettings(SMALL, blocks=0), "model.blocks must be 1 to 32"),
        (lambda: SequenceSettings(SMALL, dropout=1.0), "model.dropout must be 0 to below 1"),
        (lambda: SequenceTraining(negatives=-1), "training.negatives must be 0 or more"),
        (lambda: SequenceTraining(validation=1.0), "training.validation must be 0 to below 1"),
        (lambda: SequenceTraining(rating_dropout=-0.1), "training.rating_dropout"),
        (lambda: SequenceTraining(learning_rate=0.0), "training.learning_rate must be above 0"),
        (lambda: SequenceTraining(temperature=0.019), r"temperature must be 0\.02 or more"),
        (lambda: SequenceTraining(temperature=float("nan")), r"temperature must be 0\.02 or more"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        settings()


def test_settings_read_back_equal_and_can_be_changed():
    made = sequence_recipe(history=33)
    assert SequenceRecipe.from_dict(made.to_dict()) == made
    changed = made.change({"model.tower.dim": "32", "training.negatives": "7"})
    assert (changed.model.dim, changed.training.negatives) == (32, 7)
    assert changed.model.history == 33


# --- the holdout ----------------------------------------------------------------------------------


def test_hold_out_latest_takes_the_latest_row_of_users_with_three():
    data = carousel()
    assert data.time is not None
    rng = np.random.default_rng(5)
    # Some users keep two rows or one.
    few = np.isin(data.user, [3, 4, 5]) & (data.time > 1001)
    rows = np.flatnonzero(~few & (rng.random(len(data)) < 0.9))
    trained, holdout = hold_out_latest(data, rows, 0.999999, seed=0)
    counts = np.bincount(data.user[rows], minlength=len(data.users))
    assert sorted(data.user[holdout]) == list(np.flatnonzero(counts >= 3))
    assert {1, 2} & set(counts.tolist())
    assert np.array_equal(np.union1d(trained, holdout), np.sort(rows))
    assert not np.intersect1d(trained, holdout).size
    assert (np.diff(trained) > 0).all()
    assert (np.diff(holdout) > 0).all()
    for row in holdout:
        own = rows[data.user[rows] == data.user[row]]
        assert data.time[row] == data.time[own].max()


def test_hold_out_latest_is_a_seeded_share():
    data = carousel(users=400)
    rows = everything(data)
    _, holdout = hold_out_latest(data, rows, 0.3, seed=1)
    assert len(holdout) == pytest.approx(120, abs=4 * np.sqrt(400 * 0.3 * 0.7))
    assert np.array_equal(holdout, hold_out_latest(data, rows, 0.3, seed=1)[1])
    assert not np.array_equal(holdout, hold_out_latest(data, rows, 0.3, seed=2)[1])
    trained, none = hold_out_latest(data, rows, 0.0, seed=1)
    assert len(none) == 0
    assert np.array_equal(trained, rows)


def test_of_equal_times_and_without_times_the_last_row_is_the_latest():
    data = carousel()
    for time in (None, np.zeros(len(data), np.int64)):
        same = replace(data, time=time)
        _, holdout = hold_out_latest(same, everything(same), 0.999999, seed=0)
        for row in holdout:
            assert row == np.flatnonzero(same.user == same.user[row]).max()


def test_training_sees_no_holdout_row():
    """Holdout rows are in no minibatch, no drawn items and no vocabulary."""
    data = carousel(users=20, items=200)  # few users: many an item has one rating
    task = SequenceTrainer(data, everything(data), sequence_recipe(LENGTH, validation=0.9))
    holdout = set(zip(data.user[task.holdout], data.item[task.holdout], strict=True))
    assert len(holdout) > 10
    met = set()
    for epoch in range(1, 6):
        for b in task.batches.epoch(epoch):
            there = np.arange(b.items.shape[1]) < b.count[:, None]
            met |= {(b.users[r], b.items[r, c]) for r, c in np.argwhere(there)}
            met |= {
                (user, item) for user, drawn in zip(b.users, b.drawn, strict=True) for item in drawn
            }
    trained = set(zip(data.user[task.rows], data.item[task.rows], strict=True))
    assert met <= trained
    assert not met & holdout
    # Long walks give windows; five epochs meet nearly everything.
    assert len(met) > 0.9 * len(trained)
    only_holdout = np.setdiff1d(data.item[task.holdout], data.item[task.rows])
    assert len(only_holdout)
    rows = task.encoder.encode_table("item", data.items)["what"]
    assert not rows[only_holdout].any()
    assert rows[data.item[task.rows]].all()


# --- learning -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ridden() -> tuple[Dataset, SequenceTrainer]:
    """A training on walks around a carousel."""
    data = carousel()
    made = sequence_recipe(
        20, epochs=20, validation=0.5, id_dropout=0.0, rating_dropout=0.0, patience=5
    )
    return data, fit(data, made)


def test_a_planted_order_is_learned(ridden):
    _, task = ridden
    assert len(task.holdout) > 20
    assert task.state.best.validation > 0.97
    assert task.validate() == pytest.approx(task.state.best.validation, abs=1e-6)
    losses = [epoch.train for epoch in task.state.epochs]
    assert losses[-1] < 0.6 * losses[0]


def test_an_item_calls_the_one_after_it(ridden):
    """Not only at the end of a walk that was trained on, and not the one before it."""
    data, task = ridden
    items = task.network.all_item_vectors()
    count = len(data.items)
    walks = [
        History.of(np.arange(begin, begin + 3) % count, np.full(3, 4.0)) for begin in range(count)
    ]
    packed = task.network.user.reading.pack(walks, items)
    users = answer(task.network.user, *packed)
    best = (users @ items.T).argsort(axis=1)[:, ::-1]
    after = (np.arange(count) + 3) % count
    assert (best[:, 0] == after).mean() > 0.8
    assert (best[:, :3] == after[:, None]).any(axis=1).mean() > 0.95


def test_it_is_far_above_popularity_and_known_rows_are_used(tmp_path):
    """Through the protocol: the validation item is in the history that the test is asked after."""
    data = carousel()
    made = sequence_recipe(20, epochs=15, validation=0.2, patience=20, rating_dropout=0.0)
    result = evaluate(
        data,
        named("next-item"),
        ProtocolOptions(baselines=("popular",)),
        TrainOnSplit(made),
        through_index=10,
        resamples=1000,
    )
    model, popular = result.rows
    assert model.is_model
    # Without the validation item the walk would seem to end one item earlier.
    assert model.figure("ndcg@10") > 0.9
    assert model.figure("ndcg@10") > popular.figure("ndcg@10") + 0.5
    assert result.index_check.users == 10
    assert result.index_check.differ == 0


def test_many_negatives_that_are_drawn_train_as_well():
    data = carousel()
    made = sequence_recipe(20, epochs=20, validation=0.5, id_dropout=0.0, negatives=12)
    task = fit(data, made)
    assert task.state.best.validation > 0.9


def test_chances_follow_popularity_and_never_pass_one(dataset):
    for wanted in (1, 5, 20, 39):
        task = SequenceTrainer(dataset, everything(dataset), sequence_recipe(negatives=wanted))
        chances, count = task._draw_probabilities(), np.bincount(dataset.item[task.rows])
        assert chances.sum() == pytest.approx(wanted, rel=1e-3)
        assert chances.max() <= 1
        sure = chances > 1 - 1e-6
        ratio = chances[~sure] / count[~sure]
        assert np.allclose(ratio, ratio[0], rtol=1e-4)
        assert not sure.any() or count[sure].min() >= count[~sure].max(initial=0)
    for wanted in (0, 40, 1000):
        task = SequenceTrainer(dataset, everything(dataset), sequence_recipe(negatives=wanted))
        assert task._draw_probabilities() is None


def test_drawn_items_are_drawn_with_their_chances(dataset):
    task = SequenceTrainer(dataset, everything(dataset), sequence_recipe(negatives=10))
    drawn = np.zeros(len(dataset.items))
    rng, times = np.random.default_rng(0), 2000
    for _ in range(times):
        negatives, _ = task._negatives(rng)
        drawn[negatives] += 1
        assert (np.diff(negatives) > 0).all()
    chances = task._draw_probabilities()
    assert np.abs(drawn / times - chances).max() < 5 * 0.5 / np.sqrt(times)


def test_a_large_catalog_is_drawn_from_without_being_told(dataset, monkeypatch):
    items = len(np.unique(dataset.item))
    for most, wanted, drawn in ((items, 0, None), (items - 1, 0, 7), (items - 1, items, None)):
        monkeypatch.setattr(sequence_trainer, "ALL_UP_TO", most)
        monkeypatch.setattr(sequence_trainer, "NEGATIVES", 7)
        task = SequenceTrainer(dataset, everything(dataset), sequence_recipe(negatives=wanted))
        chances = task._draw_probabilities()
        assert chances is None if drawn is None else chances.sum() == pytest.approx(drawn, rel=1e-3)


def test_validation_is_the_ndcg_of_a_full_ranking(dataset, monkeypatch):
    """In forward passes of few users, too."""
    task = SequenceTrainer(dataset, everything(dataset), sequence_recipe(validation=0.5))
    found = task.validate()
    data, items = task.dataset, task.network.all_item_vectors()
    held = task.holdout[np.argsort(data.user[task.holdout])]
    users, targets = data.user[held], data.item[held]
    own = dict(zip(users, targets, strict=True))
    rows = [r for r in task.rows if own.get(data.user[r]) != data.item[r]]
    candidates = np.isin(np.arange(len(items)), np.r_[data.item[task.rows], targets])
    ranking = Ranking(
        ItemSets.of(users, targets, len(data.users)),
        len(items),
        10,
        ItemSets.of(data.user[rows], data.item[rows], len(data.users)),
        candidates,
    )
    now = None if data.time is None else data.time[held].astype(float)
    ranking.add(users, task.network.user_vectors(items, users, task.histories, now) @ items.T)
    assert found == pytest.approx(mean(ranking.result().ndcg(10)), abs=1e-6)
    monkeypatch.setattr(sequence_trainer, "SCORES", 3 * len(items))
    assert task.validate() == pytest.approx(found, abs=1e-6)


def test_a_network_that_knows_nothing_ranks_in_the_order_of_the_catalog(dataset):
    task = SequenceTrainer(dataset, everything(dataset), sequence_recipe(validation=0.5))
    users = np.array([0, 1])
    targets = np.array([3, 0])
    scores = np.zeros((2, len(dataset.items)), dtype=np.float32)
    before = np.setdiff1d(np.arange(3), task.histories.of(0).items)
    assert task._ranks(scores, users, targets).tolist() == [1 + len(before), 1]


@pytest.mark.parametrize("negatives", [0, 15])
def test_the_loss_is_what_the_formula_says(negatives):
    """Each token of a window, and the profile alone, against the items: written out."""
    data = library()
    made = sequence_recipe(
        5, batch=60, negatives=negatives, id_dropout=0.0, rating_dropout=0.0, attribute_dropout=0.0
    )
    made = replace(made, model=replace(made.model, dropout=0.0))
    task = SequenceTrainer(data, everything(data), made)
    items = task.network.all_item_vectors().astype(np.float64)
    profiles = task.encoder.encode_table("user", data.users)
    profiles.pop("reader")
    for number, batch in enumerate(task.batches.epoch(1)):
        loss, error, count = task.loss(batch, np.random.default_rng(number))
        negative = np.unique(data.item[task.rows])
        weight = np.ones(len(negative))
        if negatives:
            rng = np.random.default_rng(number)
            negative, chance = task._negatives(rng)
            weight = 1 / chance
        terms = []
        for row, user in enumerate(batch.users):
            history = batch.items[row, : batch.count[row]]
            rated = batch.ratings[row, : batch.count[row]]
            profile = [x[user : user + 1] for x in profiles.values()]
            asked = [(0, target) for target in batch.drawn[row]]
            asked += list(enumerate(history[1:], start=1))
            for position, target in asked:
                before = [History.of(history[:position], rated[:position])]
                packed = task.network.user.reading.pack(before, items.astype(np.float32))
                scores = items @ answer(task.network.user, *profile, *packed)[0] / 0.05
                counted = np.zeros(len(items))
                counted[negative] = weight
                counted[target] = 1
                terms.append(np.log(counted @ np.exp(scores)) - scores[target])
        assert count == len(terms) == (batch.count - 1).sum() + batch.drawn.size
        assert float(loss) == error == pytest.approx(np.mean(terms), rel=1e-3)
        if number == 2:
            break


def test_the_best_epochs_weights_are_kept_and_patience_ends_a_training():
    """Random tastes: the figure on the holdout soon gets worse."""
    data = carousel()
    rng = np.random.default_rng(0)
    data.item[:] = np.concatenate(
        [rng.choice(30, n, replace=False) for n in np.bincount(data.user)]
    )[np.argsort(np.argsort(data.user, kind="stable"))]
    made = sequence_recipe(LENGTH, epochs=40, patience=3, validation=0.9)
    task = fit(data, made)
    figures = [epoch.validation for epoch in task.state.epochs]
    best = int(np.argmax(figures))
    assert task.state.best.number == best + 1
    assert len(figures) == best + 1 + 3 < 40
    assert task.validate() == pytest.approx(figures[best], abs=1e-6)


def test_an_epoch_is_judged_by_the_ndcg_of_the_holdout(dataset):
    """Ranks all training and holdout items, without those that the user rated."""
    rows = np.flatnonzero(dataset.item > 5)  # the first six are no candidates
    task = SequenceTrainer(dataset, rows, sequence_recipe(LENGTH, validation=0.9))
    items = task.network.all_item_vectors()
    candidates = np.isin(np.arange(len(items)), dataset.item[rows])
    gains = []
    for row in task.holdout:
        user = dataset.user[row]
        vector = task.network.user_vectors(items, np.array([user]), task.histories)[0]
        scores = items @ vector
        shown = candidates & ~np.isin(np.arange(len(items)), task.histories.of(int(user)).items)
        rank = 1 + int((scores[shown] > scores[dataset.item[row]]).sum())
        gains.append(1 / np.log2(rank + 1) if rank <= 10 else 0.0)
    assert task.validate() == pytest.approx(np.mean(gains), abs=1e-3)


def test_a_training_that_goes_astray_is_an_error_and_nothing_is_published(tmp_path):
    made = sequence_recipe(LENGTH, learning_rate=1e30, epochs=2)
    with pytest.raises(TrainingError) as caught:
        train(carousel(), made, Workspace(tmp_path))
    assert "learning_rate" in caught.value.hint
    assert not list(tmp_path.glob("models/*"))


def first_of_each(data: Dataset, length: int) -> Dataset:
    """As many rows of every user."""
    order = np.argsort(data.user, kind="stable")
    user = data.user[order]
    kept = np.sort(order[np.arange(len(user)) - np.searchsorted(user, user) < length])
    columns = {name: getattr(data, name)[kept] for name in ("user", "item", "rating")}
    return replace(data, **columns, time=None)


# Such a window's only item is asked of the profile alone, and nothing at all is read.


@pytest.mark.parametrize(
    ("made", "length", "history"),
    [
        (carousel, 1, LENGTH),
        (carousel, 4, 1),
        (library, 1, LENGTH),
        (library, 4, 1),
        (carousel, 2, LENGTH),
        (carousel, 4, 2),
    ],
)
def test_histories_of_one_item_and_towers_that_read_one(made, length, history):
    task = fit(first_of_each(made(), length), sequence_recipe(history))
    assert all(np.isfinite(epoch.train) for epoch in task.state.epochs)
    users = np.unique(task.dataset.user)
    vectors = task.network.user_vectors(task.network.all_item_vectors(), users, task.histories)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)


def test_a_minibatch_may_draw_no_negative_at_all():
    data = carousel()
    task = fit(data, sequence_recipe(LENGTH, epochs=6, negatives=1))
    assert all(np.isfinite(epoch.train) for epoch in task.state.epochs)


def test_every_place_that_is_read_is_trained():
    data = carousel()
    task = fit(data, sequence_recipe(6))
    for block in task.network.user.blocks:
        assert np.abs(block.bias.numpy()).max(axis=0).min() > 0


# --- going on -------------------------------------------------------------------------------------

RESUMED = sequence_recipe(LENGTH, epochs=3, negatives=25, validation=0.3).change(
    {"model.tower.dropout": "0.1"}  # Paddle draws what the item tower drops
)


@pytest.fixture(scope="module")
def unbroken(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A training that ran through."""
    return train(dataset, RESUMED, Workspace(tmp_path_factory.mktemp("unbroken")))


@pytest.fixture(scope="module")
def ended(dataset: Dataset) -> tuple[dict[str, np.ndarray], TrainingState]:
    """Its weights and progress."""
    trainer = fit(dataset, RESUMED)
    return weights(trainer.network), trainer.state


@pytest.mark.parametrize("seconds", [60.0, 1e-6])
@pytest.mark.parametrize(("epoch", "step"), [(1, 1), (2, 2), (3, 0)])
def test_a_stopped_training_ends_in_the_same_weights(
    dataset, tmp_path, ended, epoch, step, seconds
):
    """Kept where it stopped, and kept after every step on the way."""
    made = replace(RESUMED, training=replace(RESUMED.training, checkpoint_seconds=seconds))

    def trainer() -> SequenceTrainer:
        return SequenceTrainer(dataset, everything(dataset), made, tmp_path)

    with pytest.raises(KeyboardInterrupt):
        trainer().fit(stop_at(epoch, step))
    met: list[tuple[int, int]] = []
    again = trainer()
    again.fit(lambda p: met.append((p.epoch, p.step)), resume=True)
    assert met[0] == (epoch, step + 1)
    wanted, progress = ended
    found = weights(again.network)
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)
    said = [[(e.number, e.train, e.validation) for e in s.epochs] for s in (again.state, progress)]
    assert said[0] == said[1]


# --- published ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def read_back(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Dataset, SequenceTrainer, Artifact]:
    """A model of a schema with every kind of attribute; the first items are not trained."""
    data = library()
    rows = np.flatnonzero(data.item > 2)
    made = sequence_recipe(LENGTH, epochs=15, batch=100, id_dropout=0.3)
    task = SequenceTrainer(data, rows, made)
    task.fit(lambda _: None)
    towers = {"user": task.network.user, "item": task.network.item}
    models = tmp_path_factory.mktemp("models")
    small = ((publishing, "_CHUNK", 7), (tables, "ROWS_AT_ONCE", 50), (towers_module, "MANY", 3))
    with ExitStack() as stack:
        for module, name, value in small:  # so that all is done in blocks and threads
            stack.enter_context(patch.object(module, name, value))
        return data, task, publish(models, data, rows, task.encoder, towers, about(made))


def test_the_manifest_says_what_it_is(read_back, dataset, unbroken):
    data, _, artifact = read_back
    assert artifact.manifest["model"] == "sequence"
    assert artifact.manifest["score"]["kind"] == "ranking"
    assert artifact.history_features == HistoryFeatures(LENGTH, data.schema.rating_range)
    assert not artifact.predicts_ratings
    assert unbroken.manifest["model"] == "sequence"
    assert unbroken.manifest["score"]["kind"] == "ranking"
    assert unbroken.manifest["history"]["length"] == LENGTH
    assert not unbroken.reads_clock
    assert unbroken.manifest["user_inputs"] == ["gender", "age", "occupation", "history"]
    assert unbroken.manifest["training"]["best_epoch"] in (1, 2, 3)
    assert SequenceRecipe.from_dict(unbroken.manifest["recipe"]) == RESUMED


def test_what_is_published_answers_as_what_was_trained(read_back):
    data, task, artifact = read_back
    items = task.network.all_item_vectors()
    assert np.allclose(artifact.item_vectors, items, atol=1e-4)
    histories = Histories.build(data, np.flatnonzero(data.item > 2))
    users = np.arange(len(data.users))
    wanted = task.network.user_vectors(items, users, histories)
    assert np.allclose(artifact.user_vectors, wanted, atol=1e-4)
    known = [histories.of(int(u)) for u in users]
    ids, columns = list(data.users.ids), data.users.columns
    assert np.allclose(artifact.vectors_of(ids, columns, known), artifact.user_vectors, atol=1e-5)
    assert np.allclose(
        artifact.vectors_of([None] * len(ids), columns, known), artifact.user_vectors, atol=1e-5
    ), "a tower that reads histories knows nobody by id"


def test_a_long_history_is_its_newest_items(unbroken):
    rng = np.random.default_rng(0)
    history = History.of(rng.integers(0, 40, 10_000), rng.integers(1, 6, 10_000))

    def vector(newest: int) -> np.ndarray:
        return unbroken.vectors_of([None], {}, [history.take(slice(-newest, None))])[0]

    assert np.array_equal(vector(10_000), vector(LENGTH))
    assert np.array_equal(vector(LENGTH + 1), vector(LENGTH))
    assert not np.allclose(vector(LENGTH - 1), vector(LENGTH), atol=1e-4)


def test_a_new_rating_moves_the_vector(unbroken):
    """So does its rating, and what is not known of it is another thing than a low one."""
    stored = unbroken.histories.of(9).take(slice(5))
    columns = {name: [value] for name, value in unbroken.users.row(9).items()}

    def vector(*more: float) -> np.ndarray:
        history = stored.followed_by(History.of(np.full(len(more), 39), more))
        return unbroken.vectors_of([None], columns, [history])[0]

    found = [vector(), vector(5.0), vector(1.0), vector(np.nan)]
    for number, one in enumerate(found):
        for other in found[number + 1 :]:
            assert np.abs(one - other).max() > 1e-4
    assert np.array_equal(vector(), unbroken.vectors_of([None], columns, [stored])[0])


def test_of_whom_nothing_is_known_there_still_is_a_vector(unbroken):
    nothing = unbroken.vectors_of([None], {}, [History.of()])
    assert np.allclose(np.linalg.norm(nothing, axis=1), 1, atol=1e-4)
    assert np.array_equal(nothing, unbroken.vectors_of(["anybody"], {}))
    profiles = unbroken.vectors_of([None] * 2, {"gender": ["F", "M"]})
    assert np.abs(profiles[0] - profiles[1]).max() > 1e-4
    assert np.abs(profiles[0] - nothing[0]).max() > 1e-4


def test_an_item_without_ratings_is_placed_by_its_content(read_back):
    """The first three volumes, one on each topic, were never trained."""
    data, task, artifact = read_back
    columns = {name: list(column[:3]) for name, column in data.items.columns.items()}
    features = task.encoder.encode("item", ["ახალი"] * 3, columns)
    assert np.allclose(artifact.item_tower.vectors(features), artifact.item_vectors[:3], atol=1e-6)
    # An item that is trained has more to it than its content.
    columns = {name: list(column[3:6]) for name, column in data.items.columns.items()}
    features = task.encoder.encode("item", ["ახალი"] * 3, columns)
    trained = artifact.item_vectors[3:6]
    assert np.abs(artifact.item_tower.vectors(features) - trained).max() > 1e-3


# --- measured -------------------------------------------------------------------------------------


def test_a_ranker_reads_history_rows_alone(unbroken, dataset):
    split = leave_last_out(dataset)
    users = np.array([3, 30, 7])
    columns = dataset.users.take(users).columns
    for known in (split.train, split.before_test):
        histories = Histories.build(dataset, known)
        wanted = unbroken.vectors_of([None] * 3, columns, [histories.of(int(u)) for u in users])
        ranker = ModelRanker(unbroken, dataset, history_rows=known)
        assert np.array_equal(ranker.vectors(users), wanted)
        assert np.allclose(ranker.scores(users), wanted @ unbroken.item_vectors.T, atol=1e-5)
    before = ModelRanker(unbroken, dataset, history_rows=split.train).vectors(users)
    after = ModelRanker(unbroken, dataset, history_rows=split.before_test).vectors(users)
    assert np.abs(before - after).max(axis=1).min() > 1e-4
    stranger = ModelRanker(unbroken, dataset).vectors(users)
    assert np.array_equal(stranger, unbroken.vectors_of([None] * 3, columns))


def test_next_item_tells_the_model_of_the_validation_item(dataset):
    split = leave_last_out(dataset)
    protocol, options = named("next-item"), ProtocolOptions()
    [run] = protocol.runs(dataset, options)
    [task] = protocol.tasks(dataset, run, options)
    assert np.array_equal(np.sort(task.history_rows), np.sort(split.before_test))
    [task] = protocol.tasks(dataset, run, ProtocolOptions(validation=True))
    assert np.array_equal(np.sort(task.history_rows), np.sort(split.train))


def test_a_fresh_model_is_trained_on_the_splits_rows_and_the_runs_seed(dataset, tmp_path: Path):
    split = leave_last_out(dataset)
    made = sequence_recipe(LENGTH, epochs=1)
    artifact = TrainOnSplit(made).get(dataset, split, 7, tmp_path)
    assert artifact.manifest["recipe"]["training"]["seed"] == 7
    assert artifact.manifest["rows"] == dataset.fingerprint(split.train)
    assert len(artifact.histories.item) == len(split.train)
