"""A floor under the model's quality on real ratings."""

from __future__ import annotations

import numpy as np
import pytest

from fusionrec.data.dataset import Dataset
from fusionrec.data.movielens.readers import read
from fusionrec.metrics import rmse
from fusionrec.models.presets import Recipe, TrainingSettings
from fusionrec.training.fusion_trainer import FusionTrainer, hold_out, predict


def bias(dataset: Dataset, rows: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Ratings from the mean and what users and items add to it, each damped by five ratings."""
    user, item = dataset.user[rows], dataset.item[rows]
    mean = dataset.rating[rows].mean()
    rest = dataset.rating[rows] - mean
    of_user, items = np.zeros(len(dataset.users)), len(dataset.items)
    for _ in range(20):
        of_item = np.bincount(item, rest - of_user[user], items) / (
            np.bincount(item, minlength=items) + 5
        )
        of_user = np.bincount(user, rest - of_item[item]) / (np.bincount(user) + 5)
    return np.clip(mean + of_user[dataset.user[test]] + of_item[dataset.item[test]], 1, 5)


@pytest.mark.real_data
def test_the_model_beats_the_bias_baseline_on_ml_100k(movielens_dir):
    """Random 10%, seed 0: global, user and item bias .929, the model .900."""
    dataset = read(movielens_dir / "ml-100k.zip")
    rows, test = hold_out(np.arange(len(dataset)), 0.1, seed=0)
    bias_rmse = rmse(bias(dataset, rows, test), dataset.rating[test])
    assert bias_rmse == pytest.approx(0.929, abs=0.005)

    settings = TrainingSettings(epochs=4, batch=1024, threads=1, seed=0)
    trainer = FusionTrainer(dataset, rows, Recipe(training=settings))
    trainer.fit(lambda _: None)
    users, items = trainer.network.vectors("user"), trainer.network.vectors("item")
    model_rmse = rmse(predict(dataset, test, users, items), dataset.rating[test])
    assert model_rmse < bias_rmse - 0.01
    assert model_rmse < 0.91
