"""Example users with profile, history and recommendations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusionrec.data.schema import Field
from fusionrec.evaluation.report.item_map import title_of
from fusionrec.evaluation.report.scoring import categories_of, category_field, label
from fusionrec.index import ExactIndex
from fusionrec.recommend.answer import Recommended
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact

USERS = 10
HISTORY = 8  # ratings shown of each
LIST = 10


@dataclass(frozen=True)
class ExampleUser:
    """A user, as the report shows one.

    Attributes:
        id: outside id.
        profile: attribute and value, for display.
        rated: how many interactions they have.
        history: title, category and rating of some of them, the highest rating first.
        answer: each recommended item and its category.
    """

    id: str
    profile: list[tuple[str, str]]
    rated: int
    history: list[tuple[str, str, float]]
    answer: list[tuple[Recommended, str]]


def example_users(artifact: Artifact, seed: int = 0) -> list[ExampleUser]:
    """Users drawn at random among those with a history, in the order of the table."""
    known = np.flatnonzero(np.diff(artifact.histories.offsets) > 0)
    drawn = np.random.default_rng(seed).permutation(known)[:USERS]
    index = ExactIndex(artifact.schema, artifact.items, artifact.item_vectors)
    with Recommender(Catalog.of(artifact), index) as recommender:
        return [_example(recommender, int(position)) for position in np.sort(drawn)]


def display_value(field: Field, value: object) -> str:
    """An attribute's value for display; empty where unknown."""
    if field.kind in ("category", "categories"):
        return ", ".join(label(field, category) for category in categories_of(field, value))
    if isinstance(value, float):
        return "" if value != value else f"{value:g}"  # noqa: PLR0124 (a NaN is not known)
    return "" if value is None else str(value)


def _example(recommender: Recommender, position: int) -> ExampleUser:
    artifact = recommender.artifact
    user = artifact.users.ids[position]
    stored = artifact.users.row(position)
    profile = [
        (field.name.replace("_", " "), display_value(field, stored[field.name]))
        for field in artifact.schema.attributes("user")
    ]
    read = artifact.histories.of(position)
    items, ratings = read.items, read.ratings
    # The highest rating first, then the latest: histories are in the order of time.
    best = np.lexsort((-np.arange(len(items)), -ratings))[:HISTORY]
    history = [
        (title_of(artifact, int(items[b])), _category(artifact, int(items[b])), float(ratings[b]))
        for b in best
    ]
    rows = artifact.items.positions()
    answer = [
        (item, _category(artifact, rows[item.id]))
        for item in recommender.recommend(Query(user=user, k=LIST)).items
    ]
    return ExampleUser(user, profile, len(items), history, answer)


def _category(artifact: Artifact, item: int) -> str:
    field = category_field(artifact)
    return display_value(field, artifact.items.columns[field.name][item]) if field else ""
