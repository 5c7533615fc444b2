"""The map: items in their vectors' first two principal components, by category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec.evaluation.report.blocks import Plot, percent
from fusionrec.evaluation.report.scoring import categories_of, category_field, label, title_of
from fusionrec.evaluation.report.svg import COLOURS, FAINT, GREY, INK, MARKS, figure
from fusionrec.evaluation.report.terms import Terms, terms_for
from fusionrec.registry import Artifact

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ITEMS = 5_000  # points; beyond, the most rated are shown
OTHER = "other"  # categories that are too many for a colour
_NAMED = 60  # best-known items whose titles are tried; those that fit are drawn
_SIZE = (9.0, 7.4)
_AS_IMAGE = 2_000  # more points are smaller as a PNG within the SVG
_MOST_TITLES = 32
_SMALL = 8.5  # of the titles' letters, in points
_LONGEST = 30  # characters of a title
# A thin line to the point, where the title is away from it.
_LEADER = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2}


@dataclass(frozen=True)
class ItemMap:
    """Points, their categories and their titles."""

    points: np.ndarray  # float64 [n, 2]
    kept: list[float]  # share of the vectors' variance along each axis
    field: str  # name of the category that colours; empty if there is none
    # the categories that have a colour, the most frequent first, OTHER last if any
    kinds: list[str]
    kind: np.ndarray  # int64 [n], each point's index in ``kinds``
    count: np.ndarray  # int64 [n], how often each was rated
    titles: list[tuple[int, str]]  # (row among the points, title), the best known first


def item_map(artifact: Artifact) -> dict[str, Any]:
    """The items in a plane."""
    made = _item_map(artifact)
    return {
        "kept": percent(sum(made.kept)),
        "field": made.field,
        "kinds": len(made.kinds),
        "shown": len(made.points),
        "catalog": len(artifact.items),
        "plot": _plot(made, terms_for(artifact.schema)),
    }


def _item_map(artifact: Artifact) -> ItemMap:
    count = artifact.item_counts
    by_count = np.lexsort((np.arange(len(count)), -count))
    chosen = np.sort(by_count[:MOST_ITEMS])
    points, kept = _principal_plane(artifact.likeness(artifact.item_vectors[chosen]))
    best = np.lexsort((np.arange(len(chosen)), -count[chosen]))[:_NAMED]
    titles = [(int(row), title_of(artifact, int(chosen[row]))) for row in best]
    return ItemMap(points, kept, *_kinds(artifact, chosen), count[chosen], titles)


def _principal_plane(vectors: np.ndarray) -> tuple[np.ndarray, list[float]]:
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
    return points, kept


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
    kept = [value for value, _ in ranked if value][: len(COLOURS)]
    index = {value: number for number, value in enumerate(kept)}
    kind = np.array([index.get(value, len(kept)) for value in own], dtype=np.int64)
    names = [label(field, value) for value in kept]
    if (kind == len(kept)).any():
        names.append(OTHER)
    return field.name, names, kind


def _plot(item_map: ItemMap, words: Terms) -> Plot:
    """Points by category, and as many titles as fit without overlap."""

    def draw(axes: Axes) -> None:
        _points(axes, item_map)
        for name, axis, kept in zip("xy", ("first", "second"), item_map.kept, strict=True):
            says = f"{axis} principal component ({percent(kept)} of the variance)"
            axes.set(**{f"{name}label": says})
        axes.margins(0.04)
        axes.grid(visible=False)
        canvas = axes.get_figure(root=True)
        assert canvas is not None
        canvas.draw_without_rendering()
        canvas.set_layout_engine("none")  # titles are placed for the axes' final position
        _titles(axes, item_map)

    named = ", ".join(title for _, title in item_map.titles[:5])
    by = f", coloured by {item_map.field}: {', '.join(item_map.kinds)}" if item_map.field else ""
    alt = (
        f"Scatter plot of {len(item_map.points):,} items in the plane of their vectors' first two "
        f"principal components{by}. Among the best known: {named}."
    )
    caption = f"Near each other: {words.alike}, or alike in content. The best known are named."
    return figure("map", alt, caption, _SIZE, draw, large=True)


def _points(axes: Axes, item_map: ItemMap) -> None:
    size = 7 + 40 * np.sqrt(item_map.count / max(item_map.count.max(), 1))
    # The most frequent kinds first, so that rare ones are drawn on top.
    order = sorted(range(len(item_map.kinds)), key=lambda k: (item_map.kinds[k] != OTHER, k))
    for kind in order:
        members = item_map.kind == kind
        other = item_map.kinds[kind] == OTHER and kind == len(item_map.kinds) - 1
        axes.scatter(
            item_map.points[members, 0],
            item_map.points[members, 1],
            s=size[members],
            c=GREY if other else COLOURS[kind],
            marker="." if other else MARKS[kind],
            alpha=0.45 if other else 0.75,
            linewidths=0,
            label=item_map.kinds[kind],
            rasterized=len(item_map.points) > _AS_IMAGE,
        )
    if item_map.field:
        made = axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=6, fontsize=9.5, handletextpad=0.1,
            columnspacing=1.0, scatterpoints=1,
        )  # fmt: skip
        for handle in made.legend_handles:
            if handle is not None:
                handle.set(sizes=[45], alpha=1)


def _titles(axes: Axes, item_map: ItemMap) -> None:
    """Writes titles from the best known on, each at the first free position near its point."""
    frame = axes.get_window_extent()
    taken: list[np.ndarray] = []
    for row, title in item_map.titles:
        shown = title if len(title) <= _LONGEST else f"{title[: _LONGEST - 1]}…"
        text = axes.annotate(shown, item_map.points[row], fontsize=_SMALL, color=INK, va="center")
        box = text.get_window_extent()
        text.remove()
        point = axes.transData.transform(item_map.points[row])
        for right, up, side in _offsets():
            offset = np.array([right, up]) * axes.figure.dpi / 72
            left = {"left": 0.0, "center": 0.5, "right": 1.0}[side] * box.width
            low = point + offset - (left, 0.55 * box.height)
            corners = np.stack([low, low + np.array([box.width, 1.1 * box.height])])
            inside = (corners[0] >= frame.min).all() and (corners[1] <= frame.max).all()
            if inside and not any(
                (corners[0] < other[1]).all() and (other[0] < corners[1]).all() for other in taken
            ):
                taken.append(corners)
                axes.annotate(
                    shown, item_map.points[row], xytext=(right, up), textcoords="offset points",
                    ha=side, va="center", fontsize=_SMALL, color=INK, gid=f"title-{row}",
                    arrowprops=_LEADER if np.hypot(right, up) >= 13 else None,
                )  # fmt: skip
                break
        if len(taken) == _MOST_TITLES:
            return


def _offsets() -> Iterator[tuple[float, float, str]]:
    """Offsets around a point, the nearest first: x, y in points, and the text's alignment."""
    for far in (0.0, 12.0, 24.0):
        for up in (0.0, 1.0, -1.0):
            yield 6 + far, up * (8 + far), "left"
            yield -6 - far, up * (8 + far), "right"
        yield 0, 9 + far, "center"
        yield 0, -9 - far, "center"
