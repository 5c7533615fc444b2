"""The form of a version: what can be said of a person and asked of an answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fusionrec.data.schema import Field
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.explanations import nouns
from fusionrec.registry import Artifact
from fusionrec.service.ui.facets import Facets
from fusionrec.service.ui.newest import newest_of

_MOST_CHOICES = 200  # of a field whose values the schema does not list; others: /v1/choices
_LOOKED_AT = 100_000  # ratings from which the steps of a scale are found
_WIDE, _STEPS = (10.0, 5.0), (1.0, 0.5, 0.25, 0.2, 0.1)
_PARTS = 100  # of a range without natural steps


def form_of(catalog: Catalog, choices: Facets, scale: dict[str, float] | None) -> dict[str, Any]:
    """The form as JSON values; ``scale`` as of ``scale_of``, None where nothing is rated."""
    artifact = catalog.artifact
    schema = artifact.schema
    user = schema.attributes("user") if artifact.has_towers else ()
    item = [_about(catalog, choices, field) for field in schema.attributes("item")]
    filters = {field.name for field in schema.filters()}
    return {
        "name": schema.name,
        "items": nouns(schema),
        "title_field": schema.title,
        "events": schema.events,
        "repeats": schema.repeats,
        "rating": scale,
        "user": [_about(catalog, choices, field) for field in user],
        "item": [about for about in item if about["name"] != schema.title],
        "filters": [about for about in item if about["name"] in filters],
        "newest": newest_of(catalog),
        "version": artifact.version,
        "model": artifact.manifest["model"],
        "goals": list(artifact.goals),
        "reads_history": artifact.history_features is not None,
        "predicts_ratings": artifact.predicts_ratings or artifact.rates_every_pair,
    }


def step_of(ratings: np.ndarray, low: float, high: float) -> float:
    """The step of a scale from ``low`` to ``high``, of ratings in use, float [n]: 1 or an even part
    of it on which all ratings lie; the whole scale or a wide step, if all that it offers is in use
    and nothing else; a hundredth of a scale without steps.
    """
    span, used = high - low, len(np.unique(ratings))
    given = np.append(ratings, high) - low
    wide = [step for step in (span, *_WIDE) if step <= span and used == round(span / step) + 1]
    for step in (*wide, *(step for step in _STEPS if step < span)):
        if np.allclose(given / step, np.rint(given / step), rtol=0, atol=1e-4):
            return step
    return span / _PARTS


def scale_of(artifact: Artifact) -> dict[str, float]:
    """The ratings that can be given in a version: the ends, what is liked, and the step."""
    low, high = artifact.schema.rating_range
    ratings = np.asarray(artifact.histories.rating[:_LOOKED_AT], dtype=np.float64)
    step = step_of(ratings, low, high)
    return {"low": low, "high": high, "like": artifact.schema.like, "step": step}


def _about(catalog: Catalog, choices: Facets, field: Field) -> dict[str, Any]:
    facets = choices.all(field)
    listed = facets if field.choices else sorted(facets[:_MOST_CHOICES], key=lambda one: one.value)
    return {
        "name": field.name,
        "flag": field.flag,
        "kind": field.kind,
        "label": field.heading,
        "choices": [{"value": one.value, "label": one.label} for one in listed],
        "count": len(facets),
        **_range(catalog, field),
    }


def _range(catalog: Catalog, field: Field) -> dict[str, float | None]:
    """Lowest and highest number of an item's field, and a step: 1, 2 or 5 times a power of ten.
    None where there is no number, and of users: their lowest age is someone's.
    """
    nothing: dict[str, float | None] = {"low": None, "high": None, "step": None}
    if field.kind != "number" or field.side == "user":
        return nothing
    numbers = catalog.columns.numbers(field)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return nothing
    low, high = float(numbers.min()), float(numbers.max())
    whole = bool(np.all(numbers == np.rint(numbers)))
    return {"low": low, "high": high, "step": _nice((high - low) / _PARTS, whole)}


def _nice(size: float, whole: bool) -> float:
    """The largest of 1, 2 or 5 times a power of ten that is not above a size; 1 at least for
    whole numbers.
    """
    if size <= 0 or not math.isfinite(size):
        return 1.0
    power = 10.0 ** math.floor(math.log10(size))
    step = max(power * n for n in (1, 2, 5) if power * n <= size * (1 + 1e-9))
    return max(step, 1.0) if whole else step
