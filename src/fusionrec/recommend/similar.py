"""Items like one item, of versions whose vectors are made of parts."""

from __future__ import annotations

import numpy as np

from fusionrec.recommend.catalog import Catalog
from fusionrec.registry import unit
from fusionrec.registry.inference.blend import BlendRunner

SUPPORT = 5  # interactions, below which an item's content says more of it
PRIOR = 5.0  # times the mean number of interactions of an item, added to each item's own


def similar_scores(catalog: Catalog, tower: BlendRunner, row: int) -> np.ndarray:
    """How much each item goes with one item, float32 [n], in −1..1; exact, over the whole catalog.

    What the item says of each other one as the next, or as another one to take, over the root of
    that one's popularity with a prior: an inner product alone favours what everybody takes, a
    cosine what nobody does. An item of fewer than ``SUPPORT`` interactions goes by
    its content.

    Args:
        catalog: the items as they are now.
        tower: of their version.
        row: of the item.
    """
    vectors, counts = catalog.matrix, catalog.counts
    own = vectors[row]
    if counts[row] < SUPPORT and row < len(catalog.artifact.items):
        one = {name: [column[row]] for name, column in catalog.items.columns.items()}
        features = catalog.artifact.encoder.encode("item", [None], one)
        own = catalog.artifact.item_tower.vectors(features)[0]
    if tower.histories:
        name = next(n for n in ("next", "taste") if n in tower.histories)
        span, part = tower.spans[name], tower.histories[name]
        says = own[span] @ part.added if counts[row] < SUPPORT else part.of(np.array([row]))[0]
        scores = vectors[:, span] @ says / np.sqrt(counts + PRIOR * max(counts.mean(), 1.0))
    else:
        alike = catalog.artifact.likeness
        scores = unit(alike(vectors)) @ unit(alike(own[None]))[0]
    return np.asarray(scores / max(float(np.abs(scores).max(initial=0.0)), 1e-12), np.float32)
