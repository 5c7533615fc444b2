"""Example users: profile, history and recommendations."""

from __future__ import annotations

from typing import Any

import numpy as np

from fusionrec.data.schema import Field
from fusionrec.evaluation.report.blocks import Table, number
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


def example_users(artifact: Artifact) -> list[dict[str, Any]]:
    """Users drawn at random among those with a history, in the order of the table."""
    known = np.flatnonzero(np.diff(artifact.histories.offsets) > 0)
    drawn = np.sort(np.random.default_rng(0).permutation(known)[:USERS])
    with exact_recommender(artifact) as recommender:
        return [_user(recommender, int(at)) for at in drawn]


def exact_recommender(artifact: Artifact) -> Recommender:
    """Answers of a version from its own vectors, whatever is indexed."""
    index = ExactIndex(artifact.schema, artifact.items, artifact.item_vectors)
    return Recommender(Catalog.of(artifact), index)


def who_is(artifact: Artifact, position: int) -> str:
    """A user's id and profile."""
    stored = artifact.users.row(position)
    attributes = {f.name: _shown(f, stored[f.name]) for f in artifact.schema.attributes("user")}
    known = (f"{name.replace('_', ' ')}: {v}" for name, v in attributes.items() if v)
    return " · ".join(filter(None, (f"User {artifact.users.ids[position]}", ", ".join(known))))


def _user(recommender: Recommender, position: int) -> dict[str, Any]:
    artifact = recommender.artifact
    schema, words = artifact.schema, terms_for(artifact.schema)
    read = artifact.histories.of(position)
    rated = f"{len(read.items):,}"
    # The highest rating first, then the latest: histories are in the order of time.
    best = np.lexsort((-np.arange(len(read.items)), -read.ratings))[:HISTORY]
    history = Table(
        f"Some of what they {words.did} ({len(best)} of {rated})",
        ["Item", "Category", "Weight" if schema.events else "Given (stars)"],
        [[*_item(artifact, int(read.items[b])), f"{read.ratings[b]:g}"] for b in best],
        words=(0, 1),
    )
    rates = artifact.predicts_ratings or artifact.rates_every_pair
    rows = artifact.items.positions()
    answer = Table(
        "What they would be shown",
        ["Rank", "Item", "Category", "Score", *(["Predicted (stars)"] if rates else [])],
        [
            [
                str(item.rank),
                item.title,
                _item(artifact, rows[item.id])[1],
                *(number(v, 2) for v in ((item.score, item.stars) if rates else (item.score,))),
            ]
            for item in recommender.recommend(
                Query(user=artifact.users.ids[position], k=LIST)
            ).items
        ],
        words=(1, 2),
        name=1,
    )
    who = who_is(artifact, position)
    return {"who": who, "rated": rated, "history": history, "answer": answer}


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
