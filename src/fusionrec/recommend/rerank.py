"""The order of an answer beside its scores: diversity, calibration, freshness.

All three change the order within a pool, the first ``max(100, 5k)`` hits, at most 1,000, and leave
scores as they are. What stands behind the pool keeps its order, so no answer becomes shorter, and
its pages, asked for with one ``k`` and one ``fresh``, follow one order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusionrec.index import Hits
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.categories import Categories, liked
from fusionrec.recommend.query import Query, UserVector

FADE = 0.8  # what each time that an item was shown in vain leaves of its relevance
SMOOTHING = 0.01  # share of the target in a list's mix, so that its divergence is finite
POOL, POOL_OF_K, POOL_MOST = 100, 5, 1_000
NO_TASTE = "calibration is off: nothing is known of what the person likes by which to mix the items"


@dataclass(frozen=True)
class Pool:
    """p hits, the best first, and what they are ordered by beside their scores.

    Attributes:
        relevance: float64 [p], 0..1.
        vectors: float32 [p, d], of length 1.
        parts: float64 [p, c], see ``Categories.parts``.
        target: float64 [c], the mix that is wanted; None where none is.
    """

    relevance: np.ndarray
    vectors: np.ndarray
    parts: np.ndarray
    target: np.ndarray | None = None


class Reranker:
    """Orders the hits of a version's searches as queries wish.

    Args:
        catalog: the version's items.
        categories: of these items.
    """

    def __init__(self, catalog: Catalog, categories: Categories) -> None:
        self._catalog, self._categories = catalog, categories

    def depth(self, query: Query) -> int:
        """How many hits the query's page is cut from, where it reorders them."""
        return max(query.offset + query.k, _pool(query.k))

    def order(self, hits: Hits, person: UserVector, query: Query) -> Hits:
        """The first ``depth`` hits in the query's order, with the scores that they came with."""
        pool = _pool(query.k)
        first = Hits(hits.rows[:pool], hits.scores[:pool])
        positions = order(
            self._filled(first, person, query),
            min(query.offset + query.k, len(first)),
            diversity=query.diversity,
            calibration=query.calibration,
        )
        positions = np.concatenate([positions, np.arange(len(first), len(hits))])
        return Hits(hits.rows[positions], hits.scores[positions])

    def notes(self, person: UserVector, query: Query) -> tuple[str, ...]:
        """What to say of wishes that could not be met, in sentences."""
        off = query.calibration > 0 and self._target(person, query) is None
        return (NO_TASTE,) if off else ()

    def _filled(self, hits: Hits, person: UserVector, query: Query) -> Pool:
        target = self._target(person, query) if query.calibration else None
        parts = self._categories.parts(hits.rows) if target is not None else np.empty((0, 0))
        ids, shown = self._catalog.items.ids, query.fresh or {}
        times = np.array([shown.get(ids[row], 0) for row in hits.rows], dtype=np.float64)
        value = spread(hits.scores) * FADE ** np.maximum(times, 0)
        return Pool(value, self._catalog.vectors[hits.rows], parts, target)

    def _target(self, person: UserVector, query: Query) -> np.ndarray | None:
        """How the categories mix in what the person likes; None where that is not known."""
        like, rows = self._catalog.artifact.schema.like, self._catalog.positions
        liked_rows = person.history.items[liked(person.history, like)]
        hidden = [rows[item] for item in query.hidden if item in rows]
        return self._categories.mix(liked_rows[~np.isin(liked_rows, hidden)])


def spread(values: np.ndarray) -> np.ndarray:
    """Finite values, float of any shape, as places between the lowest, 0, and the highest, 1:
    float64. Where all are equal they are 1.

    So diversity and calibration weigh alike whatever a model's scores and cosines are like.
    """
    exact = np.asarray(values, dtype=np.float64)
    low, high = exact.min(initial=np.inf), exact.max(initial=-np.inf)
    return (exact - low) / (high - low) if high > low else np.ones(exact.shape)


def order(pool: Pool, picks: int, *, diversity: float, calibration: float) -> np.ndarray:
    """A pool in the order that is wished: int64 [p], places in it, each once.

    Item after item is chosen, the one with the highest
    ``(1 − calibration) · ((1 − diversity) · relevance − diversity · nearest) − calibration · KL``,
    of equal ones the first. ``nearest`` is the highest likeness to an item chosen before: maximal
    marginal relevance (Carbonell and Goldstein, SIGIR 1998); the likeness of two items is the place
    of their cosine between the pool's lowest and highest. ``KL`` is the divergence of the list with
    the item from the target: calibrated recommendations (Steck, RecSys 2018).

    Args:
        pool: p hits.
        picks: how many are chosen so, 0..p; the others follow in their own order.
        diversity: 0..1.
        calibration: 0..1; nothing without a target.
    """
    target = pool.target if calibration else None
    weight = calibration if target is not None else 0.0
    like = spread(pool.vectors @ pool.vectors.T) if diversity else np.empty((0, 0))
    own = (1 - weight) * (1 - diversity) * pool.relevance
    nearest = np.zeros(len(own))
    mixed = np.zeros(pool.parts.shape[1])
    chosen: list[int] = []
    for _ in range(picks):
        value = own - (1 - weight) * diversity * nearest
        if target is not None:
            value -= weight * divergence(target, mixed + pool.parts)
        value[chosen] = -np.inf
        best = int(np.argmax(value))
        chosen.append(best)
        if diversity:
            nearest = np.maximum(nearest, like[best])
        if target is not None:
            mixed = mixed + pool.parts[best]
    first = np.array(chosen, dtype=np.int64)
    return np.concatenate([first, np.setdiff1d(np.arange(len(own)), first)])


def divergence(target: np.ndarray, mixed: np.ndarray) -> np.ndarray:
    """Kullback-Leibler divergence of lists' mixes from a target, float64 [m], in nats; 0 where they
    are equal, at most ``log(1 / SMOOTHING)``.

    Args:
        target: float [c], adding up to 1.
        mixed: float [m, c], each list's categories; counts as well as shares.
    """
    wanted = target > 0  # the others add nothing
    weight, whole = target[wanted], np.maximum(mixed.sum(axis=1, keepdims=True), 1e-12)
    found = mixed[:, wanted] * ((1 - SMOOTHING) / whole) + SMOOTHING * weight
    return np.asarray((np.log(weight) - np.log(found)) @ weight)


def _pool(k: int) -> int:
    return min(max(POOL, POOL_OF_K * k), POOL_MOST)
