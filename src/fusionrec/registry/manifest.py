"""The manifest of a version, its files' checksums, and the numbers of versions."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from fusionrec.errors import ArtifactError
from fusionrec.registry.tables import RETRAIN
from fusionrec.registry.weights import weights_file

FORMAT = 3
MANIFEST = "manifest.json"
VECTORS = "vectors"  # model name of a version made from a file of vectors, without towers


def read_manifest(folder: Path) -> dict[str, Any]:
    """Reads an artifact's manifest and checks its format and keys.

    Raises:
        ArtifactError: there is none, or it is not of this format.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ArtifactError(f"{folder} holds no model: {MANIFEST} is missing", RETRAIN)
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kind, number = manifest["kind"], manifest["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is not a manifest of fusionrec: {error!r}", RETRAIN) from error
    if kind != "fusionrec" or not isinstance(number, int):
        raise ArtifactError(f"{path} is of {kind!r}, not of fusionrec", RETRAIN)
    if number != FORMAT:
        age = "an older" if number < FORMAT else "a newer"
        raise ArtifactError(
            f"{folder} was written by {age} fusionrec (format {number}; this one reads {FORMAT})",
            RETRAIN,
        )
    keys = {"files", "created", "model", "dim", "score", "user_inputs"}
    needed = {"encoder.json", "item_vectors.npy", "user_vectors.npy"}
    if manifest.get("model") != VECTORS:
        keys.add("recipe")
        needed |= {weights_file(folder, "user").name, weights_file(folder, "item").name}
    missing = keys - manifest.keys()
    if missing:
        raise ArtifactError(f"{path} lacks {', '.join(sorted(missing))}", RETRAIN)
    files = manifest["files"]
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
    matches = (re.fullmatch(r"v(\d+)", path.name) for path in models.iterdir())
    return sorted(int(match[1]) for match in matches if match)
