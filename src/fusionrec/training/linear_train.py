"""Fits the linear model on all rows and publishes it as a version, without Paddle."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec._version import __version__
from fusionrec.data.dataset import Dataset
from fusionrec.errors import Log, TrainingError
from fusionrec.features.encoder import Encoder
from fusionrec.features.flat import centred, flatten, means
from fusionrec.models.linear_settings import LinearRecipe
from fusionrec.registry.artifact import Artifact
from fusionrec.registry.inference.linear import LinearParts
from fusionrec.registry.tables import Histories
from fusionrec.registry.weights import write_weights
from fusionrec.registry.writer import save_version, write_manifest, write_training_data
from fusionrec.training.linear import Choice, Sequences, choose, profile_scores, regression, solve
from fusionrec.training.ridge import directions, factors, ridge

_ADDED_RIDGE = 1e-3  # relative to the mean square of the item vectors' columns


@dataclass(frozen=True)
class Fitted:
    """A fitted linear model.

    Attributes:
        items: float32 [items, width + rest], the longest of length 1.
        user, item: the towers' arrays, as ``registry/inference/linear.py`` reads them.
        parts: how the two parts are joined.
    """

    items: np.ndarray
    user: dict[str, np.ndarray]
    item: dict[str, np.ndarray]
    parts: LinearParts


def train_linear(
    dataset: Dataset,
    rows: np.ndarray,
    recipe: LinearRecipe,
    models: Path,
    part: Mapping[str, Any] | None = None,
    log: Log = lambda _: None,
) -> Artifact:
    """Trains the model on some rows, int [n], and publishes it as the next version.

    Raises:
        TrainingError: there is nothing to rank.
        ArtifactError: the version could not be saved.
    """
    if len(np.unique(dataset.item[rows])) < 2:
        raise TrainingError(
            f"{dataset.name} has a single item that anybody took: there is nothing to rank",
            "data with two items or more is needed",
        )
    started = time.monotonic()
    encoder = Encoder.fit(dataset, rows)
    histories = Histories.build(dataset, rows)
    columns = learned_items(histories, len(dataset.items), recipe.model.items)
    goal = recipe.model.goal
    if goal == "auto":
        ordered = histories.time is not None and len(np.unique(histories.time)) > 1
        goal = "next" if ordered else "taste"
    choice = choose(dataset, histories, columns, recipe, goal, encoder)
    fitted = fit(dataset, histories, columns, encoder, recipe, choice)
    log(_said(choice, fitted.parts.width))
    epoch = {"number": 1, "validation": choice.figure, "seconds": time.monotonic() - started}
    about: dict[str, Any] = {
        "model": recipe.name,
        "recipe": recipe.to_dict(),
        "linear": {**asdict(fitted.parts), "goal": goal, "ridge": choice.ridge},
        "history": {"length": choice.window or 10**6, "gaps": False},
        "score": {"kind": "ranking"},
        "training": {
            "trained_rows": dataset.fingerprint(rows),
            "best_epoch": 1,
            "measure": {"validation": "NDCG@10"},
            "epochs": [epoch],
        },
        **({} if part is None else {"part": dict(part)}),
    }

    def write(folder: Path) -> None:
        keys = write_training_data(folder, dataset, rows, encoder, histories)
        write_weights(folder, "user", fitted.user)
        write_weights(folder, "item", fitted.item)
        np.save(folder / "item_vectors.npy", fitted.items, allow_pickle=False)
        saved = Artifact(folder, about, encoder)
        known = [histories.of(user) for user in range(len(dataset.users))]
        users = saved.vectors_of(dataset.users.ids, dataset.users.columns, known)
        np.save(folder / "user_vectors.npy", users, allow_pickle=False)
        write_manifest(folder, encoder, {"versions": {"fusionrec": __version__}, **keys, **about})

    return save_version(models, write, "train again")


def learned_items(histories: Histories, items: int, most: int) -> np.ndarray:
    """The columns of the most-taken items in the regressions, int [items]; -1 for all others."""
    counts = np.bincount(histories.item, minlength=items)
    order = np.lexsort((np.arange(items), -counts))[:most]
    columns = np.full(items, -1)
    kept = np.sort(order[counts[order] > 0])
    columns[kept] = np.arange(len(kept))
    return columns


def fit(
    dataset: Dataset,
    histories: Histories,
    columns: np.ndarray,
    encoder: Encoder,
    recipe: LinearRecipe,
    choice: Choice,
) -> Fitted:
    """The vectors of all items, and both towers, from all training rows.

    Args:
        dataset, histories: the training data.
        columns: as of ``learned_items``.
        encoder: of the training rows.
        recipe: all settings.
        choice: what the holdout chose of them.
    """
    window = choice.window
    nothing = np.zeros(len(histories.item), dtype=bool)
    sequences = Sequences(histories, columns, nothing)
    gram, targets = regression(sequences, choice.goal, choice.decay, window)
    matrix = solve(choice.goal, gram, targets, choice.ridge)
    basis = directions(matrix, gram, choice.width, recipe.training.seed)
    learned = columns >= 0
    weights, mean, _ = profile_scores(dataset, histories, encoder, nothing)
    users, right = factors(weights, recipe.model.profile_dims)
    rest = right.shape[1]
    items = np.zeros((len(columns), basis.shape[1] + rest))
    items[learned, : basis.shape[1]] = basis
    items[:, basis.shape[1] :] = right
    history = np.zeros((len(columns), basis.shape[1]))
    history[learned] = matrix @ basis
    flat = flatten(encoder, "item", encoder.encode_table("item", dataset.items))
    content_mean = means(flat[learned])
    contents, average = centred(flat, content_mean), items[learned].mean(axis=0)
    content = ridge(contents[learned], items[learned] - average, recipe.training.content_ridge)
    items[~learned] = average + contents[~learned] @ content
    longest = float(np.linalg.norm(items, axis=1).max())
    own = items[learned, : basis.shape[1]] / longest
    l2 = _ADDED_RIDGE * float(np.square(own).sum()) / own.shape[1]
    added = ridge(own, history[learned], l2)
    history[~learned] = items[~learned, : basis.shape[1]] / longest @ added
    arrays = {"history": history, "added": added, "mean": mean}
    arrays |= {"profile": users[:-1], "base": users[-1]}
    tower = {"mean": content_mean, "content": content / longest, "base": average / longest}
    parts = LinearParts(basis.shape[1], choice.decay, window, choice.share)
    return Fitted((items / longest).astype(np.float32), _float32(arrays), _float32(tower), parts)


def _float32(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.asarray(array, dtype=np.float32) for name, array in arrays.items()}


def _said(choice: Choice, width: int) -> str:
    """What was chosen, in words."""
    halving, figure = "", "nothing held out"
    if choice.decay < 1:
        halving = f", halving each {math.log(0.5) / math.log(choice.decay):.2g} items"
    if choice.figure is not None:
        figure = f"NDCG@10 {choice.figure:.4f} held out"
    return (
        f"linear for {choice.goal}: {width} wide, penalty {choice.ridge:g}{halving}, "
        f"profile and popularity {choice.share:g} ({figure})"
    )
