"""Whether a number can be reckoned with."""

from __future__ import annotations

import math


def finite(number: float) -> bool:
    """Whether a number is finite; a whole one that is too large for a float counts as infinite."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False
