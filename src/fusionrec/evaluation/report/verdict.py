"""What a version is worth, in one sentence and one picture: its lists beside counting methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionrec.baselines import item_sets
from fusionrec.errors import UsageError
from fusionrec.evaluation.bootstrap import MIN_USERS
from fusionrec.evaluation.report.blocks import Plot, Table, number, signed
from fusionrec.evaluation.report.holdout import Holdout
from fusionrec.evaluation.report.quality import K, Quality
from fusionrec.evaluation.report.svg import FIRST, GREY, INK, figure
from fusionrec.evaluation.report.terms import terms_for
from fusionrec.metrics import Ranking
from fusionrec.registry import Artifact
from fusionrec.registry.worth import FIGURE, METHODS, compared, measured_on

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SURE = 1.96  # standard errors of a difference: its 95% interval
_BLOCK = 256  # users ranked at once


@dataclass(frozen=True)
class Verdict:
    """The report's first words.

    Attributes:
        sentence: all that a hurried reader needs.
        plot, table: the figures behind it; None where nothing is known.
        note: what to bear in mind.
    """

    sentence: str
    plot: Plot | None = None
    table: Table | None = None
    note: str = ""


@dataclass(frozen=True)
class Bar:
    """One bar of the picture: a figure and half the width of its 95% interval, None if unknown."""

    name: str
    kind: str
    figure: float
    margin: float | None


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences, with its 95% interval by the normal approximation."""

    mean: float
    margin: float

    @classmethod
    def of(cls, ours: np.ndarray, theirs: np.ndarray) -> Difference:
        """Of values of the same users, float [n] each."""
        return cls(float((ours - theirs).mean()), margin_of(ours - theirs))

    @property
    def sure(self) -> bool:
        """Whether the interval excludes zero."""
        return abs(self.mean) > self.margin

    @property
    def words(self) -> str:
        """The difference and its interval."""
        low, high = self.mean - self.margin, self.mean + self.margin
        return f"{signed(self.mean)}, 95% interval {signed(low)} to {signed(high)}"


def margin_of(values: np.ndarray) -> float:
    """Half the width of the 95% interval of a mean of values, float [n], n of 2 or more."""
    return SURE * float(values.std(ddof=1)) / float(np.sqrt(len(values)))


def of_worth(artifact: Artifact) -> Verdict:
    """What training measured before it learned from everything, as the manifest tells it."""
    worth, found = artifact.worth, compared(artifact.manifest)
    assert worth is not None
    said = worth["sentence"]
    makes = f"{artifact.version} makes {said}" if said.startswith("lists") else said
    makes = f"{makes[:1].upper()}{makes[1:]}" if makes == said else makes
    if not found or worth["best"] is None:
        return Verdict(f"{makes}.")
    margins = worth.get("margins", {})
    bars = [
        Bar(row.name, row.kind, row.figure, margins.get("model" if n == 0 else row.name))
        for n, row in enumerate(found)
    ]
    best = worth["baselines"][worth["best"]]
    chance = "" if worth["sure"] else ", a difference that may be chance"
    sentence = (
        f"{makes}: {FIGURE} {number(bars[0].figure)} against {number(best)} of {worth['users']:,} "
        f"users on what was held out{chance}."
    )
    sure = (
        "more than chance: the paired difference is above 1.96 standard errors"
        if worth["sure"]
        else "not more than chance"
    )
    note = (
        "All were fitted without what was held out, and then the version was trained on all rows. "
        f"The holdout also chose settings and weights. The difference to {worth['best']} is {sure}."
    )
    return Verdict(sentence, *picture(bars, measured_on(worth)), note)


def of_holdout(artifact: Artifact, holdout: Holdout, quality: Quality) -> Verdict:
    """What the report measures itself, on the rows that training held out."""
    words, version = terms_for(artifact.schema), artifact.version
    ours = quality.lists.ndcg(K)
    methods = _methods(holdout, quality)
    best = max(methods, key=lambda name: float(methods[name].mean()))
    few = len(ours) < MIN_USERS
    bars = [Bar(artifact.manifest["model"], "model", float(ours.mean()), _margin(ours))]
    by_figure = sorted(methods.items(), key=lambda one: -float(one[1].mean()))
    bars += [Bar(name, "baseline", float(v.mean()), _margin(v)) for name, v in by_figure]
    asked = f"{FIGURE} {number(bars[0].figure)} against {number(bars[1].figure)}"
    base = f"those of the best simple method, {METHODS[best]}"
    on = f"of {len(ours):,} users on {quality.rows:,} held-out {words.plural}"
    if few:
        sentence = f"{len(ours)} users are too few to say what {version} is worth: {asked} {on}."
    else:
        apart = Difference.of(ours, methods[best])
        if apart.sure:
            gain = abs(bars[0].figure / bars[1].figure - 1) if bars[1].figure else None
            much = "" if gain is None else f"{gain:.0%} "
            side = "better" if apart.mean > 0 else "worse"
            sentence = f"{version} makes lists {much}{side} than {base}: {asked} {on}"
            sentence += f" (paired difference {apart.words})."
        else:
            sentence = f"{version} makes lists level with {base}: {asked} {on}, a difference "
            sentence += f"that may be chance ({apart.words})."
    note = (
        f"The simple methods were fitted to the same training rows. The held-out {words.plural} "
        "also chose the epoch, which favours the model a little."
    )
    caption = f"{FIGURE} {on}"
    return Verdict(sentence, *picture(bars, caption), note)


def _margin(values: np.ndarray) -> float | None:
    return margin_of(values) if len(values) >= MIN_USERS else None


def _methods(holdout: Holdout, quality: Quality) -> dict[str, np.ndarray]:
    """NDCG@K of each simple method for the users of the model's lists, float64 [users] each."""
    from fusionrec.training.worth import simple_methods

    data, users = holdout.dataset, quality.lists.users
    relevant = item_sets(data, holdout.rows)
    seen = None if data.schema.repeats else item_sets(data, holdout.trained)
    found = {}
    for name, make in simple_methods(data):
        try:
            ranker = make().fit(data, holdout.trained)
        except UsageError:  # nothing to count, such as no event of the last days
            continue
        ranking = Ranking(relevant, len(data.items), K, exclude=seen)
        for begin in range(0, len(users), _BLOCK):
            block = users[begin : begin + _BLOCK]
            ranking.add(block, np.asarray(ranker.scores(block), dtype=np.float32))
        found[name] = ranking.result().ndcg(K)
    return found


def picture(bars: Sequence[Bar], caption: str) -> tuple[Plot, Table]:
    """The bars as a plot, and as a table."""
    known = any(bar.margin is not None for bar in bars)

    def draw(axes: Axes) -> None:
        position = np.arange(len(bars))
        axes.barh(
            position,
            [bar.figure for bar in bars],
            0.62,
            color=[FIRST if bar.kind == "model" else GREY for bar in bars],
            hatch=["" if bar.kind == "model" else "//" for bar in bars],
            edgecolor="#00000000",
        )
        for at, bar in enumerate(bars):
            margin = bar.margin or 0.0
            if margin:
                low = min(margin, bar.figure)
                axes.errorbar(
                    bar.figure, at, xerr=[[low], [margin]], ecolor=INK, elinewidth=1.3, capsize=3,
                    fmt="none",
                )  # fmt: skip
            axes.annotate(
                number(bar.figure), (bar.figure + margin, at), xytext=(5, 0),
                textcoords="offset points", va="center", fontsize=9,
            )  # fmt: skip
        reach = max(bar.figure + (bar.margin or 0) for bar in bars) or 1
        axes.set_yticks(position, [bar.name for bar in bars])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0, 1.18 * reach)
        axes.set_xlabel(f"{FIGURE}, higher is better")

    figures = "; ".join(f"{bar.name} {number(bar.figure)}" for bar in bars)
    alt = f"Bar plot of {FIGURE}: {figures}."
    below = f"{caption}{'; lines are 95% intervals' if known else ''}."
    rows = [
        [bar.name, bar.kind, number(bar.figure, 4), *([_interval(bar)] if known else [])]
        for bar in bars
    ]
    header = ["Name", "What it is", FIGURE, *(["95% interval"] if known else [])]
    size = (6.4, 1.0 + 0.34 * len(bars))
    return figure("verdict", alt, below, size, draw), Table(caption, header, rows, words=(0, 1))


def _interval(bar: Bar) -> str:
    if bar.margin is None:
        return "–"
    low = max(bar.figure - bar.margin, 0.0)
    return f"{number(low)} to {number(bar.figure + bar.margin)}"
