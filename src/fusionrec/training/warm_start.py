"""Begins a training with a version's weights, on data that has grown since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Schema
from fusionrec.errors import TrainingError, UsageError
from fusionrec.features.encoder import Encoder
from fusionrec.models.presets import AnyRecipe
from fusionrec.registry import VECTORS, Artifact
from fusionrec.training.start_weights import start_weights

if TYPE_CHECKING:
    from paddle.nn import Layer

PASSES = 0.4  # of the settings' passes, rounded: over fewer users
BUDGET = 0.05  # interactions that all passes read, as a share of those of a whole training
RATE = 0.2  # of the settings' learning rate


@dataclass(frozen=True)
class WarmStart:
    """A version that a training begins with.

    Attributes:
        artifact: the version.
        new: bool [rows of the data set], which interactions it has not learned from; False outside
            of the training's rows.
        forgotten: how many of those that it has learned from, or the version that it began with,
            are not among the training's rows.
    """

    artifact: Artifact
    new: np.ndarray
    forgotten: int

    @classmethod
    def of(cls, artifact: Artifact, dataset: Dataset, rows: np.ndarray, recipe: AnyRecipe) -> Self:
        """The start of a training on some rows, int [n], of a data set.

        Raises:
            TrainingError: another schema, model or width, no network, or no new interaction.
        """
        check_fits(artifact, dataset.schema, recipe)
        own, known = _keys(dataset, rows), _known_keys(artifact, dataset)
        new = np.zeros(len(dataset), dtype=bool)
        new[rows] = ~_among(own, known)
        if not new.any():
            raise TrainingError(
                f"{artifact.version} has learned from all {len(rows):,} interactions already",
                "train with it once there are new ones, or train afresh without it",
            )
        left = len(artifact.histories.item) - int(_among(known, own).sum())
        return cls(artifact, new, left + artifact.manifest.get("start", {}).get("forgotten", 0))

    def check_split(self, protocol: str) -> None:
        """Refuses a version that has learned from what a protocol's split hides.

        Raises:
            UsageError: says how much it is.
        """
        if self.forgotten:
            raise UsageError(
                f"{self.artifact.version} has learned from {self.forgotten:,} interactions that "
                f"are not among this split's: what {protocol} measures would be too good",
                "begin with a version of a split that was trained on less, or at random",
            )

    def to_json(self) -> dict[str, Any]:
        """The manifest's ``start``."""
        return {
            "version": self.artifact.version,
            "checksum": self.artifact.checksum,
            "new": int(self.new.sum()),
            "forgotten": self.forgotten,
        }

    def check_model(self, model: Mapping[str, Any]) -> None:
        """Refuses other settings of the network than the version has.

        Raises:
            TrainingError: names what differs.
        """
        part = self.artifact.network_part
        former = part.settings if part else self.artifact.manifest["recipe"]["model"]
        differing = [
            f"model.{name} is {before!r} there and {now!r} here"
            for name, now, before in _pairs(model, former)
            if now != before and name.rpartition(".")[2] != "dropout"
        ]
        if differing:
            raise TrainingError(
                f"{self.artifact.version} cannot be begun with, since its network differs: "
                + "; ".join(differing),
                "leave these settings and the preset out, and it keeps its own, or train afresh",
            )

    def weights(self, encoder: Encoder, network: Layer) -> dict[str, np.ndarray]:
        """The network's weights to begin with; see ``start_weights``."""
        fresh = {name: value.numpy() for name, value in network.state_dict().items()}
        clock = network.user.reading.clock if hasattr(network.user, "reading") else None
        return start_weights(self.artifact, encoder, fresh, clock)

    def passes(self, epochs: int) -> int:
        """How many passes are planned, where a whole training has so many."""
        return max(1, round(PASSES * epochs))

    def learners(self, dataset: Dataset, rows: np.ndarray, epochs: int, seed: int) -> np.ndarray:
        """The users who are trained on, int [m] ascending: all with new interactions, and a draw of
        the others, so that what these users like is not forgotten.

        Args:
            dataset: the data set.
            rows: int [n], the training rows.
            epochs: of a whole training.
            seed: of the draw.
        """
        counts = np.bincount(dataset.user[rows], minlength=len(dataset.users))
        touched = np.zeros(len(counts), dtype=bool)
        touched[dataset.user[np.flatnonzero(self.new)]] = True
        wanted = BUDGET * epochs / self.passes(epochs) * len(rows) - counts[touched].sum()
        others = np.random.default_rng([seed, 7]).permutation(
            np.flatnonzero(~touched & (counts > 0))
        )
        drawn = others[np.cumsum(counts[others]) <= max(wanted, 0)]
        return np.flatnonzero(touched | np.isin(np.arange(len(counts)), drawn))


def check_fits(artifact: Artifact, schema: Schema, recipe: AnyRecipe) -> None:
    """Refuses a version whose weights a training on data of a schema cannot begin with.

    Raises:
        TrainingError: names what differs.
    """
    version, model = artifact.version, artifact.manifest["model"]
    if model == VECTORS:
        raise TrainingError(
            f"the vectors of {version} came in a file: it has no network to begin with",
            "begin with a version that was trained here",
        )
    if model != recipe.name:
        raise TrainingError(
            f"{version} is of model {model}, and {recipe.name} cannot begin with it",
            f"leave --model out, or give --model {model}",
        )
    if artifact.blend is not None and artifact.network_part is None:
        raise TrainingError(
            f"{version} has no network to begin with, and parts without one are fitted anew in any "
            "training",
            "train without it",
        )
    if differing := _differing_fields(artifact.schema, schema):
        raise TrainingError(
            f"{version} cannot be begun with, since the schema of its data differs: "
            + "; ".join(differing),
            "give data with the same columns, or train afresh without it",
        )


def _pairs(now: Mapping[str, Any], before: Mapping[str, Any], prefix: str = "") -> list[Any]:
    """Settings by name, each with both values."""
    found = []
    for name, value in now.items():
        former = before.get(name, value)  # a setting that is newer than the version
        if isinstance(value, Mapping) and isinstance(former, Mapping):
            found += _pairs(value, former, f"{prefix}{name}.")
        else:
            plain = [list(x) if isinstance(x, tuple) else x for x in (value, former)]
            found.append((f"{prefix}{name}", *plain))
    return found


def _differing_fields(before: Schema, now: Schema) -> list[str]:
    """What differs between two schemas that a network must know, in words."""
    sides = (
        {f.name: (f.side, f.kind, f.buckets) for f in one.fields if f.kind != "image"}
        for one in (before, now)
    )
    former, fields = sides
    found = [f"{name} is missing here" for name in former if name not in fields]
    found += [f"{name} is new here" for name in fields if name not in former]
    found += [
        f"{n} is another kind of field" for n in fields if fields[n] != former.get(n, fields[n])
    ]
    if not found and list(former) != list(fields):
        found.append("the fields are in another order")
    for name in ("rating_range", "events", "repeats"):
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            found.append(f"{name} was {old} and is {new}")
    return found


def _keys(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """A hash of each row, uint64 [n]; see ``_hashes``."""
    time = None if dataset.time is None else dataset.time[rows]
    user, item = dataset.user[rows], dataset.item[rows]
    return _hashes(user, item, dataset.rating[rows], time, len(dataset.items))


def _known_keys(artifact: Artifact, dataset: Dataset) -> np.ndarray:
    """A hash of each interaction that a version has learned from and whose user and item are in the
    data set, uint64 [m].
    """
    histories = artifact.histories
    places = []
    for before, now in ((artifact.users, dataset.users), (artifact.items, dataset.items)):
        positions = now.positions()
        places.append(np.array([positions.get(id_, -1) for id_ in before.ids], dtype=np.int64))
    user = np.repeat(places[0], np.diff(histories.offsets))
    item = places[1][histories.item]
    time = histories.time if dataset.time is not None else None
    keys = _hashes(user, item, histories.rating, time, len(dataset.items))
    return np.asarray(keys[(user >= 0) & (item >= 0)])


def _among(keys: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which keys, uint64 [n], are among others, [m]: bool [n]. By sorting: NumPy's own way, by
    hashing, takes several times as long.
    """
    order, ordered = np.argsort(keys), np.append(np.sort(others), np.uint64(0))
    found = np.zeros(len(keys), dtype=bool)
    place = np.searchsorted(ordered[:-1], keys[order])
    found[order] = (place < len(others)) & (ordered[place] == keys[order])
    return found


def _hashes(
    user: np.ndarray, item: np.ndarray, rating: np.ndarray, time: np.ndarray | None, items: int
) -> np.ndarray:
    """64 bits of each interaction's user, item, rating and time, uint64 [n]."""
    found = user.astype(np.int64) * items + item
    columns = [np.ascontiguousarray(rating, dtype=np.float32).view(np.int32)]
    columns += [] if time is None else [time]
    key = found.astype(np.uint64)
    for column in columns:
        key = (key ^ (key >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        key ^= np.asarray(column).astype(np.int64).view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return np.asarray(key)
