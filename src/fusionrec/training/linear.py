"""Chooses the settings of the regressions from items to items by what is held out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fusionrec.data.schema import Schema
from fusionrec.models.linear_settings import LinearTraining
from fusionrec.registry.tables import Histories
from fusionrec.regression.fold_in import popularity_scale
from fusionrec.regression.item_weights import ItemWeights, item_weights
from fusionrec.regression.ridge import principal
from fusionrec.regression.sequences import HistoryChoice, Sequences, regression
from fusionrec.training.holdouts import Holdout
from fusionrec.training.weighing import surely_above

KEPT = 0.985  # share of the whole matrix' NDCG@10 that a width must keep
SEARCHED = 4_000  # most-taken items, among which settings are chosen
ROWS = 2_000_000  # interactions, by which they are chosen, about

# With its weights, its Gram matrix, and NDCG@10 of each user.
Best = tuple[HistoryChoice, ItemWeights, np.ndarray, np.ndarray]


def choose(
    ordered: bool,
    histories: Histories,
    columns: np.ndarray,
    schema: Schema,
    holdout: Holdout | None,
    settings: LinearTraining,
    dims: Sequence[int],
) -> HistoryChoice:
    """Chooses decay, penalty, the weakest weight, and then the width, by a holdout.

    The weakest weight stays 1 unless another gains more than a standard error: where weights say
    nothing, it is noise that gains less.

    In a large catalog among the ``SEARCHED`` most-taken items, and by all interactions of a sample
    of users that have about ``ROWS``: what is chosen is then fitted on everything.

    Args:
        ordered: as of ``HistoryChoice``.
        histories, columns: as of ``Sequences``.
        schema: of the data.
        holdout: without one the first of each list and the last of ``dims`` are taken.
        settings: the candidates.
        dims: widths, rising.
    """
    tried = candidates(ordered, settings)
    if holdout is None:
        return replace(tried[0], width=dims[-1])
    columns = most_taken(histories, columns, SEARCHED)
    visible = holdout.visible & sampled(histories, holdout.users, ROWS, settings.seed)
    sequences = Sequences(histories, columns, visible, schema)
    learned = np.flatnonzero(columns >= 0)
    best = _best_penalty(tried[0], sequences, holdout, learned, settings.ridges, None)
    for one in tried[1:]:
        best = _best_penalty(one, sequences, holdout, learned, settings.ridges, best)
    differ = (sequences.strength != sequences.strength[:1]).any()
    for weakest in settings.weakest if differ else ():
        one = replace(best[0], weakest=weakest)
        found = _best_penalty(one, sequences, holdout, learned, (one.ridge,), None)
        if surely_above(found[3], best[3], errors=1.0):
            best = found
    choice, weights, gram, _ = best
    scale = popularity_scale(sequences, choice)[:, None]
    items = principal(
        lambda vectors: weights.times(scale * vectors),
        lambda vectors: scale * weights.transposed_times(vectors),
        gram,
        dims[-1],
        settings.seed,
    )
    users = np.asarray(sequences.histories(choice)[holdout.users] @ weights.times(scale * items))
    items /= scale
    for dim in dims:
        figure = float(holdout.ndcg(users[:, :dim] @ items[:, :dim].T, learned).mean())
        choice = replace(choice, width=min(dim, items.shape[1]), figure=figure)
        if figure >= KEPT * (choice.whole or 0.0):
            break
    return choice


def candidates(ordered: bool, settings: LinearTraining) -> list[HistoryChoice]:
    """All decays and windows, each with the first penalty; of unordered histories a single one."""
    reads = [(1.0, 0)]
    if ordered:
        reads = [
            (0.5 ** (1 / half), min(settings.window, math.ceil(6 * half)))
            for half in settings.halvings
        ]
    return [HistoryChoice(ordered, *read, 1.0, settings.ridges[0], 0) for read in reads]


def _best_penalty(
    choice: HistoryChoice,
    sequences: Sequences,
    holdout: Holdout,
    learned: np.ndarray,
    ridges: Sequence[float],
    best: Best | None,
) -> Best:
    """The better of ``best`` and a choice at one of some penalties."""
    gram, targets = regression(sequences, choice)
    read = sequences.histories(choice)[holdout.users]
    for l2 in ridges:
        weights = item_weights(choice.ordered, gram, targets, l2)
        values = holdout.ndcg(weights.scores(read), learned)
        figure = float(values.mean())
        if best is None or figure > (best[0].whole or 0.0):
            best = replace(choice, ridge=l2, whole=figure), weights, gram, values
    assert best is not None, "there is a penalty"
    return best


def most_taken(histories: Histories, columns: np.ndarray, most: int) -> np.ndarray:
    """Columns of the most-taken items alone among those that have one, int [items]; else -1."""
    counts = np.bincount(histories.item, minlength=len(columns))
    kept = np.flatnonzero((columns >= 0) & (counts > 0))
    kept = np.sort(kept[np.lexsort((kept, -counts[kept]))][:most])
    found = np.full(len(columns), -1)
    found[kept] = np.arange(len(kept))
    return found


def sampled(histories: Histories, users: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Which interactions, bool [n], are of some users or of others who are drawn, at random and
    until all have about ``most``.
    """
    counts = np.diff(histories.offsets)
    order = np.random.default_rng(seed).permutation(len(counts))
    order = np.r_[users, order[~np.isin(order, users)]]
    drawn = np.zeros(len(counts), dtype=bool)
    drawn[users] = True
    drawn[order[np.cumsum(counts[order]) <= most]] = True
    return np.repeat(drawn, counts)
