"""The sections that are measured on the holdout; without one they say why."""

from __future__ import annotations

from collections.abc import Sequence

from fusionrec.evaluation.report import plots
from fusionrec.evaluation.report.holdout import Holdout
from fusionrec.evaluation.report.html import Markup, join, number, percent, table, tag
from fusionrec.evaluation.report.quality import KS, K, MetricsByK, Quality, RatingError
from fusionrec.evaluation.report.terms import repeat_note, terms_for
from fusionrec.recommend.feedback_dataset import without_feedback
from fusionrec.registry import Artifact

_METRICS = (("hr", "HR"), ("recall", "Recall"), ("ndcg", "NDCG"))


def why_absent(artifact: Artifact, holdout: Holdout | None) -> str:
    """Why there are no figures on holdout rows; empty if there are."""
    share = artifact.manifest.get("recipe", {}).get("training", {}).get("validation", 0)
    if share == 0 or (holdout is not None and not len(holdout.rows)):
        return (
            "Not measured: this version was trained on every row it was given "
            f"(training.validation={share:g}), so no row is left that it has not learnt from."
        )
    if holdout is None:
        return (
            "Not measured: that needs rows that training did not learn from, and a version keeps "
            "no such rows. Make the report with the data set it was trained on: fusionrec report "
            f"--version {artifact.version} --data {without_feedback(artifact.manifest['data'])}"
        )
    return ""


def ranking_section(artifact: Artifact, measured: Quality | None, reason: str) -> Markup:
    """HR, Recall and NDCG by K, for any rating and for high ones."""
    if measured is None:
        return _absent(reason)
    schema, words = artifact.schema, terms_for(artifact.schema)
    intro = (
        f"Measured on {measured.rows:,} {words.plural} held out of training: "
        f"{_ranked_items(artifact)} is ranked, and the question is how high those held out come."
        f"{_history_note(artifact)}"
    )
    caveat = (
        f"These validation rows chose the epoch, and {_draw_note(artifact)} may have been trained "
        "on. Compare versions of one data set and seed by them, and of models that hold out alike; "
        "for figures to publish, run a protocol of the evaluation on rows that chose none."
    )
    pictures = [plots.by_k(name, title, measured.any) for name, title in _METRICS]
    parts = [
        tag("p", intro),
        *([] if schema.events else _rating_errors(measured)),
        tag("p", caveat, class_="note"),
        tag("div", *pictures, class_="row"),
        _by_k(f"Any held-out {words.singular} is relevant", measured.any),
    ]
    if measured.liked.users:
        liked = f"Ratings of {schema.like:g} stars or more are relevant"
        parts.append(_by_k(liked, measured.liked))
    metrics = (
        "HR@K: share of users with a relevant item among their first K. Recall@K: share of a "
        "user's relevant items among them. NDCG@K: the same with higher places counting more."
    )
    return join([*parts, tag("p", metrics)])


def _ranked_items(artifact: Artifact) -> str:
    """Which items are ranked."""
    done = terms_for(artifact.schema).done
    if artifact.schema.repeats:
        return f"every item, also what a user had {done} in the training rows,"
    return f"every item that a user had not {done} in the training rows"


def _history_note(artifact: Artifact) -> str:
    """How user vectors are made, for a model that reads histories."""
    if not artifact.history_features:
        return ""
    return (
        " They are the latest of some users, one of each. A user's vector is made anew from "
        "the history without them: what is asked is in nothing that the model reads."
    )


def _draw_note(artifact: Artifact) -> str:
    """How the validation rows are drawn, and which later rows training may have seen."""
    words = terms_for(artifact.schema)
    if artifact.history_features:
        return f"each is its user's latest alone, so what others {words.did} later"
    return f"they are drawn at random over time, so a user's later {words.plural}"


def _rating_errors(measured: Quality) -> list[Markup]:
    """The error of predicted ratings, by scores and by the rating head; none if it only ranks."""
    score, head = measured.by_score, measured.by_head
    if score is None:
        intro = "This version was taught to rank: it predicts no ratings, so there is no error."
        return [tag("p", intro)]
    if head is None:
        return [tag("p", f"Of their ratings the error is {_error_text(score)}.")]
    intro = (
        f"Of their ratings the error by the rating head, which makes the stars that are shown, is "
        f"{_error_text(head)}; by the scores alone it is {_error_text(score)}."
    )
    caveat = (
        "The rating head was fitted after the epoch was chosen, on all ratings given to training, "
        "and it reads those that are asked here, too. So its error is that on ratings it knows, "
        "and as a rule less than on others. The scores have not learnt from these rows, and every "
        "further RMSE here is theirs. What the head's stars are worth, protocol rating of the "
        "evaluation tells."
    )
    return [tag("p", intro), tag("p", caveat, class_="note")]


def _error_text(error: RatingError) -> str:
    return f"{number(error.rmse, 4)} stars (RMSE), {number(error.mae, 4)} stars (MAE)"


def _rmse(measured: Quality, values: Sequence[float]) -> tuple[list[str], list[list[str]], str]:
    """The header and cells of a table's RMSE column, and a note for its caption.

    There is no such column where the version only ranks.
    """
    if measured.by_score is None:
        return [], [[] for _ in values], ""
    whose = "" if measured.by_head is None else "; RMSE of the scores, not of the rating head"
    return ["RMSE (stars)"], [[number(value)] for value in values], whose


def _by_k(what: str, metrics: MetricsByK) -> Markup:
    rows = [
        [str(k)]
        + [
            number(figures[f"{name}@{k}"])
            for name, _ in _METRICS
            for figures in (metrics.model, metrics.popular)
        ]
        for k in KS
    ]
    header = ["K"] + [f"{t}, {who}" for _, t in _METRICS for who in ("model", "popularity")]
    caption = f"{what}: {metrics.targets:,} of {metrics.users:,} users; metrics from 0 to 1"
    return table(caption, header, rows)


def groups_section(artifact: Artifact, measured: Quality | None, reason: str) -> Markup:
    """The same metrics for groups of users."""
    if measured is None:
        return _absent(reason)
    if not measured.groups:
        return tag("p", "Users have no attribute with few values, so there are no groups.")
    words = terms_for(artifact.schema)
    intro = (
        f"On the same held-out {words.plural}, any of them relevant. An interval says how far "
        "the figure may be off because few users stand behind it; where intervals overlap, a "
        "difference may be chance."
    )
    parts: list[Markup] = [tag("p", intro)]
    for field, groups in measured.groups:
        name = field.name.replace("_", " ")
        column, errors, whose = _rmse(measured, [g.rmse for g in groups])
        rows = [
            [
                g.label,
                f"{g.users:,}",
                f"{g.targets:,}",
                f"{number(g.ndcg)} ± {number(g.margin)}",
                number(g.hit_rate),
                *error,
            ]
            for g, error in zip(groups, errors, strict=True)
        ]
        header = [name, "Users", words.heading, f"NDCG@{K} ± 95%", f"HR@{K}", *column]
        made = table(f"Users by {name}{whose}", header, rows)
        parts.append(tag("h3", f"By {name}"))
        parts.append(tag("div", plots.groups(name, groups), made, class_="pair"))
    return join(parts)


def strata_section(artifact: Artifact, measured: Quality | None, reason: str) -> Markup:
    """The same metrics for items that are rated about equally often."""
    if measured is None:
        return _absent(reason)
    words = terms_for(artifact.schema)
    intro = (
        f"Items from the most {words.done} on, cut where each third of the training {words.plural} "
        "is reached: head, middle, tail. A model that shows the head alone finds nothing of the "
        f"tail.{repeat_note(artifact.schema)}"
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
        f"Training {words.plural}",
        f"Places in lists of {K}",
        "Popularity's places",
        f"Held-out {words.plural}",
        f"Recall@{K}",
        *column,
    ]
    made = table(f"By popularity stratum{whose}", header, rows)
    return join([tag("p", intro), plots.strata(measured.strata, words), made])


def _absent(reason: str) -> Markup:
    return tag("p", reason, class_="note")
