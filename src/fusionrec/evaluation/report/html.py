"""HTML made so that nothing is markup unless it was made here: every other string is escaped."""

from __future__ import annotations

import html
import math
from collections.abc import Collection, Iterable, Sequence


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def join(parts: Iterable[str]) -> Markup:
    """Several pieces as one; strings that are no markup are escaped."""
    return Markup("".join(p if isinstance(p, Markup) else html.escape(p) for p in parts))


def tag(name: str, *children: str, **attributes: str) -> Markup:
    """An element. ``class_`` stands for ``class``, an underscore within a name for a hyphen."""
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
    )
    return Markup(f"<{name}{shown}>{join(children)}</{name}>")


def table(
    caption: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    words: Collection[int] = (0,),
    name: int = 0,
) -> Markup:
    """A table that scrolls by itself where it is wider than the page.

    Args:
        caption: of the table.
        header: the columns' names, with units.
        rows: cells.
        words: columns of words, which stand left; numbers stand right.
        name: the column that names its row.
    """

    def cell(kind: str, column: int, text: str, **attributes: str) -> Markup:
        style = {} if column in words else {"class_": "number"}
        return tag(kind, text, **style, **attributes)

    head = tag("tr", *(cell("th", c, text, scope="col") for c, text in enumerate(header)))
    body = [
        tag(
            "tr",
            *(
                cell("th", c, text, scope="row") if c == name else cell("td", c, text)
                for c, text in enumerate(row)
            ),
        )
        for row in rows
    ]
    made = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body))
    return tag("div", made, class_="wide", tabindex="0", role="region", aria_label=caption)


def number(value: float | None, digits: int = 3) -> str:
    """A number; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}".replace("-", "−")


def percent(value: float, digits: int = 1) -> str:
    """A share of 0..1 as per cent; a dash where there is none."""
    return "–" if math.isnan(value) else f"{100 * value:.{digits}f}%"
