"""The plot of the item map: points by category, and as many titles as fit without overlap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from fusionrec.evaluation.report.html import Markup, percent
from fusionrec.evaluation.report.item_map import OTHER, ItemMap
from fusionrec.evaluation.report.svg import COLOURS, FAINT, GREY, INK, MARKS, figure
from fusionrec.evaluation.report.terms import Terms

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (9.0, 7.4)
_AS_IMAGE = 2_000  # more points are smaller as a PNG within the SVG
_MOST_TITLES = 32
_SMALL = 8.5  # of the titles' letters, in points
_LONGEST = 30  # characters of a title
# A thin line to the point, where the title is away from it.
_LEADER = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2}


def plot(item_map: ItemMap, words: Terms) -> Markup:
    """The map as a figure."""

    def draw(canvas: Figure) -> None:
        axes = canvas.add_subplot()
        _points(axes, item_map)
        for name, axis, kept in zip("xy", ("first", "second"), item_map.kept, strict=True):
            says = f"{axis} principal component ({percent(kept)} of the variance)"
            axes.set(**{f"{name}label": says})
        axes.margins(0.04)
        axes.grid(visible=False)
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
            if inside and not any(_overlap(corners, other) for other in taken):
                taken.append(corners)
                axes.annotate(
                    shown, item_map.points[row], xytext=(right, up), textcoords="offset points",
                    ha=side, va="center", fontsize=_SMALL, color=INK, gid=f"title-{row}",
                    arrowprops=_LEADER if np.hypot(right, up) >= 13 else None,
                )  # fmt: skip
                break
        if len(taken) == _MOST_TITLES:
            return


def _overlap(box: np.ndarray, other: np.ndarray) -> bool:
    """Whether two boxes, each the lower and the upper corner, [2, 2], share any of their area."""
    return bool((box[0] < other[1]).all() and (other[0] < box[1]).all())


def _offsets() -> Iterator[tuple[float, float, str]]:
    """Offsets around a point, the nearest first: x, y in points, and the text's alignment."""
    for far in (0.0, 12.0, 24.0):
        for up in (0.0, 1.0, -1.0):
            yield 6 + far, up * (8 + far), "left"
            yield -6 - far, up * (8 + far), "right"
        yield 0, 9 + far, "center"
        yield 0, -9 - far, "center"
