"""The sections on the model and its training, which need no holdout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fusionrec.evaluation.report.holdout import Holdout
from fusionrec.evaluation.report.html import Markup, join, number, percent, table, tag
from fusionrec.evaluation.report.svg import FAINT, FIRST, SECOND, figure, legend
from fusionrec.evaluation.report.terms import terms_for
from fusionrec.registry import Artifact
from fusionrec.registry.worth import FIGURE, compared, measured_on

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EVERYTHING = 10**6  # items of a history that are read, as good as all
CLOSED_FORM = (
    "The parts without a network were fitted in closed form. A holdout chose their settings, then "
    "all rows were used."
)


def model_section(artifact: Artifact, holdout: Holdout | None) -> Markup:
    """What the manifest says, in words and with units."""
    m, words = artifact.manifest, terms_for(artifact.schema)
    rated = int((artifact.item_counts > 0).sum())
    reads = ", ".join(name.replace("_", " ") for name in m["user_inputs"])
    if artifact.history_features:
        most = artifact.history_features.length
        newest = "all" if most >= EVERYTHING else f"the newest {most:,}"
        reads += f" ({newest} {words.plural} of it)"
    length = "1, of items at most 1" if artifact.has_parts else "1"
    facts = {
        "Data set": m["data"],
        f"{words.heading} given to training": f"{m['interactions']:,}{_split_counts(m, holdout)}",
        "Users": f"{m['users']:,}",
        "Items": f"{m['items']:,}, {rated:,} of them {words.done}",
        "Made": f"{m['created'].replace('T', ' ').removesuffix('Z')} UTC",
        "Made with": ", ".join(f"{name} {v}" for name, v in m.get("versions", {}).items()),
        "Vectors": f"{m['dim']} numbers each, of length {length}; compared by inner product",
        "The user tower reads": reads,
        "Fingerprint of the rows given": m["rows"],
        "Fingerprint of the rows trained on": m["training"].get("trained_rows", "not kept"),
    }
    what = "inner product of" if artifact.has_parts else "cosine between"
    again = artifact.schema.repeats and artifact.has_parts
    more = ", and what the item gains if it was taken before" if again else ", from −5 to 5"
    intro = f"A score is 5 times the {what} a user's and an item's vector{more}."
    recipe = dict(m.get("recipe", {}))
    settings = table("Every setting of the training", ["Setting", "Value"], list(_settings(recipe)))
    parts = [
        tag("dl", *(tag("div", tag("dt", k), tag("dd", v)) for k, v in facts.items())),
        tag("p", f"{intro} {_score_meaning(artifact)}"),
        tag("details", tag("summary", "Recipe"), settings),
    ]
    if m["data"].startswith("synthetic"):
        note = "These rows are synthetic: no figure here says anything of real people."
        parts.insert(0, tag("p", note, class_="note"))
    return join(parts)


def worth_section(artifact: Artifact) -> Markup:
    """The model, its parts and simple methods on what was held out, and the sentence on them; empty
    for a version that does not know.
    """
    worth, found = artifact.worth, compared(artifact.manifest)
    if worth is None:
        return Markup("")
    said = tag("p", f"{worth['sentence'][:1].upper()}{worth['sentence'][1:]}.")
    if not found:
        return said
    cells = [[row.name, row.kind, number(row.figure, 4)] for row in found]
    sure = (
        "more than chance: the paired difference is above 1.96 standard errors"
        if worth["sure"]
        else "not more than chance"
    )
    note = (
        "All were fitted without what was held out, and then the version was trained on all rows. "
        f"The holdout also chose settings and weights. The difference to {worth['best']} is {sure}."
    )
    shown = table(measured_on(worth), ["Name", "What it is", FIGURE], cells)
    return join([said, shown, tag("p", note, class_="note")])


def _score_meaning(artifact: Artifact) -> str:
    """What a score says of a rating."""
    star = "A star is one point of the data set's rating scale."
    if artifact.schema.events:
        return (
            "It only ranks: this version learned from what people did, not from how they liked it."
        )
    if not artifact.predicts_ratings and artifact.rating_head is not None:
        return f"It ranks. Stars come from a rating head, which does not decide the order. {star}"
    if not artifact.predicts_ratings:
        return f"It ranks, and predicts no rating: this version was not taught any. {star}"
    low, high = artifact.schema.rating_range
    unit = artifact.manifest["score"].get("rating_per_score", artifact.scores.unit)
    intro = (
        f"It predicts a rating: stars = {artifact.scores.rating(0.0):g} + {unit:g} × score, held "
        f"within {low:g} to {high:g}. {star}"
    )
    if artifact.rating_head is None:
        return intro
    return (
        f"{intro} A known user's stars for an item that others rated come from a rating head "
        "instead, which reads what the user rated and who rated the item; scores alone rank."
    )


def _split_counts(manifest: Mapping[str, Any], holdout: Holdout | None) -> str:
    if holdout is not None:
        return (
            f" ({len(holdout.trained):,} trained on, {len(holdout.rows):,} held out for validation)"
        )
    share = manifest.get("recipe", {}).get("training", {}).get("validation", 0)
    if not share:
        return ""
    # A model that reads histories holds out the latest rating of some users, any other a share.
    whose = f"the latest of {percent(share)} of the users" if "history" in manifest else ""
    return f" ({whose or f'{percent(share)} of them'} held out for validation)"


def _settings(recipe: Mapping[str, Any], of: str = "") -> Iterator[list[str]]:
    """Every setting's name, with those of the settings it stands in, and its value."""
    for name, value in recipe.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{of}{name}.")
        else:
            yield [f"{of}{name}", str(value)]


def learning_section(artifact: Artifact) -> Markup:
    """Figures by epoch."""
    trained = artifact.manifest["training"]
    epochs, best = trained["epochs"], trained.get("best_epoch")
    if artifact.has_parts and not epochs:
        return tag("p", CLOSED_FORM)
    if not epochs:
        return tag("p", "The version keeps no training figures.")
    judged, measure = epochs[0]["validation"] is not None, trained["measure"]
    intro = "Nothing was held out, so the last epoch was kept. No figure on unseen rows is known."
    if judged:
        intro = (
            f"Epoch {best} was kept: its {measure['validation']} on the validation rows is the "
            "best. So the validation rows chose the epoch, and figures on them are a little better "
            "than on rows that chose nothing."
        )
    if artifact.has_parts:
        intro = (
            f"{CLOSED_FORM} These are the figures of the network, trained without the holdout: it "
            f"chose {best} passes, which were then repeated on all rows if it was large."
        )
    intro += (
        f" The {measure['train']} of the training rows is taken while the epoch runs, with inputs "
        "withheld at random"
    )
    if judged and measure["train"] == measure["validation"]:
        intro += ", and may lie above that of the validation rows"
    rows = [
        [
            str(e["number"]),
            number(e["train"], 4),
            number(e["validation"], 4),
            number(e["seconds"], 1),
            f"{e['rate']:,.0f}",
        ]
        for e in epochs
    ]
    header = [
        "Epoch",
        f"Train: {measure['train']}",
        f"Validation: {measure['validation']}",
        "Time (s)",
        f"{measure['unit'].capitalize()} per s",
    ]
    shown = tag("details", tag("summary", "Figures by epoch"), table("By epoch", header, rows))
    return join([tag("p", f"{intro}."), _learning_plot(epochs, best, measure), shown])


def _learning_plot(
    epochs: Sequence[Mapping[str, Any]], best: int | None, measure: Mapping[str, Any]
) -> Markup:
    """Train and validation figures by epoch: in one plot if they are of one kind, else in two."""
    numbers = [e["number"] for e in epochs]
    lines = [("training", measure["train"], [e["train"] for e in epochs])]
    if epochs[0]["validation"] is not None:
        lines.append(("validation", measure["validation"], [e["validation"] for e in epochs]))
    plots = 1 if len({what for _, what, _ in lines}) == 1 else 2

    def draw(*subplots: Axes) -> None:
        for axes in subplots:
            if best is not None:
                axes.axvline(best, color=FAINT, linestyle=":", linewidth=1.2, label="epoch kept")
        looks = ((FIRST, "o", "-"), (SECOND, "s", "--"))
        for at, (name, what, values) in enumerate(lines):
            axes, (colour, mark, dash) = subplots[min(at, plots - 1)], looks[at]
            axes.plot(numbers, values, color=colour, marker=mark, linestyle=dash, label=name)
            axes.set(xlabel="epoch", ylabel=what)
            axes.locator_params(axis="x", integer=True)
            legend(axes)

    ends = "; ".join(f"{name}: {what} {values[-1]:.3f}" for name, what, values in lines)
    alt = f"Line plot: figures by epoch. After {numbers[-1]} epochs {ends}."
    better = "higher is better" if measure["rising"] else "lower is better"
    judged = str(measure["validation"])
    caption = f"By epoch. {judged[:1].upper()}{judged[1:]}: {better}."
    return figure("learning", alt, caption, (5.6 if plots == 1 else 8.0, 3.2), draw, columns=plots)
