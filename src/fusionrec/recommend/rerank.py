"""Reorders answers by diversity, calibration and freshness.

All three change the order within a pool, the first ``max(100, 5k)`` hits, at most 1,000, and keep
the scores. Hits behind the pool keep their order, so no answer becomes shorter, and its pages, with
the same ``k`` and ``fresh``, follow one order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusionrec.index import Hits
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.categories import Categories, liked
from fusionrec.recommend.query import Query, UserVector
from fusionrec.registry import unit

FADE = 0.8  # an item's relevance is multiplied by this each time it was shown in vain
SMOOTHING = 0.01  # share of the target in a list's mix, which keeps the divergence finite
POOL, POOL_OF_K, POOL_MOST = 100, 5, 1_000
NO_TASTE = "calibration is off: nothing is known of what the person likes by which to mix the items"


@dataclass(frozen=True)
class Pool:
    """p hits, the best first, and what orders them.

    Attributes:
        relevance: float64 [p], 0..1.
        vectors: float32 [p, d], of length 1.
        parts: float64 [p, c], see ``Categories.parts``.
        target: float64 [c], the wanted mix, or None.
    """

    relevance: np.ndarray
    vectors: np.ndarray
    parts: np.ndarray
    target: np.ndarray | None = None


class Reranker:
    """Reorders the hits of one version's searches.

    Args:
        catalog: the version's items.
        categories: of these items.
    """

    def __init__(self, catalog: Catalog, categories: Categories) -> None:
        self._catalog, self._categories = catalog, categories

    def depth(self, query: Query) -> int:
        """How many hits a query needs that reorders them."""
        return max(query.offset + query.k, _pool(query.k))

    def order(self, hits: Hits, person: UserVector, query: Query) -> Hits:
        """The first ``depth`` hits in the query's order, with their own scores."""
        size = min(_pool(query.k), len(hits))
        rows, scores = hits.rows[:size], hits.scores[:size]
        target = self._target(person, query) if query.calibration else None
        parts = self._categories.parts(rows) if target is not None else np.empty((0, 0))
        ids, shown = self._catalog.items.ids, query.fresh or {}
        times = np.array([max(shown.get(ids[row], 0), 0) for row in rows], dtype=np.float64)
        first = order(
            Pool(
                spread(scores) * FADE**times,
                unit(self._catalog.artifact.likeness(self._catalog.vectors[rows])),
                parts,
                target,
            ),
            min(query.offset + query.k, size),
            diversity=query.diversity,
            calibration=query.calibration,
        )
        positions = np.concatenate([first, np.arange(size, len(hits))])
        return Hits(hits.rows[positions], hits.scores[positions])

    def notes(self, person: UserVector, query: Query) -> tuple[str, ...]:
        """Notes on wishes that could not be met."""
        off = query.calibration > 0 and self._target(person, query) is None
        return (NO_TASTE,) if off else ()

    def _target(self, person: UserVector, query: Query) -> np.ndarray | None:
        """The mix of categories that the person likes; None if unknown."""
        rows = person.history.items[liked(person.history, self._catalog.artifact.schema.like)]
        return self._categories.mix(rows[~np.isin(rows, self._catalog.rows(query.hidden))])


def spread(values: np.ndarray) -> np.ndarray:
    """Finite values, float of any shape, scaled to float64 from 0, the lowest, to 1, the highest; 1
    if all are equal. So diversity and calibration weigh alike with every model.
    """
    exact = np.asarray(values, dtype=np.float64)
    low, high = exact.min(initial=np.inf), exact.max(initial=-np.inf)
    return (exact - low) / (high - low) if high > low else np.ones(exact.shape)


def order(pool: Pool, picks: int, *, diversity: float, calibration: float) -> np.ndarray:
    """The order of a pool by diversity and calibration: int64 [p], places in it, each once.

    Picks one item after the other, the one with the highest
    ``(1 − calibration) · ((1 − diversity) · relevance − diversity · nearest) − calibration · KL``,
    the first of equal ones. ``nearest`` is the highest similarity to a picked item, the cosine
    scaled to the pool's range: maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998).
    ``KL`` is the divergence of the list with the item from the target: calibrated recommendations
    (Steck, RecSys 2018).

    Args:
        pool: p hits.
        picks: how many to pick, 0..p; the others follow in their own order.
        diversity: 0..1.
        calibration: 0..1; without effect if there is no target.
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
    """Kullback-Leibler divergence of lists' mixes from a target, float64 [m], in nats: 0 if equal,
    at most ``log(1 / SMOOTHING)``.

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
