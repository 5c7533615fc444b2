"""The sections that are measured on what training held out; without it they say why not."""

from __future__ import annotations

from collections.abc import Sequence

from fusionrec.evaluation.report import plots
from fusionrec.evaluation.report.holdout import Holdout
from fusionrec.evaluation.report.html import Markup, join, number, percent, table, tag
from fusionrec.evaluation.report.quality import KS, K, MetricsByK, Quality, StarError
from fusionrec.evaluation.report.terms import again, wording
from fusionrec.recommend.feedback_dataset import without_feedback
from fusionrec.registry import Artifact

_METRICS = (("hr", "HR"), ("recall", "Recall"), ("ndcg", "NDCG"))


def why_absent(artifact: Artifact, held: Holdout | None) -> str:
    """Why there are no figures on held-out rows; empty if there are."""
    share = artifact.manifest.get("recipe", {}).get("training", {}).get("validation", 0)
    if share == 0 or (held is not None and not len(held.rows)):
        return (
            "Not measured: this version was trained on every row it was given "
            f"(training.validation={share:g}), so no row is left that it has not learnt from."
        )
    if held is None:
        return (
            "Not measured: that needs rows that training did not learn from, and a version keeps "
            "no such rows. Make the report with the data set it was trained on: fusionrec report "
            f"--version {artifact.version} --data {without_feedback(artifact.manifest['data'])}"
        )
    return ""


def ranking(artifact: Artifact, measured: Quality | None, why: str) -> Markup:
    """HR, Recall and NDCG by K, for any rating and for high ones."""
    if measured is None:
        return _absent(why)
    schema, words = artifact.schema, wording(artifact.schema)
    said = (
        f"Measured on {measured.rows:,} {words.many} held out of training: {_asked_of(artifact)} "
        f"is ranked, and the question is how high those held out come.{_asked_how(artifact)}"
    )
    warned = (
        f"These validation rows chose the epoch, and {_drawn_how(artifact)} may have been trained "
        "on. Compare versions of one data set and seed by them, and of models that hold out alike; "
        "for figures to publish, run a protocol of the evaluation on rows that chose none."
    )
    pictures = [plots.by_k(name, title, measured.any) for name, title in _METRICS]
    parts = [
        tag("p", said),
        *([] if schema.events else _stars(measured)),
        tag("p", warned, class_="note"),
        tag("div", *pictures, class_="row"),
        _by_k(f"Any held-out {words.one} is relevant", measured.any),
    ]
    if measured.liked.users:
        liked = f"Ratings of {schema.like:g} stars or more are relevant"
        parts.append(_by_k(liked, measured.liked))
    metrics = (
        "HR@K: share of users with a relevant item among their first K. Recall@K: share of a "
        "user's relevant items among them. NDCG@K: the same with higher places counting more."
    )
    return join([*parts, tag("p", metrics)])


def _asked_of(artifact: Artifact) -> str:
    """Which items are ranked."""
    done = wording(artifact.schema).done
    if artifact.schema.repeats:
        return f"every item, also what a user had {done} in the training rows,"
    return f"every item that a user had not {done} in the training rows"


def _asked_how(artifact: Artifact) -> str:
    """What a user's vector is made from, where that is a history."""
    if not artifact.history_features:
        return ""
    return (
        " They are the latest of some users, one of each. A user's vector is made anew from "
        "the history without them: what is asked is in nothing that the model reads."
    )


def _drawn_how(artifact: Artifact) -> str:
    """How the validation rows are drawn, up to what may have been trained on after them."""
    words = wording(artifact.schema)
    if artifact.history_features:
        return f"each is its user's latest alone, so what others {words.did} later"
    return f"they are drawn at random over time, so a user's later {words.many}"


def _stars(measured: Quality) -> list[Markup]:
    """The error of predicted ratings: the scores', and the rating head's; none if it only ranks."""
    score, head = measured.by_score, measured.by_head
    if score is None:
        said = "This version was taught to rank: it predicts no ratings, so there is no error."
        return [tag("p", said)]
    if head is None:
        return [tag("p", f"Of their ratings the error is {_error(score)}.")]
    said = (
        f"Of their ratings the error by the rating head, which makes the stars that are shown, is "
        f"{_error(head)}; by the scores alone it is {_error(score)}."
    )
    warned = (
        "The rating head was fitted after the epoch was chosen, on all ratings given to training, "
        "and it reads those that are asked here, too. So its error is that on ratings it knows, "
        "and as a rule less than on others. The scores have not learnt from these rows, and every "
        "further RMSE here is theirs. What the head's stars are worth, protocol rating of the "
        "evaluation tells."
    )
    return [tag("p", said), tag("p", warned, class_="note")]


def _error(error: StarError) -> str:
    return f"{number(error.rmse, 4)} stars (RMSE), {number(error.mae, 4)} stars (MAE)"


def _rmse(measured: Quality, values: Sequence[float]) -> tuple[list[str], list[list[str]], str]:
    """The header and the cells of a table's column of errors, and what its caption says of them.

    There is no such column where the version only ranks.
    """
    if measured.by_score is None:
        return [], [[] for _ in values], ""
    whose = "" if measured.by_head is None else "; RMSE of the scores, not of the rating head"
    return ["RMSE (stars)"], [[number(value)] for value in values], whose


def _by_k(what: str, found: MetricsByK) -> Markup:
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


def groups(artifact: Artifact, measured: Quality | None, why: str) -> Markup:
    """The same for groups of users."""
    if measured is None:
        return _absent(why)
    if not measured.groups:
        return tag("p", "Users have no attribute with few values, so there are no groups.")
    words = wording(artifact.schema)
    said = (
        f"On the same held-out {words.many}, any of them relevant. An interval says how far "
        "the figure may be off because few users stand behind it; where intervals overlap, a "
        "difference may be chance."
    )
    parts: list[Markup] = [tag("p", said)]
    for field, found in measured.groups:
        name = field.name.replace("_", " ")
        column, errors, whose = _rmse(measured, [g.rmse for g in found])
        rows = [
            [
                g.label,
                f"{g.users:,}",
                f"{g.targets:,}",
                f"{number(g.ndcg)} ± {number(g.margin)}",
                number(g.hit_rate),
                *error,
            ]
            for g, error in zip(found, errors, strict=True)
        ]
        header = [name, "Users", words.heading, f"NDCG@{K} ± 95%", f"HR@{K}", *column]
        made = table(f"Users by {name}{whose}", header, rows)
        parts.append(tag("h3", f"By {name}"))
        parts.append(tag("div", plots.groups(name, found), made, class_="pair"))
    return join(parts)


def strata(artifact: Artifact, measured: Quality | None, why: str) -> Markup:
    """The same for items that are rated about equally often."""
    if measured is None:
        return _absent(why)
    words = wording(artifact.schema)
    said = (
        f"Items from the most {words.done} on, cut where each third of the training {words.many} "
        "is reached: head, middle, tail. A model that shows the head alone finds nothing of the "
        f"tail.{again(artifact.schema)}"
    )
    column, errors, whose = _rmse(measured, [s.rmse for s in measured.strata])
    rows = [
        [
            s.name,
            f"{s.items:,} ({percent(s.catalog)})",
            percent(s.ratings),
            percent(s.shown),
            percent(s.shown_popular),
            f"{s.targets:,}",
            number(s.recall),
            *error,
        ]
        for s, error in zip(measured.strata, errors, strict=True)
    ]
    header = [
        "Stratum",
        "Items",
        f"Training {words.many}",
        f"Places in lists of {K}",
        "Popularity's places",
        f"Held-out {words.many}",
        f"Recall@{K}",
        *column,
    ]
    made = table(f"By popularity stratum{whose}", header, rows)
    return join([tag("p", said), plots.strata(measured.strata, words), made])


def _absent(why: str) -> Markup:
    return tag("p", why, class_="note")
