"""What is moved to its place has been written to the disk before, and its name is after."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from builders import checkerboard, recipe
from fusionrec.data.parquet_dataset import save_dataset
from fusionrec.deploy.open import open_version
from fusionrec.errors import FusionrecError
from fusionrec.ledger import Ledger
from fusionrec.recommend.batch import BatchRecommender, write_answers
from fusionrec.recommend.feedback import Feedback
from fusionrec.recommend.query import Query
from fusionrec.registry import Artifact
from fusionrec.registry.tables import write_vectors
from fusionrec.registry.vector_import import publish_vectors
from fusionrec.training.checkpoint import Checkpoint
from fusionrec.training.train import train
from fusionrec.workspace import Workspace, write_text

Calls = list[tuple[str, Path, Path]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What is flushed and moved from now on, in order, by path."""
    noted: Calls = []
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def flushed(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        noted.append(("flush", path, path))
        fsync(descriptor)

    def moving(move: Callable[..., None]) -> Callable[..., None]:
        def moved(source: Path, target: Path) -> None:
            move(source, target)
            noted.append(("move", Path(source).absolute(), Path(target).absolute()))

        return moved

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "rename", moving(rename))
    monkeypatch.setattr(os, "replace", moving(replace))
    return noted


def version(published: Artifact, folder: Path) -> Path:
    train(checkerboard(), recipe(epochs=1), Workspace(folder))
    return folder / "models" / "v1"


def vectors(published: Artifact, folder: Path) -> Path:
    write_vectors(folder / "file", published.schema, published.items, published.item_vectors)
    return folder / "file"


def foreign_version(published: Artifact, folder: Path) -> Path:
    publish_vectors(folder / "models", vectors(published, folder))
    return folder / "models" / "v1"


def checkpoint(published: Artifact, folder: Path) -> Path:
    Checkpoint({}, {}, {"x": np.zeros(3)}).save(folder / "kept")
    return folder / "kept" / "state.safetensors"


def answers_of_everyone(published: Artifact, folder: Path) -> Path:
    workspace = Workspace(folder / "home")
    workspace.models.mkdir(parents=True)
    (workspace.models / "v1").symlink_to(published.folder)
    with open_version(workspace).recommender as recommender:
        everyone = BatchRecommender(recommender, Feedback(Ledger(workspace.ledger)), Query(k=2))
        write_answers(folder / "answers.parquet", everyone)
    return folder / "answers.parquet"


def saved_data(published: Artifact, folder: Path) -> Path:
    save_dataset(folder / "data", checkerboard())
    return folder / "data"


def text(published: Artifact, folder: Path) -> Path:
    write_text(folder / "report.html", "<p>")
    return folder / "report.html"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="files are named in /proc alone")
@pytest.mark.parametrize(
    "write", [version, foreign_version, vectors, checkpoint, answers_of_everyone, saved_data, text]
)
def test_files_then_their_folder_are_flushed_then_moved_then_the_place_is_flushed(
    published, tmp_path, calls, write
):
    target = write(published, tmp_path)
    [place] = [n for n, (kind, _, to) in enumerate(calls) if kind == "move" and to == target]
    fresh = calls[place][1]
    before = {path for kind, path, _ in calls[:place] if kind == "flush"}
    held = [fresh / path.relative_to(target) for path in target.rglob("*")]
    assert {*held, fresh} <= before
    assert ("flush", target.parent, target.parent) in calls[place:]


def test_a_text_that_cannot_be_written_leaves_the_older_one(tmp_path, monkeypatch):
    file = tmp_path / "file.txt"
    write_text(file, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FusionrecError, match="No space left") as caught:
        write_text(file, "new")
    assert (caught.value.code, caught.value.exit_code) == ("not_written", 1)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file.txt": "old"}
