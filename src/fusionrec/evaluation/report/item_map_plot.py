"""The plot of the item map: points by category, and as many titles as fit without overlap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

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


def plot(found: ItemMap, words: Terms) -> Markup:
    """The map as a figure."""

    def draw(canvas: Figure) -> None:
        axes = canvas.add_subplot()
        _points(axes, found)
        for name, axis, kept in zip("xy", ("first", "second"), found.kept, strict=True):
            says = f"{axis} principal component ({percent(kept)} of the variance)"
            axes.set(**{f"{name}label": says})
        axes.margins(0.04)
        axes.grid(visible=False)
        canvas.draw_without_rendering()
        canvas.set_layout_engine("none")  # titles are placed for where the axes are now
        _titles(axes, found)

    named = ", ".join(title for _, title in found.titles[:5])
    by = f", coloured by {found.field}: {', '.join(found.kinds)}" if found.field else ""
    alt = (
        f"Scatter plot of {len(found.points):,} items in the plane of their vectors' first two "
        f"principal components{by}. Among the best known: {named}."
    )
    caption = f"Near each other: {words.alike}, or alike in content. The best known are named."
    return figure("map", alt, caption, _SIZE, draw, large=True)


def _points(axes: Axes, found: ItemMap) -> None:
    size = 7 + 40 * np.sqrt(found.count / max(found.count.max(), 1))
    # The most frequent kinds first, so that rare ones lie on top.
    order = sorted(range(len(found.kinds)), key=lambda k: (found.kinds[k] != OTHER, k))
    for kind in order:
        members = found.kind == kind
        other = found.kinds[kind] == OTHER and kind == len(found.kinds) - 1
        axes.scatter(
            found.points[members, 0],
            found.points[members, 1],
            s=size[members],
            c=GREY if other else COLOURS[kind],
            marker="." if other else MARKS[kind],
            alpha=0.45 if other else 0.75,
            linewidths=0,
            label=found.kinds[kind],
            rasterized=len(found.points) > _AS_IMAGE,
        )
    if found.field:
        made = axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=6, fontsize=9.5, handletextpad=0.1,
            columnspacing=1.0, scatterpoints=1,
        )  # fmt: skip
        for handle in made.legend_handles:
            if handle is not None:
                handle.set(sizes=[45], alpha=1)


def _titles(axes: Axes, found: ItemMap) -> None:
    """Writes titles from the best known on, each at the first place near its point that is free."""
    frame = axes.get_window_extent()
    taken: list[np.ndarray] = []
    for row, title in found.titles:
        shown = title if len(title) <= _LONGEST else f"{title[: _LONGEST - 1]}…"
        text = axes.annotate(shown, found.points[row], fontsize=_SMALL, color=INK, va="center")
        box = text.get_window_extent()
        text.remove()
        point = axes.transData.transform(found.points[row])
        for right, up, side in _offsets():
            offset = np.array([right, up]) * axes.figure.dpi / 72
            left = {"left": 0.0, "center": 0.5, "right": 1.0}[side] * box.width
            low = point + offset - (left, 0.55 * box.height)
            place = np.stack([low, low + np.array([box.width, 1.1 * box.height])])
            inside = (place[0] >= frame.min).all() and (place[1] <= frame.max).all()
            if inside and not any(_overlap(place, other) for other in taken):
                taken.append(place)
                axes.annotate(
                    shown, found.points[row], xytext=(right, up), textcoords="offset points",
                    ha=side, va="center", fontsize=_SMALL, color=INK, gid=f"title-{row}",
                    arrowprops=_leader(right, up),
                )  # fmt: skip
                break
        if len(taken) == _MOST_TITLES:
            return


def _overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two boxes, each the lower and the upper corner, [2, 2], share any of their area."""
    return bool((one[0] < other[1]).all() and (other[0] < one[1]).all())


def _offsets() -> Iterator[tuple[float, float, str]]:
    """Places around a point, the nearest first: x, y in points, and how the text is aligned."""
    for far in (0.0, 12.0, 24.0):
        for up in (0.0, 1.0, -1.0):
            yield 6 + far, up * (8 + far), "left"
            yield -6 - far, up * (8 + far), "right"
        yield 0, 9 + far, "center"
        yield 0, -9 - far, "center"


def _leader(right: float, up: float) -> dict[str, Any] | None:
    """A thin line to the point, where the text stands away from it."""
    if np.hypot(right, up) < 13:
        return None
    return {"arrowstyle": "-", "color": FAINT, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2}
