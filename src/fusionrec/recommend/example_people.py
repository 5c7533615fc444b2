"""A few users of a version who differ, to begin with: much or little said, different tastes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import numpy as np

from fusionrec.data.schema import Field
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.user_history import title_of

_LOOKED_AT = 2_000  # users, evenly spread over all
_LEAST = 5  # interactions of an example, where anyone has so many
_MANY, _FEW = 0.98, 0.10  # quantiles of how much the examples of a heavy and a light user said
_USUAL = (0.25, 0.75)  # quantiles between which all others are
_VALUES = 24  # of a category, the most frequent ones
_NAMED = 2  # values by which one example is described
_CLEAR = 1.0  # standard deviations by which someone takes more of a value than others do


@dataclass(frozen=True)
class ExamplePerson:
    """A user to look at.

    Attributes:
        id: outside id.
        count: how many interactions the version stores of them.
        likes: labels of what they like more than others do; may be empty.
        favourite: the title of the best known item of those that they like most.
    """

    id: str
    count: int
    likes: tuple[str, ...]
    favourite: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"likes": list(self.likes)}


def example_people(catalog: Catalog, most: int) -> list[ExamplePerson]:
    """Up to so many users: one who said much, one who said little, then one for each of several
    tastes. The same ones each time.
    """
    histories = catalog.artifact.histories
    counts = np.diff(histories.offsets)
    users = np.flatnonzero(counts >= min(_LEAST, int(counts.max(initial=0))))
    users = users[counts[users] > 0]
    if not len(users):
        return []
    users = users[np.unique(np.linspace(0, len(users) - 1, _LOOKED_AT).astype(int))]
    labels, holding = _categories(catalog)
    clear = _more_than_others(catalog, users, holding)
    sizes = counts[users]
    chosen = [_nearest(sizes, _MANY), _nearest(sizes, _FEW)]
    low, high = np.quantile(sizes, _USUAL)
    usual = np.flatnonzero((sizes >= low) & (sizes <= high))
    chosen += _tastes(clear, usual, most)
    if not labels:  # nothing is known but who took what
        chosen += usual[np.linspace(0, len(usual) - 1, most).astype(int)].tolist()
    return [
        _example(catalog, int(users[at]), labels, clear[at])
        for at in list(dict.fromkeys(chosen))[:most]
    ]


def _nearest(sizes: np.ndarray, quantile: float) -> int:
    """Who said about as much as a quantile of all."""
    return int(np.abs(sizes - np.quantile(sizes, quantile)).argmin())


def _tastes(clear: np.ndarray, usual: np.ndarray, most: int) -> list[int]:
    """Of the usual users, for one value after another who takes it most more than others do."""
    chosen: list[int] = []
    values = list(range(clear.shape[1]))
    while len(chosen) < most and values and len(usual):
        part = clear[np.ix_(usual, np.array(values))]
        at, value = np.unravel_index(int(part.argmax()), part.shape)
        if part[at, value] < _CLEAR:
            break
        chosen.append(int(usual[at]))
        values.pop(int(value))
    return chosen


def _categories(catalog: Catalog) -> tuple[list[str], np.ndarray]:
    """Labels of the most frequent values of the first filterable category, and which items hold
    them: float32 [items, values].
    """
    kinds = ("category", "categories")
    field = next((f for f in catalog.artifact.schema.filters() if f.kind in kinds), None)
    own = len(catalog.artifact.items)
    if field is None:
        return [], np.zeros((own, 0), dtype=np.float32)
    rows = [_values(field, value) for value in catalog.artifact.items.columns[field.name]]
    common = [v for v, _ in Counter(chain.from_iterable(rows)).most_common(_VALUES)]
    at = {value: n for n, value in enumerate(common)}
    holding = np.zeros((own, len(common)), dtype=np.float32)
    for row, held in enumerate(rows):
        for value in held:
            if value in at:
                holding[row, at[value]] = 1.0
    return [field.choices.get(value, value) for value in common], holding


def _values(field: Field, value: Any) -> Sequence[str]:
    if field.kind == "categories":
        return tuple(value or ())
    return (value,) if value else ()


def _liked(catalog: Catalog, user: int) -> np.ndarray:
    """Positions of the items that a user liked, or took: int64 [m]; all if they liked none."""
    history, schema = catalog.artifact.histories.of(user), catalog.artifact.schema
    liked = history.items[history.ratings >= schema.like] if not schema.events else history.items
    return liked if len(liked) else history.items


def _more_than_others(catalog: Catalog, users: np.ndarray, holding: np.ndarray) -> np.ndarray:
    """By how many standard deviations each user likes more of each value than people do on the
    whole, float64 [users, values].
    """
    held = np.array([holding[_liked(catalog, user)].sum(axis=0) for user in users.tolist()])
    held = held.reshape(len(users), holding.shape[1]).astype(np.float64)
    share = held.sum(axis=0) / max(held.sum(), 1.0)
    expected = held.sum(axis=1, keepdims=True) * share
    more: np.ndarray = (held - expected) / np.sqrt(np.maximum(expected, 1.0))
    return more


def _example(
    catalog: Catalog, user: int, labels: Sequence[str], clear: np.ndarray
) -> ExamplePerson:
    artifact = catalog.artifact
    best = np.argsort(-clear, kind="stable")[:_NAMED]
    likes = tuple(labels[n] for n in best if clear[n] >= _CLEAR)
    history = artifact.histories.of(user)
    top = history.items
    if not artifact.schema.events:
        top = history.items[history.ratings == history.ratings.max()]
    top = top if len(top) else history.items
    row = int(top[artifact.item_counts[top].argmax()])
    title = title_of(catalog, row, catalog.items.ids[row])
    return ExamplePerson(artifact.users.ids[user], len(history), likes, title)
