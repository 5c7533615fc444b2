"""From data to a model, and what it is worth."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionrec.api.places import Home, place_in
from fusionrec.config import Workspace
from fusionrec.data.dataset import Dataset
from fusionrec.models.presets import AnyRecipe, recipe_named

if TYPE_CHECKING:
    from fusionrec.evaluation.result import Result
    from fusionrec.registry import Artifact
    from fusionrec.training.progress import Progress

Talk = Callable[[str], None]


def _silent(_: str) -> None:
    """Says nothing."""


def read_data(name_or_path: str | Path, home: Home = None) -> Dataset:
    """A data set by name (``ml-1m``, ``ml-100k``, ``synthetic``) or by the path of its files.

    Args:
        name_or_path: as ``--data`` of the command line; a folder with a ``fusionrec.toml``, say.
        home: the workspace's folder, for downloads and what is kept of files; by default
            ``FUSIONREC_HOME``, else ``./.fusionrec``.

    Raises:
        UsageError: neither a known name nor an existing path.
        DataError: the files are missing or damaged.
    """
    from fusionrec.data.catalog import load

    return load(str(name_or_path), Workspace.find(home).data)


@dataclass(frozen=True)
class Model:
    """A trained model: a version in a workspace.

    Attributes:
        workspace: where it lies.
        artifact: its vectors, tables and towers.
    """

    workspace: Workspace
    artifact: Artifact

    @property
    def version(self) -> str:
        """Its name, such as ``v3``."""
        return self.artifact.version

    def index(self, milvus: str = "") -> str:
        """Puts its item vectors into Milvus and makes it the version that answers.

        Args:
            milvus: a path or ``http(s)://host:port``; by default the embedded Milvus of the
                workspace.

        Returns:
            The place, without secrets.

        Raises:
            StoreError: the store cannot be reached or written.
        """
        from fusionrec.deploy.build import build_index

        return build_index(self.workspace, self.artifact, place_in(self.workspace, milvus))


def train(
    dataset: Dataset,
    model: str = "fusion",
    profile: str = "quick",
    *,
    home: Home = None,
    settings: Mapping[str, Any] | None = None,
    talk: Talk = _silent,
) -> Model:
    """Trains a model and saves it as the workspace's next version.

    Args:
        dataset: what it learns from.
        model: ``fusion`` reads ids and profiles, ``sequence`` a person's history and profile.
        profile: named settings: ``quick`` is soon done, ``full`` the most accurate.
        home: the workspace's folder, as of ``read_data``.
        settings: others by name, such as ``{"training.epochs": 5}``.
        talk: told what each epoch comes to; ``print``, say.

    Raises:
        UsageError: there is no such model or profile, or the workspace cannot be written.
        ConfigError: a setting is unknown or out of its range.
        TrainingError: the training went astray.
    """
    recipe = _recipe(model, profile, settings)
    with _own_log():
        from fusionrec.training.train import train as run

    workspace = Workspace.find(home)
    return Model(workspace, run(dataset, recipe, workspace, _Epochs(talk), talk=talk))


def evaluate(
    dataset: Dataset,
    protocol: str = "next-item",
    *,
    model: str | Model | None = "fusion",
    profile: str = "quick",
    settings: Mapping[str, Any] | None = None,
    k: int = 10,
    seeds: Sequence[int] = (0,),
    baselines: Sequence[str] | None = None,
    talk: Talk = _silent,
) -> Result:
    """Measures a model beside baselines, on the same splits; see ``docs/evaluation.md``.

    Args:
        dataset: the data set.
        protocol: the question, such as ``next-item`` or ``random``.
        model: which is trained on each split's training rows and thrown away afterwards; one that
            was trained on such a split; or None for baselines alone.
        profile, settings: as of ``train``.
        k: length of the lists.
        seeds: of splits and trainings.
        baselines: their names; all that the data set can serve by default.
        talk: told what is under way.

    Raises:
        UsageError: the data set, an option or the model does not suit the protocol, or the model
            may have seen the test.
    """
    from fusionrec.evaluation.candidates import Fresh, Published
    from fusionrec.evaluation.protocols import Options, named
    from fusionrec.evaluation.run import evaluate as run

    chosen = None if baselines is None else tuple(baselines)
    asked = Options(seeds=tuple(seeds), k=k, baselines=chosen)
    if isinstance(model, Model):
        source: Fresh | Published | None = Published(model.artifact)
    else:
        source = Fresh(_recipe(model, profile, settings)) if model is not None else None
    with _own_log():
        return run(dataset, named(protocol), asked, source, talk=talk)


class _Epochs:
    """Tells of each epoch when it has ended."""

    def __init__(self, talk: Talk) -> None:
        self._talk, self._told = talk, 0

    def __call__(self, progress: Progress) -> None:
        for epoch in progress.epochs[self._told :]:
            held_out = (
                f", validation {epoch.validation:.4f}" if epoch.validation is not None else ""
            )
            self._talk(f"epoch {epoch.number}: train {epoch.train:.4f}{held_out}")
        self._told = len(progress.epochs)


@contextmanager
def _own_log() -> Iterator[None]:
    """Keeps the program's own logging: Paddle, when it is imported, gives a root logger without
    handlers one that prints every library's talk.
    """
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        yield
    finally:
        if not before:
            root.handlers.clear()
            root.setLevel(level)


def _recipe(model: str, profile: str, settings: Mapping[str, Any] | None) -> AnyRecipe:
    # What JSON writes of numbers, texts, truths and lists is TOML as well.
    written = {name: json.dumps(value) for name, value in (settings or {}).items()}
    return recipe_named(model, profile).change(written)
