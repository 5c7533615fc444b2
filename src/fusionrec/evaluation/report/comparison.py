"""The report of two versions: which is better at what, and how their lists differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec.evaluation.report import model_sections as model
from fusionrec.evaluation.report.blocks import Plot, Table, number, signed
from fusionrec.evaluation.report.document import drawn
from fusionrec.evaluation.report.example_users import LIST
from fusionrec.evaluation.report.exposure import shown
from fusionrec.evaluation.report.scoring import Scorer
from fusionrec.evaluation.report.svg import FIRST, GREY, INK, figure
from fusionrec.evaluation.report.terms import terms_for
from fusionrec.evaluation.report.training_data import TrainingData
from fusionrec.evaluation.report.two_lists import Lists, compare_lists, examples, plot_of, table_of
from fusionrec.evaluation.report.two_versions import Compared, Measured, Pair, measure_both
from fusionrec.evaluation.report.verdict import Verdict
from fusionrec.registry.worth import in_short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SECTIONS = (
    ("verdict", "Which is better"),
    ("lists", "How the lists differ"),
    ("people", "Example users"),
    ("facts", "Side by side"),
    ("fingerprints", "Fingerprints"),
)


def comparison_page(versions: Pair, data: tuple[TrainingData, TrainingData]) -> str:
    """The report of two versions, the same text for the same versions and data."""
    one, two = versions
    measured, lists = measure_both(versions, data), compare_lists(versions)
    return drawn(
        "base.html",
        title=f"{one.version} and {two.version} compared",
        sections=[(name, said, f"comparison/{name}.html") for name, said in _SECTIONS],
        verdict=_verdict(versions, measured, lists),
        lists={
            "users": len(lists.users),
            "mean": number(lists.mean, 1),
            "k": LIST,
            "plot": plot_of(lists) if lists.users else None,
            "table": table_of(lists),
        },
        people=examples(versions, lists),
        facts_table=_facts(versions),
        exposure=_exposure(versions),
        settings=_settings(versions),
        fingerprints=[(a.version, model.fingerprints(a), model.files_table(a)) for a in versions],
    )


def _verdict(versions: Pair, measured: Measured, lists: Lists) -> Verdict:
    one, two = (a.version for a in versions)
    differ = (
        f"{number(lists.mean, 1)} of the {LIST} items they show a person differ"
        if lists.users
        else "they know no person in common"
    )
    if not measured.figures:
        why = measured.why.rstrip(".")
        return Verdict(f"Which of {one} and {two} is better cannot be told; {differ}.", note=(
            f"Their figures are not comparable: {why}. Their lists are compared below."
        ))  # fmt: skip
    ndcg, words = measured.figures[0], terms_for(versions[1].schema)
    paired = "paired difference" if measured.rows else "difference"
    on = f" on {measured.rows:,} {words.plural} that neither learned from" if measured.rows else ""
    figures = (
        f"{ndcg.name} {number(ndcg.second)} against {number(ndcg.first)} of {measured.users:,} "
        f"users{on} ({paired} {ndcg.apart.words})"
    )
    sentence = {
        "better": f"{two} makes better lists than {one}: {figures}",
        "worse": f"{two} makes worse lists than {one}: {figures}",
        "unclear": f"{two} makes lists level with those of {one}: {figures}",
    }[ndcg.mark]
    errors = [f for f in measured.figures if not f.rising]
    for error in errors:
        side = {"better": "predicts ratings better", "worse": "predicts ratings worse"}
        said = side.get(error.mark, "predicts ratings no better and no worse")
        sentence += f"; it {said} (RMSE {number(error.second)} against {number(error.first)})"
    note = f"On average {differ}. " + (
        "The rows chose each version's epoch, which favours neither much. Rows that only one of "
        "them held out are left out."
        if measured.rows
        else "Training measured both on the same holdout before it learned from everything. Values "
        "of each user are not kept, so the interval is that of an unpaired difference, which is "
        "wider than need be."
    )
    return Verdict(f"{sentence}.", *_picture(versions, measured.figures), note)


def _picture(versions: Pair, figures: Any) -> tuple[Plot, Table]:
    one, two = (a.version for a in versions)
    of_lists: list[Compared] = [f for f in figures if f.rising]

    def draw(left: Axes, right: Axes) -> None:
        position = np.arange(len(of_lists))
        looks = ((one, GREY, "//", -0.2), (two, FIRST, "", 0.2))
        for n, (name, colour, hatch, up) in enumerate(looks):
            values = [(f.first, f.second)[n] for f in of_lists]
            bars = left.barh(
                position + up, values, 0.36, label=name, color=colour, hatch=hatch,
                edgecolor="#00000000",
            )  # fmt: skip
            left.bar_label(bars, [number(v) for v in values], padding=3, fontsize=9)
        left.set_xlim(0, 1.2 * max(max(f.first, f.second) for f in of_lists) or 1)
        left.legend(
            loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, fontsize=9.5, ncols=2
        )
        right.errorbar(
            [f.apart.mean for f in of_lists], position, xerr=[f.apart.margin for f in of_lists],
            fmt="o", color=FIRST, ecolor=INK, elinewidth=1.4, capsize=3,
        )  # fmt: skip
        right.axvline(0, color=INK, linewidth=1)
        right.set_xlabel(f"{two} less {one}, 95% interval")
        for axes in (left, right):
            axes.set_yticks(position, [f.name for f in of_lists])
            axes.set_ylim(len(of_lists) - 0.4, -0.6)
            axes.grid(visible=False, axis="y")

    told = "; ".join(f"{f.name} {number(f.first)} and {number(f.second)}" for f in of_lists)
    alt = f"Bar plot of {one} and {two}: {told}; beside it the differences with their intervals."
    caption = f"Left the figures, higher is better; right how far {two} is ahead."
    size = (8.4, 1.5 + 0.55 * len(of_lists))
    rows = [
        [
            f.name,
            number(f.first, 4),
            number(f.second, 4),
            signed(f.apart.mean, 4),
            f"{signed(f.apart.mean - f.apart.margin, 4)} to "
            f"{signed(f.apart.mean + f.apart.margin, 4)}",
            f"{two} is {f.mark}" if f.apart.sure else "may be chance",
        ]
        for f in figures
    ]
    header = ["Figure", one, two, "Difference", "95% interval", "Verdict"]
    table = Table(f"{one} and {two} on the same held-out rows", header, rows, words=(0, 5))
    return figure("verdict", alt, caption, size, draw, columns=2), table


def _facts(versions: Pair) -> Table:
    """What the versions are, side by side."""
    both = [[("Model", a.manifest["model"]), *model.model_facts(a, None)] for a in versions]
    for a, facts in zip(versions, both, strict=True):
        facts.append(("Gain over simple methods", in_short(a.worth) if a.worth else "–"))
    names = list(dict.fromkeys(name for facts in both for name, _ in facts))
    rows = [[name, *(dict(facts).get(name, "–") for facts in both)] for name in names]
    one, two = (a.version for a in versions)
    return Table("What they are", ["Fact", one, two], rows, words=(0, 1, 2))


def _exposure(versions: Pair) -> Table:
    """What the versions show to all their users, side by side."""
    both = [shown(Scorer(a))["table"].rows for a in versions]
    rows = [[first[0], first[1], second[1]] for first, second in zip(*both, strict=True)]
    one, two = (a.version for a in versions)
    return Table(f"Lists of {LIST} for all their users", ["Figure", one, two], rows)


def _settings(versions: Pair) -> Table:
    """Settings that differ."""
    both = [model.settings_of(a) for a in versions]
    rows = [
        [name, *(settings.get(name, "–") for settings in both)]
        for name in dict.fromkeys([*both[0], *both[1]])
        if both[0].get(name) != both[1].get(name)
    ]
    one, two = (a.version for a in versions)
    return Table("Settings that differ", ["Setting", one, two], rows, words=(0, 1, 2))
