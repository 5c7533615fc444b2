"""Warns of data from which nothing sensible can be learned, though it could be read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np

from fusionrec.data.tabular.findings import SHOWN, Findings
from fusionrec.data.tabular.ids import looks_rounded
from fusionrec.data.tabular.spec import InteractionsSpec

_NO_ID = {"null", "(null)", "<null>", "none", "nan", "nat", "n/a", "#n/a", "<na>", "\\n", "nil",
          "undefined"}  # fmt: skip
_MAY_BE_ID = {"na", "0", "-1", "-", "?", ".", "unknown", "guest", "anonymous", "anon", "gast",
              "unbekannt", "inconnu", "invité", "desconocido", "неизвестно", "deleted",
              "[deleted]"}  # fmt: skip
_MANY, _SHARE = 2, 0.02  # times the interactions of others, and of all, that are many
_ROWS = 10  # of fewer nothing is said
_IDS = 3  # of fewer distinct ids nothing is said
_FIRST = 10_000  # rows that mostly settle it
_BY_CHANCE = 1e-4
_ALL = 0.95  # share of ids
_DAY = 86_400
# Shares of zeros that are many, and that may be many if they are so many times the lowest others.
_ZEROS, _SOME_ZEROS, _MORE = 0.3, 0.1, 1.5
_STEP = 0.5  # between ratings, and so from no rating to the lowest one


def caution(
    spec: InteractionsSpec,
    user: np.ndarray,
    item: np.ndarray,
    rating: np.ndarray,
    time: np.ndarray | None,
    findings: Findings,
) -> None:
    """Adds findings about the interactions as a whole.

    Args:
        spec: the table ``[interactions]``.
        user, item: int32 [n], positions; n above 0.
        rating: float32 [n], ratings, counts or weights of events.
        time: int64 [n], seconds since 1970, if known.
        findings: collects them.
    """
    if user.min() == user.max():
        findings.add("one_user", 1, "users", "one user's choices say nothing about those of others")
    if item.min() == item.max():
        findings.add("one_item", 1, "items", "there is nothing to choose from")
    if spec.rating and rating.min() == rating.max():
        means = "which items are liked better cannot be learned"
        findings.add("one_rating", len(rating), f"ratings that are all {rating[0]:g}", means)
    if len(user) < _ROWS:
        return
    _single(user, item, findings)
    if time is not None:
        _times(time, findings)
    if spec.rating or spec.count:
        _determined(spec, user, item, rating, findings)
    if spec.rating:
        _zeros(spec, rating, findings)
    if spec.count:
        odd = np.flatnonzero(rating % 1)
        says = "counts that are no whole numbers: an amount, such as hours or a price?"
        example = f"{rating[odd[0]]:g}" if len(odd) else ""
        findings.add("count_fraction", len(odd), says, example, warning=True)


def caution_ids(
    side: str, ids: Sequence[str], often: np.ndarray, known: int, findings: Findings
) -> None:
    """Adds findings about ids of which nearly all stand in quotes or have spaces around, that are
    rounded, or that mean that nobody or nothing is known.

    Args:
        side: ``user`` or ``item``.
        ids: all of them, by position.
        often: int [m], how many interactions each of the first m has.
        known: how many come from the side's own table; they have the first positions.
        findings: collects them.
    """
    named = np.flatnonzero(often).tolist()
    rows, table = [ids[at] for at in named], ids[:known]
    rounded = [id_ for id_ in rows if "E+" in id_ and looks_rounded([id_])]
    says = f"{side} ids that are rounded numbers: other ids have become one with each"
    means = "export the column as text"
    example = f"{rounded[0]!r:.{SHOWN}}; {means}" if rounded else ""
    findings.add(f"{side}s_rounded", len(rounded), says, example, warning=True)
    _nobody(side, ids, often, findings)
    oddities: tuple[tuple[str, str, Callable[[str], str]], ...] = (
        ("quoted", "stand in quotes of their own", _unquoted),
        ("spaced", "have spaces around", str.strip),
    )
    for name, what, clean in oddities:
        here, there = _odd(rows, clean), _odd(table, clean)
        if not (here or there):
            continue
        odd, where = (here, "") if here else (there, f" in the table of {side}s")
        example = f"{odd[0]!r:.{SHOWN}}"
        if table and bool(here) != bool(there):
            met = len({clean(id_) for id_ in rows} & {clean(id_) for id_ in table})
            others = f"the table of {side}s" if here else "the interactions"
            example += f"; those of {others} do not, and without them {met:,} would be in both"
        says = f"{side} ids{where} that {what}"
        findings.add(f"{side}s_{name}", len(odd), says, example, warning=True)


def _nobody(side: str, ids: Sequence[str], often: np.ndarray, findings: Findings) -> None:
    """Ids such as ``NULL``, of which the rows would be those of one user or item."""
    many = max(_MANY * often[often > 0].mean(), _SHARE * often.sum())
    for at in np.flatnonzero(often).tolist():
        word = ids[at].strip().casefold()
        if word in _NO_ID or (word in _MAY_BE_ID and often[at] > many):
            says = f"interactions of {side} {ids[at]!r:.{SHOWN}}"
            means = "if that means not known, such rows can be left out"
            mend = f"missing = {json.dumps([ids[at]], ensure_ascii=False)}"
            findings.add(f"{side}s_unknown", int(often[at]), says, means, warning=True, mend=mend)


def _unquoted(id_: str) -> str:
    inner = id_.removeprefix("=")  # by which spreadsheets are told that it is text
    quoted = len(inner) > 2 and inner[0] == inner[-1] and inner[0] in "\"'"
    return inner.strip(inner[0]) if quoted else id_


def _odd(ids: Sequence[str], clean: Callable[[str], str]) -> list[str]:
    """The ids that ``clean`` changes, if nearly all are such."""
    if len(ids) < _IDS or all(clean(id_) == id_ for id_ in ids[:_ROWS]):
        return []
    odd = [id_ for id_ in ids if clean(id_) != id_]
    return odd if len(odd) > _ALL * len(ids) else []


def _single(user: np.ndarray, item: np.ndarray, findings: Findings) -> None:
    for side, positions in (("user", user), ("item", item)):
        if (found := np.bincount(positions)).max() == 1:
            says = f"{side}s, each of which has one interaction only"
            means = f"nothing can be learned of which {'items' if side == 'user' else 'users'} "
            means += f"go together; is that the column of {side}s?"
            findings.add(f"{side}s_single", int(found.sum()), says, means, warning=True)


def _times(time: np.ndarray, findings: Findings) -> None:
    first, last = int(time.min()), int(time.max())
    if first // _DAY != last // _DAY:
        return
    day = datetime.fromtimestamp(first, UTC).strftime("%Y-%m-%d")
    if first == last:
        says = "times that are all the same, so that what came first is known by the rows alone"
        findings.add("time_alike", len(time), says, day, warning=True)
    else:
        says = "times that are all of one day; is it the day on which the file was made?"
        findings.add("time_one_day", len(time), says, day, warning=True)


def _determined(
    spec: InteractionsSpec,
    user: np.ndarray,
    item: np.ndarray,
    rating: np.ndarray,
    findings: Findings,
) -> None:
    """A rating that is the same in all rows of an item is no opinion."""
    what = "rating" if spec.rating else "count"
    for side, positions, means in (
        ("item", item, "an attribute of it and no opinion"),
        ("user", user, "so that nothing is said of the items"),
    ):
        if _settles(positions[:_FIRST], rating[:_FIRST]) and _settles(positions, rating):
            distinct = int((np.bincount(positions) > 0).sum())
            shares = np.unique(rating, return_counts=True)[1] / len(rating)
            same = math.log((shares**2).sum()) * (len(rating) - distinct)
            if len(rating) < 2 * distinct or same > math.log(_BY_CHANCE):
                continue
            says = f"{side}s, each of which has the same {what} in all rows: {means}"
            example = f"is another column than {spec.rating or spec.count!r} the {what}?"
            findings.add(f"{what}_of_{side}", distinct, says, example, warning=True)


def _settles(positions: np.ndarray, rating: np.ndarray) -> bool:
    """Whether rows of one position have one rating."""
    last = np.zeros(int(positions.max()) + 1, rating.dtype)
    last[positions] = rating
    return bool((last[positions] == rating).all())


def _zeros(spec: InteractionsSpec, rating: np.ndarray, findings: Findings) -> None:
    low, high = spec.scale
    zeros = int((rating == 0).sum())
    if low != 0 or zeros <= _SOME_ZEROS * len(rating) or zeros == len(rating):
        return
    lowest = float(rating[rating > 0].min())
    often = zeros > min(_ZEROS * len(rating), _MORE * int((rating == lowest).sum()))
    if often and _STEP <= lowest < high:
        says = f"ratings of 0, {zeros / len(rating):.0%} of all; do they mean that none was given?"
        mend = f"scale = [{lowest:g}, {high:g}]"
        findings.add("rating_zeros", zeros, says, warning=True, mend=mend)
