"""A map of the items: their vectors' first two principal components, coloured by category."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from fusionrec.evaluation.report.scoring import categories_of, category_field, label
from fusionrec.registry import Artifact

MOST_ITEMS = 5_000  # points; beyond, the most rated are shown
COLOURS = 11  # categories that have their own; the rest are "other"
OTHER = "other"
_NAMED = 60  # best-known items whose titles are tried; those that fit are drawn


@dataclass(frozen=True)
class ItemMap:
    """Points, their categories and their titles.

    Attributes:
        points: float64 [n, 2].
        kept: share of the vectors' variance along each axis.
        items: how many there are in all.
        field: name of the category that colours; empty if there is none.
        kinds: the categories that have a colour, the most frequent first, OTHER last if any.
        kind: int64 [n], each point's index in ``kinds``.
        count: int64 [n], how often each was rated.
        titles: (row among the points, title), the best known first.
    """

    points: np.ndarray
    kept: tuple[float, float]
    items: int
    field: str
    kinds: list[str]
    kind: np.ndarray
    count: np.ndarray
    titles: list[tuple[int, str]]


def item_map(artifact: Artifact) -> ItemMap:
    """Makes the map of a version."""
    count = artifact.item_counts
    by_count = np.lexsort((np.arange(len(count)), -count))
    chosen = np.sort(by_count[:MOST_ITEMS])
    points, kept = principal_plane(artifact.item_vectors[chosen])
    field, kinds, kind = _kinds(artifact, chosen)
    best = np.lexsort((np.arange(len(chosen)), -count[chosen]))[:_NAMED]
    titles = [(int(row), title_of(artifact, int(chosen[row]))) for row in best]
    return ItemMap(points, kept, len(count), field, kinds, kind, count[chosen], titles)


def principal_plane(vectors: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """The first two principal components by singular value decomposition.

    Args:
        vectors: float [n, dim].

    Returns:
        float64 [n, 2], each axis turned so that its largest weight is positive, and the shares of
        the variance along them.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, length, axes = np.linalg.svd(centred, full_matrices=False)
    points, kept = np.zeros((len(vectors), 2)), [0.0, 0.0]
    for axis in range(min(2, len(length))):
        sign = np.sign(axes[axis, np.argmax(np.abs(axes[axis]))]) or 1.0
        points[:, axis] = sign * left[:, axis] * length[axis]
        kept[axis] = float(length[axis] ** 2 / max((length**2).sum(), 1e-12))
    return points, (kept[0], kept[1])


def title_of(artifact: Artifact, item: int) -> str:
    """An item's title, or its id where it has none."""
    name = artifact.schema.title
    title = str(artifact.items.columns[name][item]) if name else ""
    return title or artifact.items.ids[item]


def _kinds(artifact: Artifact, chosen: np.ndarray) -> tuple[str, list[str], np.ndarray]:
    """The field that colours, its values with a colour, and each point's index among them."""
    field = category_field(artifact)
    if field is None:
        return "", ["item"], np.zeros(len(chosen), dtype=np.int64)
    column = artifact.items.columns[field.name]
    categories = [categories_of(field, value) for value in column]
    frequency = Counter(value for values in categories for value in values)
    # Of several categories take the rarest: every third film is a drama.
    own = [min(categories[i], key=lambda v: (frequency[v], v), default="") for i in chosen]
    ranked = sorted(Counter(own).items(), key=lambda pair: (-pair[1], pair[0]))
    kept = [value for value, _ in ranked if value][:COLOURS]
    index = {value: number for number, value in enumerate(kept)}
    kind = np.array([index.get(value, len(kept)) for value in own], dtype=np.int64)
    names = [label(field, value) for value in kept]
    if (kind == len(kept)).any():
        names.append(OTHER)
    return field.name, names, kind
