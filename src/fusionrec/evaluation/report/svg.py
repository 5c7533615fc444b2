"""From a matplotlib figure to an inline SVG that takes the page's colours, in light and dark."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from fusionrec.evaluation.report.blocks import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Stand-ins that no plot would use for itself: in the SVG they become the sheet's variables.
INK, FAINT, LINE, PAPER = "#010203", "#040506", "#070809", "#0a0b0c"
_VARIABLES = {INK: "--ink", FAINT: "--faint", LINE: "--line", PAPER: "--paper"}

# At least 3:1 against both the light and the dark page; where there are several, a mark of its own
# stands beside each colour, since not everybody can distinguish twelve colours.
FIRST, SECOND, GREY = "#2b7bd4", "#c2601a", "#7d8791"
COLOURS = (
    FIRST, SECOND, "#1f9464", "#cc4a86", "#8763d6", "#94801f",
    "#1994a3", "#d14343", "#6b8f1f", "#b35cc4", "#a56a43",
)  # fmt: skip
MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")

_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: small, and in the reader's own fonts
    "text.parse_math": False,  # a title may hold dollar signs
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "text.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
}


def figure(
    name: str,
    alt: str,
    caption: str,
    size: tuple[float, float],
    draw: Callable[..., None],
    *,
    columns: int = 1,
    large: bool = False,
) -> Plot:
    """A figure of the page.

    Args:
        name: begins every id in it, so that two figures share none.
        alt: what it shows, for those who do not see it.
        caption: stands below it.
        size: width and height in inches.
        draw: draws into its axes, of which there are ``columns`` side by side.
        large: as wide as the page, and scrolled where that is narrow.
    """
    import matplotlib
    from matplotlib.figure import Figure

    out = io.StringIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # whatever the reader's own matplotlibrc says
        settings: Any = _SETTINGS | {"svg.hashsalt": name}
        matplotlib.rcParams.update(settings)
        # Titles in scripts that the measuring font lacks are written in the reader's fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        canvas = Figure(figsize=size, layout="constrained")
        draw(*(canvas.add_subplot(1, columns, n + 1) for n in range(columns)))
        canvas.savefig(out, format="svg", transparent=True, metadata={"Date": None}, dpi=150)
    return Plot(_inline(out.getvalue(), name, alt), alt, caption, large)


def legend(axes: Axes, **settings: Any) -> None:
    """The axes' legend above the plot, where it covers nothing."""
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, fontsize=9.5,
        handlelength=1.8, columnspacing=1.2, **{"ncols": 3, **settings},
    )  # fmt: skip


def _inline(svg: str, name: str, alt: str) -> Markup:
    """An SVG file as an element of a page: no foreign names, ids of its own, the page's colours."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.S)
    body = re.sub(r'\s(id="|href="#)', rf" \1{name}-", body.replace("xlink:href", "href"))
    body = body.replace("url(#", f"url(#{name}-")
    for stand_in, variable in _VARIABLES.items():
        body = body.replace(stand_in, f"var({variable})")
    box = re.search(r'viewBox="[^"]*"', body)
    inner = body[body.index(">") + 1 :]
    return Markup(f'<svg {box[0] if box else ""} role="img" aria-label="{escape(alt)}">{inner}')
