"""The sections that are measured on what training held out; without it they say why not."""

from __future__ import annotations

from fusionrec.artifact import Artifact
from fusionrec.evaluation.report import plots
from fusionrec.evaluation.report.held_out import HeldOut
from fusionrec.evaluation.report.html import Markup, join, number, percent, table, tag
from fusionrec.evaluation.report.measured import KS, ByK, K, Measured

_METRICS = (("hr", "HR"), ("recall", "Recall"), ("ndcg", "NDCG"))


def why_absent(artifact: Artifact, held: HeldOut | None) -> str:
    """Why there are no figures on held-out rows; empty if there are."""
    if held is None:
        return (
            "Not measured: that needs rows that training did not learn from, and a version keeps "
            "no such rows. Make the report with the data set it was trained on: fusionrec report "
            f"--version {artifact.version} --data {artifact.manifest['data']}"
        )
    if not len(held.rows):
        return (
            "Not measured: this version was trained on every row it was given "
            "(training.validation=0), so no row is left that it has not learnt from."
        )
    return ""


def ranking(artifact: Artifact, measured: Measured | None, why: str) -> Markup:
    """HR, Recall and NDCG by K, for any rating and for high ones."""
    if measured is None:
        return _absent(why)
    like = artifact.schema.like
    said = (
        f"Measured on {measured.rows:,} ratings held out of training: every item that a user had "
        "not rated in the training rows is ranked, and the question is how high those held out "
        f"come. Of their ratings the error is {number(measured.rmse, 4)} stars (RMSE), "
        f"{number(measured.mae, 4)} stars (MAE)."
    )
    warned = (
        "These validation rows chose the epoch, and they are drawn at random over time, so a "
        "user's later ratings may have been trained on. Compare versions of one data set and seed "
        "by them; for figures to publish, run a protocol of the evaluation on rows that chose none."
    )
    pictures = [plots.by_k(name, title, measured.any) for name, title in _METRICS]
    parts = [
        tag("p", said),
        tag("p", warned, class_="note"),
        tag("div", *pictures, class_="row"),
        _by_k("Any held-out rating is relevant", measured.any),
    ]
    if measured.liked.users:
        parts.append(_by_k(f"Ratings of {like:g} stars or more are relevant", measured.liked))
    words = (
        "HR@K: share of users with a relevant item among their first K. Recall@K: share of a "
        "user's relevant items among them. NDCG@K: the same with higher places counting more."
    )
    return join([*parts, tag("p", words)])


def _by_k(what: str, found: ByK) -> Markup:
    rows = [
        [str(k)]
        + [
            number(figures[f"{name}@{k}"])
            for name, _ in _METRICS
            for figures in (found.model, found.popular)
        ]
        for k in KS
    ]
    header = ["K"] + [f"{t}, {who}" for _, t in _METRICS for who in ("model", "popularity")]
    caption = f"{what}: {found.targets:,} of {found.users:,} users; metrics from 0 to 1"
    return table(caption, header, rows)


def groups(measured: Measured | None, why: str) -> Markup:
    """The same for groups of users."""
    if measured is None:
        return _absent(why)
    if not measured.groups:
        return tag("p", "Users have no attribute with few values, so there are no groups.")
    said = (
        "On the same held-out ratings, any of them relevant. An interval says how far the figure "
        "may be off because few users stand behind it; where intervals overlap, a difference may "
        "be chance."
    )
    parts: list[Markup] = [tag("p", said)]
    for field, found in measured.groups:
        name = field.name.replace("_", " ")
        rows = [
            [
                g.label,
                f"{g.users:,}",
                f"{g.targets:,}",
                f"{number(g.ndcg)} ± {number(g.margin)}",
                number(g.hit_rate),
                number(g.rmse),
            ]
            for g in found
        ]
        header = [name, "Users", "Ratings", f"NDCG@{K} ± 95%", f"HR@{K}", "RMSE (stars)"]
        made = table(f"Users by {name}", header, rows)
        parts.append(tag("h3", f"By {name}"))
        parts.append(tag("div", plots.groups(name, found), made, class_="pair"))
    return join(parts)


def strata(measured: Measured | None, why: str) -> Markup:
    """The same for items that are rated about equally often."""
    if measured is None:
        return _absent(why)
    said = (
        "Items from the most rated on, cut where each third of the training ratings is reached: "
        "head, middle, tail. A model that shows the head alone finds nothing of the tail."
    )
    rows = [
        [
            s.name,
            f"{s.items:,} ({percent(s.catalogue)})",
            percent(s.ratings),
            percent(s.shown),
            percent(s.shown_popular),
            f"{s.targets:,}",
            number(s.recall),
            number(s.rmse),
        ]
        for s in measured.strata
    ]
    header = [
        "Stratum",
        "Items",
        "Training ratings",
        f"Places in lists of {K}",
        "Popularity's places",
        "Held-out ratings",
        f"Recall@{K}",
        "RMSE (stars)",
    ]
    made = table("By popularity stratum", header, rows)
    return join([tag("p", said), plots.strata(measured.strata), made])


def _absent(why: str) -> Markup:
    return tag("p", why, class_="note")
