"""Writes a version to a temporary folder and moves it in, so that no partial one is seen."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec._version import __version__
from fusionrec.data.dataset import Dataset
from fusionrec.errors import ArtifactError, reason, system_hint
from fusionrec.features.encoder import Encoder
from fusionrec.features.score_scale import ScoreMap
from fusionrec.registry.artifact import Artifact
from fusionrec.registry.folder_locks import unfinished_folder
from fusionrec.registry.manifest import FORMAT, MANIFEST, sha256, version_numbers
from fusionrec.registry.sharing import SharedVersions
from fusionrec.registry.tables import Histories, write_histories, write_table
from fusionrec.workspace import Workspace, make_folder, move_in

# The command that makes a version, without secrets, for its manifest; empty for other programs.
MADE_BY: ContextVar[str] = ContextVar("MADE_BY", default="")


def save_version(models: Path, write: Callable[[Path], None], retry: str) -> Artifact:
    """Saves the files that a function writes as the next version, on this machine and where the
    workspace shares its versions.

    Args:
        models: a workspace's folder of all versions; created if missing.
        write: writes every file of the version, the manifest last, into a folder.
        retry: how to try again once there is room on the disk, for the error's hint.

    Returns:
        The new version, read back and checked.

    Raises:
        ArtifactError: it could not be written, as on a full disk; other versions stay as they are.
            Or it was saved on this machine, and could not be shared (``not_shared``).
    """
    shared = SharedVersions.of(Workspace(models.parent))
    with ExitStack() as stack:
        try:
            make_folder(models)
            fresh = stack.enter_context(unfinished_folder(models))
        except OSError as error:
            text = f"cannot write to {models}: {reason(error)}"
            raise ArtifactError(text, system_hint(error)) from error
        return _save(models, fresh, write, retry, shared)


def _save(
    models: Path,
    fresh: Path,
    write: Callable[[Path], None],
    retry: str,
    shared: SharedVersions | None,
) -> Artifact:
    unshared = None
    try:
        write(fresh)
        fresh.chmod(0o755)
        while True:
            number = max(version_numbers(models), default=0) + 1
            name = f"v{number}"
            if shared is not None and unshared is None:
                try:
                    name = shared.publish(fresh, number)
                except ArtifactError as error:
                    unshared = error
            target = models / name
            try:
                move_in(fresh, target)
                break
            except OSError:
                if not target.exists():
                    raise
                # Another training has just taken this number.
    except OSError as error:
        raise ArtifactError(
            f"the model could not be saved in {models}: {error.strerror or error}",
            f"make room there and {retry}; the versions saved before are as they were",
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    if unshared is not None:
        said = f"{name} is saved in {models}, and not shared: {unshared.message}"
        raise ArtifactError(said, code="not_shared", version=name) from unshared
    return Artifact.load(target)


def without_secrets(command: str) -> str:
    """A command without what URLs hold of passwords, and of signatures."""
    masked = re.sub(r"(\w://)[^\s/@']*@", r"\1…@", command)
    return re.sub(r"(\w://[^\s?']*\?)[^\s']*", r"\1…", masked)


def write_training_data(
    folder: Path, dataset: Dataset, rows: np.ndarray, encoder: Encoder, histories: Histories
) -> dict[str, Any]:
    """Writes encoder, tables and histories of a trained version; returns the manifest's keys.

    Args:
        folder: of the version.
        dataset: the data set it was trained on.
        rows: int [n], all rows of the training data, including the validation rows.
        encoder: of the trained model.
        histories: of the rows.
    """
    encoder.save(folder / "encoder.json")
    write_table(folder / "items.parquet", dataset.items)
    write_table(folder / "users.parquet", dataset.users)
    write_histories(folder, histories)
    return {
        "data": dataset.name,
        **({"source": dataset.source} if dataset.source else {}),
        "users": len(dataset.users),
        "interactions": len(rows),
        "rows": dataset.fingerprint(rows),
        **({"feedback": dataset.feedback} if dataset.feedback else {}),
    }


def write_manifest(folder: Path, encoder: Encoder, extra: Mapping[str, Any]) -> None:
    """Writes the manifest of a version, after all of its other files.

    ``extra`` are more keys of the manifest, which override the default ones.
    """
    files = {path.name: sha256(path) for path in sorted(folder.iterdir())}
    shape = np.load(folder / "item_vectors.npy", mmap_mode="r", allow_pickle=False).shape
    manifest = {
        "kind": "fusionrec",
        "format": FORMAT,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": {"fusionrec": __version__},
        "items": shape[0],
        "vocabularies": files["encoder.json"],
        "dim": shape[1],
        "metric": "IP",
        "score": {"kind": "rating", **ScoreMap(*encoder.schema.rating_range).to_json()},
        "user_inputs": [field.name for field in encoder.schema.side("user")],
        **({"command": command} if (command := MADE_BY.get()) else {}),
        **extra,
        "files": files,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
