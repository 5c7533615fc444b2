"""Fits the parts of a version that need no network: from histories, profiles and popularity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Schema
from fusionrec.features.encoder import Encoder
from fusionrec.features.flat import centred, flatten, means
from fusionrec.registry.blend import REPEATS, Part
from fusionrec.registry.tables import Histories
from fusionrec.regression.fold_in import item_vectors
from fusionrec.regression.ridge import factors, ridge
from fusionrec.regression.sequences import HistoryChoice

PROFILE_RIDGE = 100.0
PROFILE, LIKED = "profile", "profile-liked"  # parts: of all interactions, and of the liked
DAY = 86_400  # seconds
_ADDED_RIDGE = 1e-3  # relative to the mean square of the item vectors' columns


@dataclass(frozen=True)
class FittedPart:
    """A part, fitted on some rows.

    Attributes:
        part: what is saved of it in the manifest.
        items: float32 [items, width]; see ``_spread`` and ``_short``.
        user: arrays of the user tower, by their names in ``registry/inference/blend.py``.
        vectors: user vectors, float32 [m, width], of users at some positions, int [m], from the
            rows it was fitted on.
        item: arrays of the item tower, of a network.
        added: float32 [users, items], scores of their own, of a part without vectors.
    """

    part: Part
    items: np.ndarray
    user: Mapping[str, np.ndarray]
    vectors: Callable[[np.ndarray], np.ndarray]
    item: Mapping[str, np.ndarray] = field(default_factory=dict)
    added: sparse.csr_array | None = None

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Scores of all items, float32 [m, items], for users at some positions, int [m]."""
        if self.added is not None:
            return np.asarray(self.added[users].toarray())
        return np.asarray(self.vectors(users) @ self.items.T)


def history_part(
    name: str,
    histories: Histories,
    columns: np.ndarray,
    visible: np.ndarray,
    schema: Schema,
    choice: HistoryChoice,
    seed: int,
) -> FittedPart:
    """A regression from items to items, cut to a width; see ``regression.fold_in.item_vectors``.

    Args:
        name: ``next`` or ``taste``.
        histories, columns, visible, schema: as of ``Sequences``; items without a column are folded
            in, and those that nobody took are 0.
        choice: its settings.
        seed: of the search for directions.
    """
    places, sequences, found = item_vectors(histories, columns, visible, schema, choice, seed)
    learned, width = np.flatnonzero(places >= 0), found.items.shape[1]
    scale = _spread(found.items, len(places))
    vectors, history = (np.zeros((len(places), width), dtype=np.float32) for _ in range(2))
    vectors[learned] = found.items[places[learned]] * scale
    history[learned] = found.history[places[learned]]
    own = np.flatnonzero(columns >= 0)
    l2 = _ADDED_RIDGE * float(np.square(vectors[own]).sum()) / width
    added = ridge(vectors[own], history[own], l2).astype(np.float32)
    read = sequences.histories(choice)

    def of(users: np.ndarray) -> np.ndarray:
        return np.asarray(read[users] @ found.history)

    part = Part(name, "history", width, choice.decay, choice.window, choice.weakest)
    return FittedPart(part, vectors, {"history": history, "added": added}, of)


def profile_part(
    name: str,
    dataset: Dataset,
    histories: Histories,
    encoder: Encoder,
    visible: np.ndarray,
    width: int,
) -> FittedPart:
    """How the share of users who took each item depends on the profile, by ridge regression.

    Args:
        name: of the part.
        dataset, histories: the training data.
        encoder: of the profiles.
        visible: bool [n], interactions that are read.
        width: dimensions, at most.
    """
    counts = np.diff(histories.offsets)
    user = np.repeat(np.arange(len(counts)), counts)[visible]
    shape = len(counts), len(dataset.items)
    ones = np.ones(len(user), dtype=np.float32)
    taken = sparse.coo_array((ones, (user, histories.item[visible])), shape=shape).tocsr()
    taken.data[:] = 1.0
    known = np.flatnonzero(np.diff(taken.indptr))
    flat = flatten(encoder, "user", encoder.encode_table("user", dataset.users))
    mean = means(flat[known])
    inputs = centred(flat, mean)
    share = np.asarray(taken.sum(axis=0)).ravel() / max(len(known), 1)
    weights = ridge(inputs[known], taken[known], PROFILE_RIDGE)
    left, right = factors(np.concatenate([weights, share[None]]), width)
    items = (right * _short(right)).astype(np.float32)
    columns = np.concatenate([inputs, np.ones((len(inputs), 1), dtype=np.float32)], axis=1)
    users = left.astype(np.float32)
    arrays = {"mean": mean, "profile": users[:-1], "base": users[-1]}
    part = Part(name, "profile", items.shape[1])
    return FittedPart(part, items, arrays, lambda at: np.asarray(columns[at] @ users))


def trend_part(histories: Histories, visible: np.ndarray, days: float, items: int) -> FittedPart:
    """What was taken lately: an interaction counts half for each so many days of age.

    Args:
        histories: of the training data, with times.
        visible: bool [n], interactions that are read; the newest of them has the age 0.
        days: of the half-life.
        items: how many there are.
    """
    assert histories.time is not None
    time = histories.time[visible].astype(np.float64)
    weight = 0.5 ** ((time.max() - time) / (days * DAY))
    count = np.bincount(histories.item[visible], weight, minlength=items)[:, None]
    vectors = (count * _short(count)).astype(np.float32)
    part = Part(f"trend-{days:g}d", "constant", 1)
    return FittedPart(part, vectors, {}, lambda at: np.ones((len(at), 1), dtype=np.float32))


def repeats_part(histories: Histories, visible: np.ndarray, items: int) -> FittedPart:
    """What each user took before, by how often; see ``BlendRunner.repeats``.

    Args:
        histories: of the training data.
        visible: bool [n], interactions that are read.
        items: how many there are.
    """
    counts = np.diff(histories.offsets)
    user = np.repeat(np.arange(len(counts)), counts)[visible]
    shape, ones = (len(counts), items), np.ones(len(user), dtype=np.float32)
    added = sparse.coo_array((ones, (user, histories.item[visible])), shape=shape).tocsr()
    added.data = np.log1p(added.data)
    nothing = np.zeros((max(shape), 0), dtype=np.float32)
    part = Part(REPEATS, REPEATS, 0)
    return FittedPart(part, nothing[:items], {}, lambda at: nothing[: len(at)], added=added)


def content_tower(
    dataset: Dataset, encoder: Encoder, items: np.ndarray, learned: np.ndarray, l2: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A ridge regression of items' vectors on their content.

    Args:
        dataset: whose items they are.
        encoder: of their contents.
        items: float32 [items, dim], all vectors.
        learned: int [m], the items whose vectors are regressed.
        l2: penalty.

    Returns:
        The item tower's arrays, and where they place every item, float32 [items, dim].
    """
    flat = flatten(encoder, "item", encoder.encode_table("item", dataset.items))
    mean = means(flat[learned])
    contents, average = centred(flat, mean), items[learned].mean(axis=0)
    content = ridge(contents[learned], items[learned] - average, l2)
    arrays = {"mean": mean, "content": content, "base": average}
    tower = {name: np.asarray(array, dtype=np.float32) for name, array in arrays.items()}
    return tower, tower["base"] + contents @ tower["content"]


def _spread(vectors: np.ndarray, items: int) -> float:
    """What makes the mean square length of so many vectors 1."""
    square = float(np.square(vectors, dtype=np.float64).sum()) / max(items, 1)
    return square**-0.5 if square > 0 else 1.0


def _short(vectors: np.ndarray) -> float:
    """What makes the longest vector's length 1.

    So parts of profiles and trends are short beside all others; the users' vectors make up for it.
    Else a graph index, which joins items by their whole vectors, would join all of them to the most
    popular ones, of which these parts tell, and miss what others tell of.
    """
    longest = float(np.linalg.norm(vectors, axis=1).max(initial=0.0))
    return 1 / longest if longest > 0 else 1.0
