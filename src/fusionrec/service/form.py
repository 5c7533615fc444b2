"""What can be said of a person and asked of an answer, so that a page can draw its forms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from fusionrec.catalogue import Catalogue
from fusionrec.data.schema import Field
from fusionrec.reasons import nouns

_MOST_CHOICES = 200  # of a field whose values the schema does not list


def form_of(catalogue: Catalogue) -> dict[str, Any]:
    """The form of a version's questions, as plain JSON values.

    Args:
        catalogue: the version's items; of what the schema leaves open, theirs are the choices.
    """
    artifact = catalogue.artifact
    schema = artifact.schema
    low, high = schema.rating_range
    return {
        "name": schema.name,
        "items": nouns(schema),
        "title_field": schema.title,
        "rating": {"low": low, "high": high, "like": schema.like},
        "user": [
            {"name": f.name, "kind": f.kind, "label": f.heading, "choices": _listed(f)}
            for f in (schema.attributes("user") if artifact.has_towers else ())
        ],
        "filters": [_filter(catalogue, field) for field in schema.filters()],
        "version": artifact.version,
        "model": artifact.manifest["model"],
        "reads_history": artifact.reading is not None,
        "shows_stars": artifact.rates,
    }


def values(field: Field, column: Iterable[Any]) -> list[tuple[str, ...]]:
    """The categories that each item holds in a field."""
    if field.kind == "categories":
        return [tuple(value or ()) for value in column]
    return [(value,) if value else () for value in column]


def _filter(catalogue: Catalogue, field: Field) -> dict[str, Any]:
    about: dict[str, Any] = {"name": field.name, "flag": field.flag, "kind": field.kind}
    about |= {"label": field.heading, "choices": _listed(field), "low": None, "high": None}
    column = catalogue.items.columns[field.name]
    if field.kind == "number":
        numbers = np.array([np.nan if v is None else v for v in column], dtype=np.float64)
        numbers = numbers[np.isfinite(numbers)]
        if len(numbers):
            about |= {"low": float(numbers.min()), "high": float(numbers.max())}
    elif not field.choices:
        counts = Counter(one for held in values(field, column) for one in held)
        common = sorted(name for name, _ in counts.most_common(_MOST_CHOICES))
        about["choices"] = [{"value": name, "label": name} for name in common]
    return about


def _listed(field: Field) -> list[dict[str, str]]:
    return [{"value": value, "label": label} for value, label in field.choices.items()]
