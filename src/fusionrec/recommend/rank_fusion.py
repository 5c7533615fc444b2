"""Combines the ranking of a search by words with that by a person's taste."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from fusionrec.recommend.fulltext import Match

RANK_CONSTANT = 60  # as in Cormack, Clarke and Buettcher (SIGIR 2009)
POOL = 1_000  # hits of a search that a person's taste may reorder


def fuse(
    hits: Sequence[Match], matches: Sequence[Hashable], taste: Callable[[list[str]], np.ndarray]
) -> list[Match]:
    """The hits in the order of words and taste together: reciprocal rank fusion.

    Hits with the same words share a rank by words, since what tells them apart is the length of
    the title alone; among them taste decides. Taste ranks the hits with at least half of the best
    relevance; weaker matches, such as one word of two, stay below these. Items whose title is what
    was typed stay first.

    Args:
        hits: the best first.
        matches: what the first ``POOL`` hits match; those with equal matches share a rank.
        taste: the ids of m hits -> the person's scores of them, float [m].

    Returns:
        The hits with the sums of their reciprocal ranks, ``1 / (60 + rank)``, as scores.
    """
    # A hit's relevance is the best score of the hits with the same words.
    best: dict[Hashable, float] = {}
    for hit, matched in zip(hits, matches, strict=False):
        best[matched] = max(hit.score, best.get(matched, 0.0))
    relevance = np.array([best[matched] for matched in matches])
    pool = int(np.sum(relevance >= relevance.max() / 2)) if len(relevance) else 0
    order = np.argsort(-relevance, kind="stable")
    ranked = [hits[n] for n in order]
    sums = 1 / (RANK_CONSTANT + ranks(relevance[order]))
    by_taste = taste([hit.id for hit in ranked])
    sums[:pool] += 1 / (RANK_CONSTANT + ranks(by_taste[:pool]))
    sums[np.array([hit.called for hit in ranked], dtype=bool)] = 2 / (RANK_CONSTANT + 1)
    rest = 1 / (RANK_CONSTANT + len(ranked) + 1 + np.arange(max(len(hits) - POOL, 0)))
    fused = [Match(ranked[n].id, float(sums[n])) for n in np.argsort(-sums, kind="stable")]
    return fused + [Match(h.id, float(s)) for h, s in zip(hits[POOL:], rest, strict=True)]


def ranks(scores: np.ndarray) -> np.ndarray:
    """Ranks of scores, int [n] from 1, the highest score first; equal ones share the best rank."""
    ordered = np.sort(-scores)
    return 1 + np.searchsorted(ordered, -scores, side="left")
