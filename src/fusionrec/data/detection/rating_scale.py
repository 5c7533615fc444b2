"""Infers the scale of a column of ratings."""

from __future__ import annotations

import re

import numpy as np

_USUAL = (  # the first that fits
    (0.5, 5.0),
    (1.0, 5.0),
    (0.0, 5.0),
    (1.0, 10.0),
    (0.0, 10.0),
    (-10.0, 10.0),
    (0.0, 100.0),
)
SHORT = _USUAL[:4]  # scales that whole numbers may have without a telling name
MISSING = 99.0  # a rating that was not given, in tables whose scale ends far below
_STRAY = 0.0025  # share of numbers at each end that may be mistakes
_MOST_STRAY = 0.02  # share of mistakes if the column's name gives the scale
_RANGE = re.compile(r"(?<![\d.])(-?\d+(?:\.\d+)?) ?(?:-|–|\.\.|_|to|bis) ?(\d+(?:\.\d+)?)(?![\d.])")

Scale = tuple[float, float, tuple[str, ...]]


def guess_scale(name: str, numbers: np.ndarray, top: float = 0.0) -> Scale:
    """The likely scale of ratings.

    Args:
        name: the column's, which may give it, such as ``Rating (1-10)``.
        numbers: float64 [n], n > 0.
        top: the highest rating if the values say it, as ``4/5`` does; else 0.

    Returns:
        Its lowest and highest rating, and sentences about oddities, such as how many numbers lie
        outside.
    """
    said = (min(1.0, float(numbers.min())), top, ("the values say so, as in 4/5",))
    scale = (
        (said if top and numbers.max() <= top else None)
        or _named(name, numbers)
        or _of_most(numbers)
        or _of_all(numbers)
    )
    low, high, notes = scale
    outside = numbers[(numbers < low) | (numbers > high)]
    explained = notes and notes[-1].endswith(f"begins at {numbers.min():g}")
    if len(outside) == 0 or explained:
        return scale
    values, often = np.unique(outside, return_counts=True)
    most = ", ".join(
        f"{values[n]:g} {often[n]:,} times" for n in np.argsort(-often, kind="stable")[:3]
    )
    says = f"{len(outside):,} of {len(numbers):,} lie outside and will be left out, such as {most}"
    return low, high, (*notes, says)


def _named(name: str, numbers: np.ndarray) -> Scale | None:
    """The scale in the column's name, if the numbers fit it."""
    match = _RANGE.search(name)
    if match is None:
        return None
    low, high = float(match[1]), float(match[2])
    outside = np.mean((numbers < low) | (numbers > high))
    if low >= high or outside > _MOST_STRAY or numbers.max() < low + (high - low) / 2:
        return None
    return low, high, ("the column's name says so",)


def _of_most(numbers: np.ndarray) -> Scale | None:
    """The usual scale of nearly all numbers, if only a few stray ones contradict it."""
    low, high = np.quantile(numbers, [_STRAY, 1 - _STRAY], method="closest_observation")
    if low == numbers.min() and high == numbers.max():
        return None
    least, most, notes = _of_all(numbers[(numbers >= low) & (numbers <= high)])
    # A rare zero may be the lowest rating; numbers above the scale or below zero are strays.
    stray = numbers.max() > most or numbers.min() < min(least, 0.0)
    return (least, most, notes) if stray and (least, most) in _USUAL else None


def _of_all(numbers: np.ndarray) -> Scale:
    low, high = float(numbers.min()), float(numbers.max())
    levels = np.unique(numbers)
    if set(levels) <= {0.0, 1.0}:
        return 0.0, 1.0, ("thumbs down and up",)
    if set(levels) <= {-1.0, 0.0, 1.0}:
        return -1.0, 1.0, ("thumbs down and up",)
    whole = bool(np.all(levels == np.rint(levels)))
    for none, beside in ((low, levels[1]), (high, levels[-2])) if len(levels) > 1 else ():
        lone = float(np.mean(numbers == none))
        # A missing rating is written as 0 or -1 below the scale, or as 99 far above it.
        below = none == low and none in (-1.0, 0.0) and beside >= 0.5 and 1 < high <= 100
        if (below and (none == -1.0 or lone > max(0.3, 1.5 / len(levels)))) or (
            none == MISSING and beside <= 10
        ):
            least, most, notes = _of_all(numbers[numbers != none])
            note = f"{none:g}, in {lone:.0%} of the rows, seems to mean that there is no rating"
            begins = f": such rows are left out; else the scale begins at {none:g}"
            return least, most, (*notes, note + (begins if below else ""))
    if whole and low == 1.0 and 5 < high < 10 and len(levels) == high and len(numbers) >= 1000:
        return low, high, ()
    halves = not whole and bool(np.all(2 * levels == np.rint(2 * levels)))
    for least, most in _USUAL:
        fits = least <= low and (least + most) / 2 <= high <= most and (least >= 0 or low < 0)
        if fits and (halves or least != 0.5):
            return least, most, ("half stars",) if halves else ()
    return low, high, ("no scale that is usual; these are the lowest and the highest seen",)
