"""Lets returns, rows with a negative count, cancel the purchases before them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fusionrec.data.tabular.findings import Findings

_ROUNDING = 1e-6  # share of a count that may be left by rounding
_ROWS = 1 << 20  # at a time


def cancel_returns(
    user: np.ndarray,
    item: np.ndarray,
    count: np.ndarray,
    time: np.ndarray | None,
    findings: Findings,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """The columns without returns and what they cancel: the latest earlier purchases of that user
    and item, up to the quantity. A purchase that is cancelled in part stays with a lower count.

    Args:
        user, item: int32 [n], positions.
        count: float32 [n], not 0; negative where something was returned.
        time: int64 [n], if known; rows of one time, or without times, are in their order.
        findings: is told of returns, and of those that match no purchase.
    """
    back = count < 0
    if not back.any():
        return user, item, count, time
    returning = np.zeros(int(user.max()) + 1, dtype=bool)
    returning[user[back]] = True
    width = int(item.max()) + 1
    rows = np.flatnonzero(returning[user])  # few, so that the search of pairs is cheap
    pair = user[rows].astype(np.int64) * width + item[rows]
    concerned = np.isin(pair, np.unique(pair[back[rows]]))
    rows, pair = rows[concerned], pair[concerned]
    order = np.lexsort((pair,) if time is None else (time[rows], pair))
    rows, pair = rows[order], pair[order]
    count, bought = count.copy(), count[rows] > 0
    count[rows] = _settled(pair, count[rows].astype(np.float64))
    says = "rows left out for a negative count: returns, which cancel the latest purchase before"
    findings.add("returns", int(back.sum()), says, left_out=True)
    gone = int((bought & (count[rows] == 0)).sum())
    findings.add("returned", gone, "purchases left out that were returned", left_out=True)
    unmatched = int((count < 0).sum())
    says = "returns of more than the user had taken of the item before"
    means = "do the files begin later than the purchases?"
    findings.add(
        "returns_unmatched", unmatched, says, means, warning=unmatched * 2 > int(back.sum())
    )
    kept = np.flatnonzero(count > 0)
    return user[kept], item[kept], count[kept], None if time is None else time[kept]


def _settled(pair: np.ndarray, count: np.ndarray) -> np.ndarray:
    """What is left of each count, float64 [n]; below 0 what was returned and never taken.

    Args:
        pair: int64 [n], user and item, rows of one pair together and in their order.
        count: float64 [n].
    """
    left = count.copy()
    begins = np.flatnonzero(np.r_[True, pair[1:] != pair[:-1]])
    at = begins[np.searchsorted(begins, np.arange(0, len(pair), _ROWS), side="right") - 1]
    for start, end in pairwise([*np.unique(at).tolist(), len(pair)]):
        left[start:end] = _settled_part(pair[start:end].tolist(), count[start:end].tolist())
    return left


def _settled_part(pairs: list[int], counts: list[float]) -> list[float]:
    left, before = list(counts), -1
    open_purchases: list[int] = []
    for at, (pair, count) in enumerate(zip(pairs, counts, strict=True)):
        if pair != before:
            open_purchases, before = [], pair
        if count > 0:
            open_purchases.append(at)
            continue
        owed = -count
        while owed > 0 and open_purchases:
            last = open_purchases[-1]
            taken = min(owed, left[last])
            owed = _rounded(owed - taken, -count)
            left[last] = _rounded(left[last] - taken, counts[last])
            if left[last] == 0:
                open_purchases.pop()
        left[at] = -owed
    return left


def _rounded(rest: float, whole: float) -> float:
    return rest if rest > _ROUNDING * whole else 0.0
