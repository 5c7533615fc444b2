"""Training as a whole: it learns, it can be repeated, it stops when it should."""

from __future__ import annotations

import numpy as np
import pytest

from builders import checkerboard, library, recipe
from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Side
from fusionrec.errors import TrainingError
from fusionrec.models.presets import Recipe
from fusionrec.training.fusion_trainer import FusionTrainer, hold_out
from fusionrec.training.optimizer import check_lengths
from fusionrec.training.progress import TrainingState, learning_rate, stable_rate
from fusionrec.training.train import train
from fusionrec.workspace import Workspace


def fit(dataset: Dataset, made: Recipe, on_progress=lambda _: None) -> FusionTrainer:
    trainer = FusionTrainer(dataset, np.arange(len(dataset)), made)
    trainer.fit(on_progress)
    return trainer


def vectors(trained: FusionTrainer, side: Side, features: dict[str, np.ndarray]) -> np.ndarray:
    """float32 [n, dim] by the towers as they were trained."""
    import paddle

    return trained.towers[side]([paddle.to_tensor(x) for x in features.values()]).numpy()


def all_vectors(trained: FusionTrainer, dataset: Dataset) -> list[np.ndarray]:
    tables: list[tuple[Side, object]] = [("user", dataset.users), ("item", dataset.items)]
    return [vectors(trained, s, trained.encoder.encode_table(s, t)) for s, t in tables]


@pytest.fixture(scope="module")
def board() -> tuple[Dataset, FusionTrainer]:
    data = checkerboard()
    return data, fit(data, recipe(epochs=12, batch=100, user_id_dropout=0.05, item_id_dropout=0.05))


def test_the_loss_falls_on_a_checkerboard(board):
    errors = [epoch.train for epoch in board[1].state.epochs]
    assert errors[-1] < 0.5 * errors[0]
    assert errors[-1] < 0.8
    holdout = [epoch.validation for epoch in board[1].state.epochs]
    assert min(holdout) < 0.5


def test_each_users_own_group_ranks_above_the_other(board):
    data, trained = board
    users, items = all_vectors(trained, data)
    cosines = users @ items.T
    own = np.arange(len(users))[:, None] % 2 == np.arange(len(items)) % 2
    worst_of_own = np.where(own, cosines, np.inf).min(axis=1)
    best_of_other = np.where(own, -np.inf, cosines).max(axis=1)
    assert (worst_of_own > best_of_other).mean() > 0.95


@pytest.mark.parametrize("side", ["user", "item"])
def test_a_tower_works_without_an_id(side):
    data = library()
    trained = fit(data, recipe(epochs=10, batch=60, user_id_dropout=0.5, item_id_dropout=0.5))
    table = data.users if side == "user" else data.items
    columns = {name: list(column[:3]) for name, column in table.columns.items()}
    without = vectors(trained, side, trained.encoder.encode(side, [None] * 3, columns))
    assert np.allclose(np.linalg.norm(without, axis=1), 1, atol=1e-4)
    # The first three differ in their taste, and in nothing that matters as much.
    cosines = without @ without.T
    assert cosines[~np.eye(3, dtype=bool)].max() < 0.9
    unseen = trained.encoder.encode(side, ["never seen"] * 3, columns)
    assert np.array_equal(vectors(trained, side, unseen), without)


def test_two_runs_with_one_seed_give_the_same_vectors(dataset, tmp_path):
    one, two, other = (train(dataset, recipe(seed=seed), Workspace(tmp_path)) for seed in (5, 5, 6))
    assert np.array_equal(one.item_vectors, two.item_vectors)
    assert (
        one.manifest["files"]["user_tower.safetensors"]
        == (two.manifest["files"]["user_tower.safetensors"])
    )
    assert not np.allclose(one.item_vectors, other.item_vectors, atol=1e-3)


def test_early_stopping_keeps_the_best_epochs_weights():
    """At a rate this high the validation error soon rises: noise is learnt by heart."""
    data = checkerboard()
    noisy = np.random.default_rng(0).permutation(data.rating)
    data.rating[:] = noisy
    seen = []
    made = recipe(epochs=40, batch=100, patience=2, learning_rate=0.03, validation=0.3, ranking=0)
    trainer = FusionTrainer(data, np.arange(len(data)), made)

    def on_progress(progress: TrainingState) -> None:
        if len(progress.epochs) > len(seen):
            seen.append((trainer.network.vectors("user"), trainer.network.vectors("item")))

    trainer.fit(on_progress)
    epochs = trainer.state.epochs
    errors = [epoch.validation for epoch in epochs]
    best = int(np.argmin(errors))
    assert trainer.state.best is epochs[best]
    assert len(epochs) == best + 1 + 2 < 40
    for kept, then in zip(all_vectors(trainer, data), seen[best], strict=True):
        assert np.allclose(kept, then, atol=1e-6)


def test_without_validation_the_last_epoch_is_kept_and_all_rows_are_trained(dataset):
    trainer = FusionTrainer(
        dataset, np.arange(len(dataset)), recipe(validation=0, patience=1, epochs=3)
    )
    assert len(trainer.holdout) == 0
    progress = trainer.fit(lambda _: None)
    assert [epoch.validation for epoch in progress.epochs] == [None] * 3
    assert progress.best.number == 3


@pytest.mark.parametrize(("rate", "epochs"), [(1e30, 3), (1e30, 1), (1e25, 1)])
def test_a_training_that_goes_astray_is_an_error_and_nothing_is_published(
    dataset, tmp_path, rate, epochs
):
    one_step = recipe(learning_rate=rate, epochs=epochs, batch=10**6)
    with pytest.raises(TrainingError) as caught:
        train(dataset, one_step, Workspace(tmp_path))
    assert "learning_rate" in caught.value.hint
    assert not list((tmp_path).glob("models/*"))


def test_a_stable_rate_rises_stays_and_falls_to_a_hundredth():
    def rates(*epochs: float) -> list[float]:
        return [stable_rate(2.0, epoch, 13, 20) for epoch in epochs]

    assert rates(0.0, 0.25, 0.5) == pytest.approx([0.02, 0.5, 1.0])  # in the first epoch
    assert rates(1.0, 2.0, 7.7, 12.99, 13.0) == pytest.approx([2.0] * 5)
    fall = rates(*np.linspace(13, 20, 50))
    assert (np.diff(fall) < 0).all()
    assert fall[-1] == pytest.approx(0.02)
    assert rates(16.5)[0] == pytest.approx(2.0 * (0.01 + 0.99 / 2))
    assert stable_rate(2.0, 0.2, 4, 6) == pytest.approx(1.0)  # a tenth of the epochs before cooling


def test_the_learning_rate_rises_then_falls():
    settings = recipe(learning_rate=1.0).training
    rates = np.array(
        [learning_rate(settings.learning_rate, done) for done in np.linspace(0, 1, 201)]
    )
    peak = int(rates.argmax())
    assert rates.max() == pytest.approx(1.0, abs=0.01)
    assert 0.05 <= peak / 200 <= 0.2
    assert (np.diff(rates[: peak + 1]) >= 0).all()
    assert (np.diff(rates[peak:]) <= 0).all()
    assert 0 < rates[0] <= 0.1
    assert 0 < rates[-1] <= 0.05


def test_hold_out_is_disjoint_whole_and_seeded():
    rows = np.arange(10, 210)
    trained, holdout = hold_out(rows, 0.1, seed=1)
    assert len(holdout) == 20
    assert np.array_equal(np.union1d(trained, holdout), rows)
    assert not np.intersect1d(trained, holdout).size
    assert np.array_equal(holdout, hold_out(rows, 0.1, seed=1)[1])
    assert not np.array_equal(holdout, hold_out(rows, 0.1, seed=2)[1])
    assert len(hold_out(rows[:1], 0.9, seed=0)[0]) == 1


def test_training_sees_no_holdout_row(dataset, monkeypatch):
    """Holdout rows are in no minibatch and in no vocabulary."""
    rows = np.arange(len(dataset))
    trainer = FusionTrainer(dataset, rows, recipe(validation=0.3))
    trained = {
        (int(b.users[u]), int(b.items[i]))
        for b in trainer.batches.epoch(1)
        for u, i in zip(b.user, b.item, strict=True)
    }
    pairs = zip(dataset.user[trainer.holdout], dataset.item[trainer.holdout], strict=True)
    assert not trained & {(int(u), int(i)) for u, i in pairs}
    assert len(trained) == len(trainer.rows)


def test_progress_counts_to_the_end(dataset):
    seen: list[tuple[int, int]] = []
    trained = fit(dataset, recipe(epochs=2), lambda p: seen.append((p.epoch, p.step)))
    steps = trained.state.steps
    expected = [(e, s) for e in (1, 2) for s in [*range(1, steps + 1)]]
    assert [at for at in seen if at[1]] == expected
    assert all(e.rate > 0 and e.seconds > 0 for e in trained.state.epochs)


@pytest.mark.parametrize("wrong", [[1.0, 0.1], [0.0, 0.0], [np.nan, 0.0]])
def test_vectors_that_are_not_of_length_one_are_refused(wrong):
    check_lengths(np.eye(2), "item", 1)
    with pytest.raises(TrainingError, match="item vectors") as caught:
        check_lengths(np.array([[1.0, 0.0], wrong]), "item", 1)
    assert "learning_rate" in caught.value.hint
