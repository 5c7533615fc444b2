"""A published model: opened, checked, and read part by part when a part is asked for."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec.artifact.stars import Stars, read_stars
from fusionrec.artifact.tables import Histories, read_array, read_histories, read_table
from fusionrec.data.dataset import Table
from fusionrec.data.schema import Schema, Side
from fusionrec.errors import ArtifactError
from fusionrec.features import Encoder
from fusionrec.scores import ScoreMap

if TYPE_CHECKING:
    from fusionrec.artifact.towers import History, TowerRunner

FORMAT = 2
MANIFEST = "manifest.json"
RETRAIN = "train again, or go back to another version: fusionrec models"


@dataclass(frozen=True)
class Artifact:
    """A published model.

    Attributes:
        folder: where it lies.
        manifest: what it says of itself (see ``docs/architecture.md``).
        encoder: turns users and items into the towers' inputs.
    """

    folder: Path
    manifest: Mapping[str, Any]
    encoder: Encoder

    @property
    def version(self) -> str:
        """The version's name, which is also its folder's."""
        return self.folder.name

    @property
    def schema(self) -> Schema:
        """The fields of users and items."""
        return self.encoder.schema

    @property
    def checksum(self) -> str:
        """SHA-256 of the item vectors' file: which vectors an index must hold."""
        checksum: str = self.manifest["files"]["item_vectors.npy"]
        return checksum

    @property
    def scores(self) -> ScoreMap:
        """What a score means."""
        return ScoreMap(*self.schema.rating_range)

    @cached_property
    def items(self) -> Table:
        """Every item's id and content."""
        return read_table(self.folder / "items.parquet", self.schema, "item")

    @cached_property
    def users(self) -> Table:
        """Every known user's id and profile."""
        return read_table(self.folder / "users.parquet", self.schema, "user")

    @cached_property
    def item_vectors(self) -> np.ndarray:
        """float32 [items, dim], of length 1, in the order of ``items``."""
        return read_array(self.folder / "item_vectors.npy")

    @cached_property
    def user_vectors(self) -> np.ndarray:
        """float32 [users, dim], of length 1, in the order of ``users``: from all that is stored."""
        return read_array(self.folder / "user_vectors.npy")

    @cached_property
    def item_counts(self) -> np.ndarray:
        """int64 [items]: how often each item was rated in the training data."""
        return np.bincount(self.histories.item, minlength=len(self.item_vectors))

    @cached_property
    def histories(self) -> Histories:
        """What each known user rated, as far as training saw it."""
        return read_histories(self.folder)

    @property
    def history_length(self) -> int:
        """How many items of a user's history the user tower reads, the newest; 0 for none."""
        length: int = self.manifest.get("history", {}).get("length", 0)
        return length

    @cached_property
    def stars(self) -> Stars | None:
        """The ratings that the version's rating head predicts; None where it has no head."""
        return read_stars(self.folder, self.manifest)

    @property
    def rates(self) -> bool:
        """Whether scores predict ratings; else they only rank."""
        kind: str = self.manifest["score"]["kind"]
        return kind == "rating"

    def vectors_of(
        self,
        ids: Sequence[str | None],
        columns: Mapping[str, Sequence[Any]],
        histories: Sequence[History] | None = None,
    ) -> np.ndarray:
        """Vectors of n users, float32 [n, dim], each of length 1.

        Args:
            ids: outside ids; None where there is none. A tower that reads histories reads no id.
            columns: attribute name -> n values; None, or a missing name, where not known.
            histories: what each user rated, in the order of time: items, int [m] positions, and
                ratings, float [m], NaN where not known. None: nothing is known of anybody.
        """
        from fusionrec.artifact.towers import HistoryRunner  # paddle takes a second to import

        features = self.encoder.encode("user", ids, columns)
        if not isinstance(self.user_tower, HistoryRunner):
            return self.user_tower.vectors(features)
        nothing = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
        known = [nothing] * len(ids) if histories is None else histories
        return self.user_tower.vectors_after(features, known)

    @cached_property
    def user_tower(self) -> TowerRunner:
        """The user tower; a ``HistoryRunner`` where it reads histories."""
        from fusionrec.artifact.towers import HistoryRunner  # paddle takes a second to import

        if self.history_length:
            return HistoryRunner(self.folder, self.encoder, self.item_vectors, self.history_length)
        return self._tower("user")

    @cached_property
    def item_tower(self) -> TowerRunner:
        """The item tower."""
        return self._tower("item")

    def _tower(self, side: Side) -> TowerRunner:
        from fusionrec.artifact.towers import TowerRunner  # paddle takes a second to import

        return TowerRunner(self.folder, side, self.encoder)

    @classmethod
    def load(cls, folder: Path, *, thorough: bool = True) -> Artifact:
        """Opens an artifact and checks its manifest.

        Args:
            folder: the artifact.
            thorough: compare every file's SHA-256 too, not only its presence.

        Raises:
            ArtifactError: what is wrong with it: missing, half there, foreign, older or damaged.
        """
        manifest = read_manifest(folder)
        for name, checksum in manifest["files"].items():
            path = folder / name
            if not path.is_file():
                raise ArtifactError(f"{folder} is incomplete: {name} is missing", RETRAIN)
            if thorough and sha256(path) != checksum:
                raise ArtifactError(f"{folder} is damaged: {name} is not what was saved", RETRAIN)
        encoder = Encoder.load(folder / "encoder.json")
        return cls(folder, manifest, encoder)


def read_manifest(folder: Path) -> dict[str, Any]:
    """An artifact's manifest, checked for its format and its parts.

    Raises:
        ArtifactError: there is none, or it is not one of this format.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ArtifactError(f"{folder} holds no model: {MANIFEST} is missing", RETRAIN)
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kind, form = manifest["kind"], manifest["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is not a manifest of fusionrec: {error!r}", RETRAIN) from error
    if kind != "fusionrec" or not isinstance(form, int):
        raise ArtifactError(f"{path} is of {kind!r}, not of fusionrec", RETRAIN)
    if form != FORMAT:
        age = "an older" if form < FORMAT else "a newer"
        raise ArtifactError(
            f"{folder} was written by {age} fusionrec (format {form}; this one reads {FORMAT})",
            RETRAIN,
        )
    missing = {"files", "created", "model", "dim", "score", "user_inputs"} - manifest.keys()
    if missing:
        raise ArtifactError(f"{path} lacks {', '.join(sorted(missing))}", RETRAIN)
    files = manifest["files"]
    needed = {"encoder.json", "item_vectors.npy", "user_vectors.npy"}
    if not isinstance(files, dict) or not needed <= files.keys():
        raise ArtifactError(f"{path} does not list {', '.join(sorted(needed))}", RETRAIN)
    return manifest


def sha256(path: Path) -> str:
    """A file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def version_numbers(models: Path) -> list[int]:
    """The numbers of the versions in a folder of models, ascending."""
    if not models.is_dir():
        return []
    found = (re.fullmatch(r"v(\d+)", path.name) for path in models.iterdir())
    return sorted(int(match[1]) for match in found if match)
