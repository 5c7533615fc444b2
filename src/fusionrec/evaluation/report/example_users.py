"""The section of example users: profile, history and recommendations."""

from __future__ import annotations

import numpy as np

from fusionrec.data.schema import Field
from fusionrec.evaluation.report.html import Markup, join, number, table, tag
from fusionrec.evaluation.report.scoring import categories_of, category_field, label, title_of
from fusionrec.evaluation.report.terms import terms_for
from fusionrec.index import ExactIndex
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact

USERS = 10
HISTORY = 8  # ratings shown of each
LIST = 10


def example_section(artifact: Artifact) -> Markup:
    """Users drawn at random among those with a history, in the order of the table."""
    known = np.flatnonzero(np.diff(artifact.histories.offsets) > 0)
    drawn = np.sort(np.random.default_rng(0).permutation(known)[:USERS])
    intro = (
        f"{len(drawn)} users drawn at random, the same ones every time: "
        f"{terms_for(artifact.schema).shown_first}, and what they would be shown now."
    )
    if artifact.rating_head is not None:
        intro += (
            " The lists go by the score; the predicted stars are the rating head's, where it knows "
            "the user and the item."
        )
    index = ExactIndex(artifact.schema, artifact.items, artifact.item_vectors)
    with Recommender(Catalog.of(artifact), index) as recommender:
        users = [_user(recommender, int(at), opened=n < 2) for n, at in enumerate(drawn)]
    return join([tag("p", intro), *users])


def _user(recommender: Recommender, position: int, *, opened: bool) -> Markup:
    artifact = recommender.artifact
    schema, words = artifact.schema, terms_for(artifact.schema)
    user, stored = artifact.users.ids[position], artifact.users.row(position)
    attributes = {f.name: _shown(f, stored[f.name]) for f in schema.attributes("user")}
    profile = ", ".join(f"{name.replace('_', ' ')}: {v}" for name, v in attributes.items() if v)
    read = artifact.histories.of(position)
    rated = f"{len(read.items):,}"
    # The highest rating first, then the latest: histories are in the order of time.
    best = np.lexsort((-np.arange(len(read.items)), -read.ratings))[:HISTORY]
    history = table(
        f"Some of what they {words.did} ({len(best)} of {rated})",
        ["Item", "Category", "Weight" if schema.events else "Given (stars)"],
        [[*_item(artifact, int(read.items[b])), f"{read.ratings[b]:g}"] for b in best],
        words=(0, 1),
    )
    rates = artifact.predicts_ratings or artifact.rates_every_pair
    rows = artifact.items.positions()
    answer = table(
        "What they would be shown",
        ["Rank", "Item", "Category", "Score", *(["Predicted (stars)"] if rates else [])],
        [
            [
                str(item.rank),
                item.title,
                _item(artifact, rows[item.id])[1],
                *(number(v, 2) for v in ((item.score, item.stars) if rates else (item.score,))),
            ]
            for item in recommender.recommend(Query(user=user, k=LIST)).items
        ],
        words=(1, 2),
        name=1,
    )
    who = f"User {user} · {profile}" if profile else f"User {user}"
    return tag(
        "details",
        tag("summary", f"{who} · {rated} {words.done}"),
        tag("div", history, answer, class_="pair"),
        **({"open": ""} if opened else {}),
    )


def _item(artifact: Artifact, item: int) -> tuple[str, str]:
    """An item's title and category for display."""
    field = category_field(artifact)
    category = _shown(field, artifact.items.columns[field.name][item]) if field else ""
    return title_of(artifact, item), category


def _shown(field: Field, value: object) -> str:
    """An attribute's value for display; empty where unknown."""
    if field.kind in ("category", "categories"):
        return ", ".join(label(field, category) for category in categories_of(field, value))
    if isinstance(value, float):
        return "" if value != value else f"{value:g}"  # noqa: PLR0124 (a NaN is not known)
    return "" if value is None else str(value)
