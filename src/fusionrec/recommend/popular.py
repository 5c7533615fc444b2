"""The most popular items, for people of whom nothing is known."""

from __future__ import annotations

import numpy as np

from fusionrec.index import Hits
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.item_search import ItemSearch
from fusionrec.recommend.messages import why_empty
from fusionrec.recommend.query import Query

NOBODY = "nothing is known of the person: these are the items rated most often"
RECENT = NOBODY + ", where what people took in the last 30 days counts for {share:.0%}"
# With so many people who took something recently, that counts as much as all training data: a few,
# who may be invented, move little.
EVIDENCE = 200
NO_COUNTS = (
    "nothing is known of the person, and there are no ratings by which to order the items: "
    "say what the person likes"
)


def popular_hits(
    finder: ItemSearch, query: Query, barred: np.ndarray, depth: int
) -> tuple[Hits, tuple[str, ...]]:
    """The most popular items, then those that nobody has taken yet, the last added first, with
    their popularity as scores; and notes on that order. A version of vectors alone gets none: it
    has no ratings, and any other order would look like a recommendation.

    Args:
        finder: of the catalog.
        query: its conditions and what people took recently.
        barred: int64 [m], rows that must not be among them.
        depth: how many, at most.
    """
    catalog, artifact = finder.catalog, finder.artifact
    share = _share(query.recent.users) if query.recent.takers else 0.0
    popularity = _popularity(catalog, query, share)
    allowed = catalog.columns.mask(query.where) & catalog.available
    allowed[barred] = False
    rows = np.flatnonzero(allowed & ((popularity > 0) | artifact.has_towers))
    turn = np.where(rows < len(artifact.items), rows, -rows)
    best = rows[np.lexsort((turn, -popularity[rows]))][:depth]
    if not len(best):
        none = why_empty(finder, query, barred) if artifact.has_towers else ()
        return Hits(best, popularity[best]), none or (NO_COUNTS,)
    why = RECENT.format(share=share) if share else NOBODY
    if artifact.schema.events:
        why = why.replace("rated", "taken")
    return Hits(best, popularity[best]), (why,)


def _popularity(catalog: Catalog, query: Query, share: float) -> np.ndarray:
    """Each item's popularity, float32 [n] in 0..1: its ratings in training as a share of the most
    rated item's, mixed with its recent takers as a share of the most taken item's.
    """
    takers, rows = np.zeros(len(catalog)), catalog.positions
    for item, users in query.recent.takers.items():
        if item in rows:
            takers[rows[item]] = users
    counts = catalog.counts
    mixed = (1 - share) * counts / max(counts.max(initial=0), 1)
    mixed += share * takers / max(takers.max(initial=0), 1)
    return np.asarray(mixed, dtype=np.float32)


def _share(users: int) -> float:
    """How much recent takers, so many, count beside the training data: 0..1."""
    return users / (users + EVIDENCE)
