"""Which items are new, as far as the data know: those added since training, or the latest ones by a
field that tells a year or a time.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fusionrec.recommend.catalog import Catalog

_ADDED = 4, 100  # items added since training: at least, and at most
_LATEST, _PART = 24, 20  # so many of the latest items, or one in so many
_YEARS = 1_500, 1  # the earliest, and how far ahead the latest may be
_SECONDS = 3e8, 3e7  # the same of times since 1970
_YEAR_SECONDS = 31_556_952


def newest_of(catalog: Catalog) -> dict[str, Any] | None:
    """How to ask for the new items: ``only`` their ids, or ``where`` they are in a range; None
    where nothing tells.
    """
    trained = len(catalog.artifact.item_counts)
    rows = np.flatnonzero(catalog.available[trained:])[::-1] + trained
    if len(rows) >= _ADDED[0]:
        return {"only": [catalog.items.ids[row] for row in rows[: _ADDED[1]]], "where": []}
    for field in catalog.artifact.schema.filters():
        if field.kind != "number":
            continue
        numbers = catalog.columns.numbers(field)
        low = _least(np.sort(numbers[np.isfinite(numbers)])[::-1])
        if low is not None:
            return {"only": [], "where": [f"{field.flag}={low:.15g}.."]}
    return None


def _least(numbers: np.ndarray) -> float | None:
    """From where on numbers, the highest first, are the latest; None where they tell no time."""
    if len(numbers) <= _LATEST or not _is_time(numbers):
        return None
    low = float(numbers[max(_LATEST, len(numbers) // _PART)])
    return low if low > numbers[-1] else None


def _is_time(numbers: np.ndarray) -> bool:
    """Whether all numbers, the highest first, are likely years, or seconds since 1970."""
    if np.any(numbers != np.rint(numbers)):
        return False
    now = time.time()
    year = 1970 + now / _YEAR_SECONDS
    ends = float(numbers[-1]), float(numbers[0])
    return any(
        low <= ends[0] and ends[1] <= now_here + ahead
        for (low, ahead), now_here in ((_YEARS, year), (_SECONDS, now))
    )
