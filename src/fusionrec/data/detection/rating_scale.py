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
_STRAY = 0.0025  # share of numbers at each end that may be mistakes
_MOST_STRAY = 0.02  # share of mistakes if the column's name gives the scale
_RANGE = re.compile(r"(?<![\d.])(-?\d+(?:\.\d+)?) ?(?:-|–|\.\.|_|to|bis) ?(\d+(?:\.\d+)?)(?![\d.])")

Scale = tuple[float, float, tuple[str, ...]]


def guess_scale(name: str, numbers: np.ndarray) -> Scale:
    """The likely scale of ratings.

    Args:
        name: the column's, which may give it, such as ``Rating (1-10)``.
        numbers: float64 [n], n > 0.

    Returns:
        Its lowest and highest rating, and sentences about oddities, such as how many numbers lie
        outside.
    """
    scale = _named(name, numbers) or _of_most(numbers) or _of_all(numbers)
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
    lone = float(np.mean(numbers == low))
    whole = bool(np.all(levels == np.rint(levels)))
    apart = whole and low in (-1.0, 0.0) and levels[1] >= 1 and high in (5.0, 10.0)
    if apart and (low == -1.0 or lone > 0.3):
        note = f"{low:g}, in {lone:.0%} of the rows, seems to mean that there is no rating"
        return 1.0, high, (f"{note}: such rows are left out; else the scale begins at {low:g}",)
    if whole and low == 1.0 and 5 < high < 10 and len(levels) == high and len(numbers) >= 1000:
        return low, high, ()
    halves = not whole and bool(np.all(2 * levels == np.rint(2 * levels)))
    for least, most in _USUAL:
        if least <= low and high <= most and (halves or least != 0.5):
            return least, most, ("half stars",) if halves else ()
    return low, high, ("no scale that is usual; these are the lowest and the highest seen",)
