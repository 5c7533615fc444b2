"""Says what a version is worth: its lists beside those of baselines, on what was held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fusionrec import baselines
from fusionrec.baselines.linear import EASE_LIMIT
from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.registry.worth import METHODS
from fusionrec.training.holdouts import Holdout, by_user
from fusionrec.training.parts import PROFILE
from fusionrec.training.weighing import BLOCK, FEWEST_USERS, SURE, Weighed

WEEK = 7.0  # days


def measured(
    dataset: Dataset, order: np.ndarray, goal: str, holdouts: Sequence[Holdout], weighed: Weighed
) -> dict[str, Any]:
    """The manifest's ``worth``.

    Args:
        dataset: the data set.
        order: int [n], its rows in the order of the holdouts' interactions.
        goal: what the lists are for.
        holdouts: of this goal.
        weighed: the parts' weights and figures on them.

    Returns:
        ``goal``, ``users``, ``ndcg@10``, ``parts`` and ``baselines`` (name -> NDCG@10), ``best``
        (the best baseline), ``gain`` (of the model over it, as a share; None where it has 0),
        ``sure`` (whether the paired difference is above 1.96 standard errors), ``margins`` (name
        -> half the width of the 95% interval, of the baselines and of ``model``), ``sentence``.
    """
    found: dict[str, Any] = {"goal": goal, "users": weighed.users, "ndcg@10": weighed.figure}
    found |= {"parts": weighed.alone, "baselines": {}, "best": None, "gain": None, "sure": False}
    if weighed.values is None or weighed.users < FEWEST_USERS:
        alone = set(weighed.weights) == {PROFILE}
        return found | {"sentence": TOO_LITTLE if alone else NOT_MEASURED}
    values = {
        name: _figures(make, dataset, order, holdouts) for name, make in simple_methods(dataset)
    }
    means = {name: float(one.mean()) for name, one in values.items()}
    best = max(means, key=lambda name: means[name])
    difference = weighed.values - values[best]
    error = float(difference.std()) / len(difference) ** 0.5
    sure = bool(abs(difference.mean()) > SURE * error)
    gain = float(weighed.values.mean()) / means[best] - 1 if means[best] > 0 else None
    margins = {name: _margin(one) for name, one in (values | {"model": weighed.values}).items()}
    found |= {"baselines": means, "best": best, "gain": gain, "sure": sure, "margins": margins}
    return found | {"sentence": _sentence(best, gain, sure, set(weighed.weights))}


def _margin(values: np.ndarray) -> float:
    return SURE * float(values.std()) / float(np.sqrt(len(values)))


NOT_MEASURED = "nothing was held out: what the lists are worth is not known"
TOO_LITTLE = "too little data to hold anything out: answers are what is popular"


def _sentence(best: str, gain: float | None, sure: bool, parts: set[str]) -> str:
    name = METHODS[best]
    popularity = all(part.startswith(("profile", "trend")) for part in parts)
    if gain is None or not sure:
        if popularity:
            return "too little data to do better than what is popular: answers are that"
        return f"lists level with the best simple method, {name}"
    worse = "better" if gain > 0 else "worse"
    return f"lists {abs(gain):.0%} {worse} than those of the best simple method, {name}"


def simple_methods(dataset: Dataset) -> list[tuple[str, Callable[[], Any]]]:
    """The baselines that the data can serve."""
    found: list[tuple[str, Callable[[], Any]]] = [("popular", baselines.Popular)]
    if dataset.time is not None:
        found.append(("popular-last-7-days", lambda: baselines.RecentlyPopular(WEEK)))
    if dataset.schema.repeats:
        found.append(("taken-before", baselines.TakenBefore))
    if len(dataset.items) <= EASE_LIMIT:  # beyond, they would take longer than the training
        found += [("item-knn", baselines.ItemKNN), ("ease", baselines.EASE)]
    return found


def _figures(
    make: Callable[[], Any], dataset: Dataset, order: np.ndarray, holdouts: Sequence[Holdout]
) -> np.ndarray:
    """A baseline's NDCG@10 of each user of all holdouts, float64 [users]; it sees what is visible.
    See ``Weighed.values``.
    """
    found = []
    for holdout in holdouts:
        try:
            ranker = make().fit(dataset, np.sort(order[holdout.visible]))
        except UsageError:
            found.append(np.zeros(len(holdout.users)))
            continue
        for begin in range(0, len(holdout.users), BLOCK):
            part = holdout.take(slice(begin, begin + BLOCK))
            scores = np.array(ranker.scores(part.users), dtype=np.float32)
            found.append(part.ndcg(scores))
    users = np.concatenate([holdout.users for holdout in holdouts])
    return by_user(np.concatenate(found), users)
