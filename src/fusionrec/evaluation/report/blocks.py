"""What the report's templates draw: tables, figures, and numbers in words."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class Table:
    """A table, which scrolls by itself where it is wider than the page.

    Attributes:
        caption: of the table.
        header: the columns' names, with units.
        rows: cells.
        words: columns of words, which stand left; numbers stand right.
        name: the column that names its row.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Collection[int] = (0,)
    name: int = 0


@dataclass(frozen=True)
class Plot:
    """A plot.

    Attributes:
        svg: an ``svg`` element with its alternative text.
        alt: that text.
        caption: stands below it.
        large: as wide as the page, and scrolled where that is narrow.
    """

    svg: Markup
    alt: str
    caption: str
    large: bool = False


def number(value: float | None, digits: int = 3) -> str:
    """A number; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}".replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """A number with its sign."""
    return f"{value:+.{digits}f}".replace("-", "−")


def percent(value: float, digits: int = 1) -> str:
    """A share of 0..1 as per cent; a dash where there is none."""
    return "–" if math.isnan(value) else f"{100 * value:.{digits}f}%"
