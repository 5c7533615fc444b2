"""The sections that need no holdout."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from fusionrec.evaluation.report import example_users, exposure, item_map, item_map_plot, plots
from fusionrec.evaluation.report.holdout import Holdout
from fusionrec.evaluation.report.html import Markup, facts, join, number, percent, table, tag
from fusionrec.evaluation.report.quality import K
from fusionrec.evaluation.report.scoring import MOST_USERS, Scorer
from fusionrec.evaluation.report.terms import repeat_note, terms_for
from fusionrec.registry import Artifact

# Of lists: its name among the metrics, its name for people, which may need a word of the wording, a
# factor, and how it is written.
_OF_LISTS: tuple[tuple[str, str, float, Callable[[float], str]], ...] = (
    ("coverage", "Items shown to anyone", 1, percent),
    ("gini", "Gini index of exposure (0 all alike, 1 one item alone)", 1, number),
    ("percentile", "Mean popularity percentile (100 the most {done})", 100, number),
    ("novelty", "Novelty (bits; more is less expected)", 1, number),
)


def model_section(artifact: Artifact, holdout: Holdout | None) -> Markup:
    """What the manifest says, in words and with units."""
    m, words = artifact.manifest, terms_for(artifact.schema)
    rated = int((artifact.item_counts > 0).sum())
    reads = ", ".join(name.replace("_", " ") for name in m["user_inputs"])
    if artifact.history_features:
        reads += f" (the newest {artifact.history_features.length:,} {words.plural} of it)"
    pairs = [
        ("Data set", m["data"]),
        (f"{words.heading} given to training", f"{m['interactions']:,}{_split_counts(m, holdout)}"),
        ("Users", f"{m['users']:,}"),
        ("Items", f"{m['items']:,}, {rated:,} of them {words.done}"),
        ("Made", f"{m['created'].replace('T', ' ').removesuffix('Z')} UTC"),
        ("Made with", ", ".join(f"{name} {v}" for name, v in m.get("versions", {}).items())),
        ("Vectors", f"{m['dim']} numbers each, of length 1; compared by inner product"),
        ("The user tower reads", reads),
        ("Fingerprint of the rows given", m["rows"]),
        ("Fingerprint of the rows trained on", m["training"].get("trained_rows", "not kept")),
    ]
    intro = "A score is 5 times the cosine between a user's and an item's vector, from −5 to 5."
    parts = [facts(pairs), tag("p", f"{intro} {_score_meaning(artifact)}")]
    if m["data"].startswith("synthetic"):
        note = "These rows are synthetic: no figure here says anything of real people."
        parts.insert(0, tag("p", note, class_="note"))
    return join([*parts, _recipe(artifact)])


def _score_meaning(artifact: Artifact) -> str:
    """What a score says of a rating."""
    star = "A star is one point of the data set's rating scale."
    if artifact.schema.events:
        return (
            "It only ranks: this version learned from what people did, not from how they liked it."
        )
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


def _recipe(artifact: Artifact) -> Markup:
    recipe = dict(artifact.manifest.get("recipe", {}))
    if artifact.schema.events:
        recipe.pop("rating", None)  # of the rating head, which events do not teach
    rows = list(_settings(recipe))
    made = table("Every setting of the training", ["Setting", "Value"], rows)
    return tag("details", tag("summary", "Recipe"), made)


def learning_section(artifact: Artifact) -> Markup:
    """Errors by epoch."""
    trained = artifact.manifest["training"]
    epochs, best = trained["epochs"], trained.get("best_epoch")
    if not epochs:
        return tag("p", "The version keeps no training figures.")
    judged, measure = epochs[0]["validation"] is not None, trained["measure"]
    intro = (
        f"Epoch {best} was kept: its {measure['validation']} on the validation rows is the best. "
        "So the validation rows chose the epoch, and figures on them are a little better than on "
        "rows that chose nothing."
        if judged
        else "Nothing was held out, so the last epoch was kept. No figure on unseen rows is known."
    )
    rows = [
        [
            str(e["number"]),
            number(e["train"], 4),
            "–" if e["validation"] is None else number(e["validation"], 4),
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
    reason = _train_figure_note(judged, measure)
    return join([tag("p", f"{intro} {reason}"), plots.learning(epochs, best, measure), shown])


def _train_figure_note(judged: bool, measure: Mapping[str, Any]) -> str:
    """How the figure of the training rows is taken."""
    train = measure["train"]
    above = ", and may lie above that of the validation rows"
    return (
        f"The {train} of the training rows is taken while the epoch runs, with inputs withheld at "
        f"random{above if judged and train == measure['validation'] else ''}."
    )


def scores_section(scorer: Scorer, holdout: Holdout | None) -> Markup:
    """The distribution of scores by rating, and of unrated pairs."""
    samples, words = exposure.score_samples(scorer, holdout), terms_for(scorer.artifact.schema)
    unseen = holdout is not None and len(holdout.rows) > 0
    intro = (
        f"Scores, which are cosines times 5, of {words.done} pairs of user and item "
        f"({_pairs_origin(scorer.artifact, unseen)}), {words.apart}, and of pairs drawn at random "
        f"that nobody {words.did}. The further the rows are apart, the more a score tells."
    )
    if not scorer.artifact.predicts_ratings:
        intro += f" They rank; none of them stands for a {words.value}."
    rows = [
        [s.label, f"{len(s.scores):,}"]
        + [number(float(np.quantile(s.scores, q)), 2) for q in (0.05, 0.5, 0.95)]
        + ([] if s.stars is None else [number(s.stars, 2)])
        for s in samples
    ]
    header = [words.singular.capitalize(), "Pairs", "Score, 5%", "Median", "95%"]
    header += ["Mean stars by the score"] if scorer.artifact.predicts_ratings else []
    made = table(f"Scores by {words.singular}", header, rows)
    return join([tag("p", intro), plots.scores(samples), made])


def _pairs_origin(artifact: Artifact, unseen: bool) -> str:
    """Which ratings the scores are of, and whether the users' vectors read them."""
    if unseen:
        reads = ", by vectors of the histories without them" if artifact.history_features else ""
        return f"held out for validation{reads}"
    reads = "; the users' vectors read them" if artifact.history_features else ""
    return f"given to training, which it may have learnt{reads}"


def item_map_section(artifact: Artifact) -> Markup:
    """The items in a plane."""
    points, words = item_map.item_map(artifact), terms_for(artifact.schema)
    both = sum(points.kept)
    intro = [
        f"The {artifact.manifest['dim']} numbers of each item's vector in two: the principal plane "
        f"keeps {percent(both)} of their variance, so that distances here are a hint, no proof. "
        f"Larger points were {words.done} more often."
    ]
    if points.field:
        intro.append(
            f" Colour and mark show the {points.field}; an item with several counts as the rarest "
            f"of them. The {len(points.kinds)} shown are the most frequent."
        )
    if len(points.points) < points.items:
        shown_are = f"the {len(points.points):,} most {words.done} of {points.items:,} items"
        intro.append(f" Shown are {shown_are}.")
    return join([tag("p", "".join(intro)), item_map_plot.plot(points, words)])


def exposure_section(scorer: Scorer) -> Markup:
    """How popular, varied and evenly spread the lists are."""
    schema = scorer.artifact.schema
    lists, words = exposure.list_exposure(scorer), terms_for(schema)
    everybody = len(scorer.artifact.users)
    whose = f"all {lists.users:,} users"
    if lists.users < everybody:
        whose = f"{lists.users:,} of {everybody:,} users, at most {MOST_USERS:,}, drawn at random"
    had = f"what they have {words.done}"
    had = f"{had} included" if schema.repeats else f"without {had}"
    intro = (
        f"The {K} items that would be shown to each of {whose}, {had}. Of the same lists from "
        f"popularity alone, everybody's hardly differ.{repeat_note(schema)}"
    )
    ours, theirs = lists.model, lists.popular
    rows = [  # a catalog of fewer than K items has no lists of K: NaN
        [
            name.format(done=words.done),
            *(write(scale * of.get(f"{key}@{K}", math.nan)) for of in (ours, theirs)),
        ]
        for key, name, scale, write in _OF_LISTS
    ]
    made = table(f"Lists of {K}", ["Figure", "Model", "Popularity"], rows)
    return join([tag("p", intro), plots.exposure(lists, words), made])


def example_section(artifact: Artifact) -> Markup:
    """Users with their history and their list."""
    users = example_users.example_users(artifact)
    intro = (
        f"{len(users)} users drawn at random, the same ones every time: "
        f"{terms_for(artifact.schema).shown_first}, and what they would be shown now."
    )
    if artifact.predicts_ratings and artifact.rating_head is not None:
        intro += (
            " The lists go by the score; the predicted stars are the rating head's, where it knows "
            "the user and the item."
        )
    return join(
        [tag("p", intro), *(_user(artifact, user, opened=n < 2) for n, user in enumerate(users))]
    )


def _user(artifact: Artifact, user: example_users.ExampleUser, *, opened: bool) -> Markup:
    rates, events = artifact.predicts_ratings, artifact.schema.events
    words = terms_for(artifact.schema)
    profile = ", ".join(f"{name}: {value}" for name, value in user.profile if value)
    who = f"User {user.id}" + (f" · {profile}" if profile else "")
    summary = f"{who} · {user.rated:,} {words.done}"
    history = table(
        f"Some of what they {words.did} ({len(user.history)} of {user.rated:,})",
        ["Item", "Category", "Weight" if events else "Given (stars)"],
        [[title, category, f"{rating:g}"] for title, category, rating in user.history],
        words=(0, 1),
    )
    answer = table(
        "What they would be shown",
        ["Rank", "Item", "Category", "Score", *(["Predicted (stars)"] if rates else [])],
        [
            [str(item.rank), item.title, category, _score(item.score)]
            + ([] if not rates else ["–" if item.stars is None else number(item.stars, 2)])
            for item, category in user.answer
        ],
        words=(1, 2),
        name=1,
    )
    inner = tag("div", history, answer, class_="pair")
    attributes = {"open": ""} if opened else {}
    return tag("details", tag("summary", summary), inner, **attributes)


def _score(score: float | None) -> str:
    return "–" if score is None else number(score, 2)
