"""A version's weights for a network whose vocabularies are of other data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

import numpy as np

from fusionrec.data.schema import Field, Side
from fusionrec.features.encoder import NEW, Encoder
from fusionrec.features.history import DATES, GAPS, Clock
from fusionrec.registry import Artifact
from fusionrec.registry.weights import Weights


def start_weights(
    artifact: Artifact,
    encoder: Encoder,
    fresh: Mapping[str, np.ndarray],
    clock: Clock | None = None,
) -> dict[str, np.ndarray]:
    """All weights of a network, by name, from a version's and from its own fresh ones.

    What has a row of its own (an id, a category, a word, a bucket) begins with the one that it had;
    what is new begins as what is unknown does. A layer that reads a number is adapted to what mean
    and deviation are now.

    Args:
        artifact: the version, of the same model, schema and widths.
        encoder: of the network.
        fresh: its weights at random, by name; those that the version lacks are kept.
        clock: of the network, where it reads the time.
    """
    former = _former(artifact)
    found = {name: former.get(name, array) for name, array in fresh.items()}
    for name, field in _reading(encoder, fresh):
        found[name] = _of_field(field, artifact.encoder, encoder, former[name])
    read = artifact.network_clock
    if clock is not None and read is not None:
        since = np.minimum(np.arange(GAPS), read.longest)
        found["user.since.weight"] = former["user.since.weight"][since]
        middle = (np.arange(DATES) + 0.5) / DATES
        dates = read.dates(clock.first + middle * max(clock.last - clock.first, 1.0))
        found["user.date.weight"] = former["user.date.weight"][np.r_[0, dates]]
    return found


def _former(artifact: Artifact) -> dict[str, np.ndarray]:
    """The version's weights, by their names in a network."""
    network = artifact.network_part
    prefix = f"{network.name}." if network else ""
    return {
        f"{side}.{name}": array
        for side in get_args(Side)
        for name, array in Weights(artifact.folder, side, prefix).rest().items()
    }


def _reading(encoder: Encoder, names: Mapping[str, np.ndarray]) -> Iterator[tuple[str, Field]]:
    """The weights whose rows stand for a field's values, and the field."""
    branches: dict[str, Sequence[Field]] = {
        side: encoder.schema.inputs(side) for side in get_args(Side)
    }
    if "user.branches.0.dense.weight" not in names:  # the user is known by profile and history
        branches["user.profile"] = encoder.schema.attributes("user")
        del branches["user"]
    for prefix, fields in branches.items():
        for number, field in enumerate(fields):
            embedding = f"{prefix}.branches.{number}.embedding.weight"
            yield (
                (embedding if embedding in names else embedding.replace("embedding", "dense")),
                field,
            )


def _of_field(field: Field, before: Encoder, now: Encoder, former: np.ndarray) -> np.ndarray:
    """A field's weights, float32 [rows now, width], from those of its former vocabulary."""
    if field.kind == "number" and not field.buckets:
        then, today = before.vocabularies[field.name], now.vocabularies[field.name]
        scaled = former.copy()
        scaled[0] *= today.std / then.std
        scaled[1] += former[0] * (today.mean - then.mean) / then.std  # of what is known
        return np.asarray(scaled, dtype=np.float32)
    rows = now.rows_in(before, field)
    begun = np.where(rows == NEW, 0, rows)  # what is new, as what is unknown
    found: np.ndarray = former[begun]
    if field.kind == "text":  # row 0 is padding, and each word's row one higher
        found = np.concatenate([former[:1], former[1:][begun]])
    if field.kind == "categories":  # several are added up: a new one adds nothing at first
        found[rows == NEW] = 0.0
    return np.asarray(found)
