"""A published model: checked when it is opened; each part is read on first use."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.layered import Rows
from fusionrec.data.schema import Schema
from fusionrec.errors import ArtifactError, UsageError
from fusionrec.features.encoder import Encoder
from fusionrec.features.history import Clock, History, HistoryFeatures
from fusionrec.features.score_scale import SCALE, ScoreMap
from fusionrec.registry.blend import REPEATS, Blend, Part
from fusionrec.registry.folder_locks import hold
from fusionrec.registry.inference.blend import BlendItemRunner, BlendRunner
from fusionrec.registry.inference.towers import HistoryRunner, TowerRunner
from fusionrec.registry.manifest import VECTORS, read_manifest, sha256
from fusionrec.registry.rating_head import RatingHead, read_rating_head
from fusionrec.registry.tables import (
    REINDEX,
    RETRAIN,
    Histories,
    read_array,
    read_histories,
    read_table,
)
from fusionrec.registry.verified import VerifiedFiles

BLENDS = ("auto", "linear")  # models whose vectors are made of parts


@dataclass(frozen=True)
class Artifact:
    """A published model.

    Attributes:
        folder: of its files.
        manifest: see ``docs/architecture.md``.
        encoder: turns users and items into the towers' inputs.
    """

    folder: Path
    manifest: Mapping[str, Any]
    encoder: Encoder

    @property
    def version(self) -> str:
        """The version's name, which is its folder's."""
        return self.folder.name

    @property
    def schema(self) -> Schema:
        """The fields of users and items."""
        return self.encoder.schema

    @property
    def checksum(self) -> str:
        """SHA-256 of the item vectors' file, by which an index is matched to a version."""
        return str(self.manifest["files"]["item_vectors.npy"])

    @property
    def scores(self) -> ScoreMap:
        """The map between scores and ratings."""
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
    def user_positions(self) -> dict[str, int]:
        """Outside user id -> position in ``users``."""
        return self.users.positions()

    @property
    def last_event(self) -> int:
        """Number of the last ledger event in the training data; 0 for none."""
        return int(self.manifest.get("feedback", 0))

    @cached_property
    def item_vectors(self) -> np.ndarray:
        """float32 [items, dim], of ``items``: of length 1, or at most 1 of a version with parts."""
        return read_array(self.folder / "item_vectors.npy")

    @cached_property
    def user_vectors(self) -> np.ndarray:
        """float32 [users, dim], of length 1, in the order of ``users``; from all that is stored."""
        return read_array(self.folder / "user_vectors.npy")

    @cached_property
    def item_counts(self) -> np.ndarray:
        """int64 [items]: how often each item was rated in the training data."""
        return np.bincount(self.histories.item, minlength=len(self.item_vectors))

    @cached_property
    def histories(self) -> Histories:
        """The training data by user: what each known user rated."""
        return read_histories(self.folder)

    @property
    def history_features(self) -> HistoryFeatures | None:
        """The history features that the user tower reads; None for a tower without histories."""
        history = self.manifest.get("history")
        return HistoryFeatures.from_json(history, self.schema.rating_range) if history else None

    @property
    def network_part(self) -> Part | None:
        """The network of a version with parts; None where it has none."""
        parts = self.blend.parts if self.blend is not None else ()
        return next((part for part in parts if part.kind == "network"), None)

    @property
    def network_clock(self) -> Clock | None:
        """How its network reads the time of a request; None where it does not."""
        network, reading = self.network_part, self.history_features
        if network is not None:
            reading = HistoryFeatures.from_json(network.reading, self.schema.rating_range)
        return None if reading is None else reading.clock

    @property
    def reads_clock(self) -> bool:
        """Whether a user's vector depends on the time of the request."""
        return self.history_features is not None and self.history_features.clock is not None

    @property
    def reads_times(self) -> bool:
        """Whether a user's vector depends on when items were taken."""
        reading = self.history_features
        if reading is not None and reading.times:
            return True
        parts = self.manifest["blend"]["parts"] if self.has_parts else ()
        return any(part["reading"].get("gaps", False) for part in parts)

    @cached_property
    def rating_head(self) -> RatingHead | None:
        """The version's rating head; None where it has none."""
        return read_rating_head(self.folder, self.manifest) if "stars" in self.manifest else None

    @property
    def predicts_ratings(self) -> bool:
        """Whether scores predict ratings; otherwise they only rank."""
        return bool(self.manifest["score"]["kind"] == "rating")

    @property
    def rates_every_pair(self) -> bool:
        """Whether it has a complete rating head; see ``RatingHead``."""
        return bool(self.manifest.get("stars", {}).get("complete", False))

    def ratings(
        self, users: np.ndarray | None, items: np.ndarray, cosines: np.ndarray
    ) -> np.ndarray:
        """Predicted ratings, float64 [n], by the head or by scores; NaN where neither predicts any.

        Args:
            users: int [n], positions, or ``NOBODY``, for the head; None to read scores alone.
            items: int [n], positions in the catalog.
            cosines: float [n], of the users' and items' vectors.
        """
        by_score = np.full(len(items), np.nan)
        if self.predicts_ratings:
            by_score = self.scores.rating(SCALE * np.asarray(cosines, dtype=np.float64))
        if users is None or self.rating_head is None:
            return by_score
        return self.rating_head.rating(users, items, by_score, *self.schema.rating_range)

    @property
    def has_parts(self) -> bool:
        """Whether its vectors are made of parts, and so differ in length."""
        return self.manifest["model"] in BLENDS

    @cached_property
    def blend(self) -> Blend | None:
        """How a version with parts joins them; None for any other."""
        return Blend.of(self.manifest) if self.has_parts else None

    @property
    def goals(self) -> tuple[str, ...]:
        """What lists of a version with parts may be for, its own goal first; else empty."""
        if self.blend is None:
            return ()
        return tuple(dict.fromkeys([self.blend.goal, *self.blend.weights]))

    def likeness(self, vectors: np.ndarray) -> np.ndarray:
        """The dimensions of item vectors, float32 [n, dim], in which items that go together are
        near: those of a part that reads histories, or all.
        """
        if self.blend is None:
            return vectors
        reads = [part.name for part in self.blend.parts if part.kind in ("history", "network")]
        span = self.blend.spans().get("taste" if "taste" in reads else next(iter(reads), ""))
        return vectors if span is None else vectors[:, span]

    def require_goal(self, goal: str) -> None:
        """Refuses a goal that the version's parts are not weighed for.

        Raises:
            UsageError: the message says which goals it has.
        """
        if goal in self.goals:
            return
        has = f"has the goals {', '.join(self.goals)}"
        if not self.goals:
            has = f"is of model {self.manifest['model']}, which has no goals to choose from"
        raise UsageError(
            f"{self.version} {has}; got {goal!r}",
            "leave the goal out for the list that the version is made for",
            code="unknown_goal",
        )

    @property
    def worth(self) -> Mapping[str, Any] | None:
        """What it is worth beside simple methods; None if that was not measured."""
        return self.manifest.get("worth")

    @property
    def has_towers(self) -> bool:
        """Whether it computes vectors of new users and items; False for imported item vectors."""
        return bool(self.manifest["model"] != VECTORS)

    def require_towers(self, lacking: str, code: str = "no_towers") -> None:
        """Refuses what only a trained version can do.

        Args:
            lacking: what cannot be done without towers, as the end of a sentence.
            code: of the error.

        Raises:
            UsageError: the version has no towers.
        """
        if not self.has_towers:
            raise UsageError(
                f"{self.version} holds vectors without the model that made them: {lacking}",
                code=code,
            )

    def vectors_of(
        self,
        ids: Sequence[str | None],
        columns: Mapping[str, Sequence[Any]],
        histories: Sequence[History] | None = None,
        now: np.ndarray | None = None,
        items: Rows | None = None,
        goal: str | None = None,
    ) -> np.ndarray:
        """Vectors of n users, float32 [n, dim], each of length 1.

        Args:
            ids: outside ids; None where there is none. A tower that reads histories reads no id.
            columns: attribute name -> n values; None, or a missing name, where unknown.
            histories: what each user rated; all empty by default.
            now: float64 [n], time of each request in seconds since 1970, for a tower that reads
                the clock; None where unknown.
            items: float32 [m, dim], the vectors of the histories' items; the version's own by
                default.
            goal: what the lists are for, of a version with parts; its own by default.

        Raises:
            UsageError: the version has no such goal.
        """
        if goal is not None and self.has_parts:
            self.require_goal(goal)
        features = self.encoder.encode("user", ids, columns)
        tower = self.user_tower
        if isinstance(tower, TowerRunner):
            return tower.vectors(features)
        histories = histories or [History.of()] * len(ids)
        if isinstance(tower, BlendRunner):
            return tower.vectors_after(features, histories, now, items, goal)
        return tower.vectors_after(features, histories, now, items)

    def repeats(
        self, vector: np.ndarray, history: History, goal: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """What someone took before and what the scores of these items gain by that; empty of most
        versions. See ``BlendRunner.repeats``.
        """
        tower = self.user_tower if self.repeats_part else None
        if not isinstance(tower, BlendRunner):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        return tower.repeats(vector, history, goal)

    @property
    def repeats_part(self) -> bool:
        """Whether what people took before gains in its lists."""
        return self.blend is not None and any(one.kind == REPEATS for one in self.blend.parts)

    @cached_property
    def user_tower(self) -> TowerRunner | HistoryRunner | BlendRunner:
        """The user tower; a ``TowerRunner`` where it reads no histories."""
        if self.blend is not None:
            return BlendRunner(self.folder, self.encoder, self.blend, self.item_vectors)
        features = self.history_features
        if features:
            return HistoryRunner(
                self.folder, self.encoder, self.manifest, self.item_vectors, features
            )
        return TowerRunner(self.folder, "user", self.encoder, self.manifest)

    @cached_property
    def item_tower(self) -> TowerRunner | BlendItemRunner:
        """The item tower."""
        if self.blend is not None:
            positions = self.items.positions()
            ids = self.encoder.vocabularies[self.schema.id("item").name].values
            known = np.array([positions[id_] for id_ in ids], dtype=np.int64)
            return BlendItemRunner(self.folder, self.encoder, self.blend, self.item_vectors, known)
        return TowerRunner(self.folder, "item", self.encoder, self.manifest)

    @classmethod
    def load(
        cls, folder: Path, *, thorough: bool = True, verified: VerifiedFiles | None = None
    ) -> Artifact:
        """Opens an artifact, and checks its manifest and its files. No process deletes it while
        the object lives.

        Args:
            folder: the artifact.
            thorough: compare every file's SHA-256 too, not only its presence.
            verified: knows the SHA-256 of files that have not changed since.

        Raises:
            ArtifactError: it is missing, incomplete, foreign, of another format or damaged.
        """
        held = hold(folder)
        try:
            made = cls._read(
                folder, (verified.sha256 if verified else sha256) if thorough else None
            )
        except BaseException:
            if held is not None:
                os.close(held)
            raise
        if verified is not None:
            verified.save()
        if held is not None:
            weakref.finalize(made, os.close, held)
        return made

    @classmethod
    def _read(cls, folder: Path, digest: Callable[[Path], str] | None) -> Artifact:
        manifest = read_manifest(folder)
        hint = REINDEX if manifest["model"] == VECTORS else RETRAIN
        for name, checksum in manifest["files"].items():
            path = folder / name
            if not path.is_file():
                raise ArtifactError(f"{folder} is incomplete: {name} is missing", hint)
            if digest is not None and digest(path) != checksum:
                raise ArtifactError(f"{folder} is damaged: {name} is not what was saved", hint)
        return cls(folder, manifest, Encoder.load(folder / "encoder.json"))
