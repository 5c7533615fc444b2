"""Plots of what happened over time, as SVG made here: no script, colours by the desk's sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 440, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 8, 8, 24
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)  # between two lines of the grid, times a power of ten
_LINES = 4  # of the grid, about


@dataclass(frozen=True)
class Series:
    """Values over time.

    Attributes:
        name: in the legend and the table.
        values: one for each point; None where there is none.
    """

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Plot:
    """A plot, and all that the table beside it needs.

    Attributes:
        title: its heading.
        says: what it shows, in a sentence, for those who do not see it.
        labels: of its points.
        series: at most six.
        write: a value as text.
        bars: stacked bars in place of lines.
        logarithmic: a scale on which each power of ten is as high as the next.
    """

    title: str
    says: str
    labels: Sequence[str]
    series: Sequence[Series]
    write: Callable[[float], str]
    bars: bool = False
    logarithmic: bool = False

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see."""
        return not any(value for one in self.series for value in one.values)

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """Of the table: label, and a text of each series; points without any value are left out."""
        found = []
        for n, label in enumerate(self.labels):
            values = [one.values[n] for one in self.series]
            if any(values):
                found.append((label, ["–" if v is None else self.write(v) for v in values]))
        return found

    @property
    def svg(self) -> Markup:
        """The picture."""
        scale = _Scale(self)
        parts = [*scale.grid(self.write), *self._dates()]
        parts += self._bars(scale) if self.bars else self._lines(scale)
        dense = " dense" if len(self.labels) > 60 else ""
        return Markup(
            '<svg class="plot{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
        ).format(dense, _WIDTH, _HEIGHT, self.says, Markup("").join(parts))

    def _x(self, n: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * n / max(len(self.labels), 1)

    def _dates(self) -> list[Markup]:
        """The first, the last, and the label in the middle."""
        last = len(self.labels) - 1
        shown = {0: "start", last // 2: "middle", last: "end"} if last > 1 else {0: "start"}
        return [
            _text(self._x(n + {"start": 0, "middle": 0.5, "end": 1}[anchor]), _HEIGHT - 6,
                  self.labels[n], anchor)
            for n, anchor in shown.items() if self.labels
        ]  # fmt: skip

    def _bars(self, scale: _Scale) -> list[Markup]:
        found = []
        width = self._x(1) - self._x(0)
        below = [0.0] * len(self.labels)
        for number, one in enumerate(self.series):
            boxes = []
            for n, value in enumerate(one.values):
                if not value:
                    continue
                top, bottom = scale.y(below[n] + value), scale.y(below[n])
                below[n] += value
                left, wide = self._x(n) + 0.1 * width, 0.8 * width
                boxes.append(
                    f"M{left:.1f} {bottom:.1f}v{top - bottom:.1f}h{wide:.1f}V{bottom:.1f}z"
                )
            if boxes:
                found.append(Markup('<path class="bar{}" d="{}"/>').format(number, "".join(boxes)))
        return found

    def _lines(self, scale: _Scale) -> list[Markup]:
        found = []
        for number, one in enumerate(self.series):
            path, pen = [], "M"
            for n, value in enumerate(one.values):
                if value is None:
                    pen = "M"
                    continue
                x, y = self._x(n + 0.5), scale.y(value)
                path.append(f"{pen}{x:.1f} {y:.1f}")
                if pen == "M":  # a point alone is to be seen, too
                    path.append("h.1")
                pen = "L"
            if path:
                found.append(Markup('<path class="line{}" d="{}"/>').format(number, "".join(path)))
        return found


class _Scale:
    """The vertical scale of a plot."""

    def __init__(self, plot: Plot) -> None:
        values = [v for one in plot.series for v in one.values if v is not None]
        if plot.bars:
            values = [
                sum(filter(None, column))
                for column in zip(*(s.values for s in plot.series), strict=True)
            ]
        high = max([*values, 0.0])
        self._log = plot.logarithmic and high > 0
        if self._log:
            low = min(v for v in values if v > 0)
            self._low, self._high = math.floor(math.log10(low)), math.ceil(math.log10(high))
            self._high = max(self._high, self._low + 1)
            self.marks = [10.0**power for power in range(self._low, self._high + 1)]
        else:
            step = _step(high)
            count = max(math.ceil(high / step - 1e-9), 1)
            self._low, self._high = 0, 0
            self._most = count * step
            self.marks = [n * step for n in range(count + 1)]

    def y(self, value: float) -> float:
        if self._log:
            share = (math.log10(max(value, 1e-9)) - self._low) / (self._high - self._low)
        else:
            share = value / self._most
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * min(max(share, 0.0), 1.0)

    def grid(self, write: Callable[[float], str]) -> list[Markup]:
        found = []
        for mark in self.marks:
            y = self.y(mark)
            line = '<path class="grid" d="M{} {}H{}"/>'
            found.append(Markup(line).format(_LEFT, f"{y:.1f}", _WIDTH - _RIGHT))
            found.append(_text(_LEFT - 6, y + 4, write(mark), "end"))
        return found


def _step(high: float) -> float:
    """A round distance between lines of a grid up to a value."""
    if high <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(high / _LINES))
    return next(power * step for step in _STEPS if power * step * _LINES >= high * 0.999)


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    made = '<text x="{}" y="{}" text-anchor="{}">{}</text>'
    return Markup(made).format(f"{x:.1f}", f"{y:.1f}", anchor, escape(text))
