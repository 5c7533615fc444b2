"""Versions that several machines share: uploaded when they are published, and fetched by whoever
lacks one.

``v7.json`` is the manifest of v7, and names its files, which are in ``v7-HASH/``, by the manifest's
own hash. Files are uploaded first. Then the manifest is created, which only one machine can do for
a number: so a version is there whole or not at all, and a number is never taken twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from fusionrec.errors import ArtifactError, UsageError, reason, system_hint
from fusionrec.registry.folder_locks import unfinished_folder
from fusionrec.registry.manifest import MANIFEST, read_manifest, sha256
from fusionrec.registry.shared_storage import SharedStorage, storage_at
from fusionrec.workspace import Workspace, make_folder, move_in

_NAME = r"v\d+"  # of a version; anything else could be a path


@dataclass(frozen=True)
class SharedVersions:
    """The versions that a workspace shares with others. Every method raises an ArtifactError
    (``versions_unavailable``) where their storage cannot be used.

    Attributes:
        storage: holds them.
    """

    storage: SharedStorage

    @classmethod
    def of(cls, workspace: Workspace) -> Self | None:
        """Those of a workspace; None where it shares none.

        Raises:
            ConfigError: its settings cannot be read.
        """
        url = workspace.shared_versions
        return cls(storage_at(url)) if url else None

    @property
    def name(self) -> str:
        """Where they are, for messages."""
        return self.storage.name

    def names(self) -> list[str]:
        """The versions there, the oldest first."""
        found = (re.fullmatch(r"v(\d+)\.json", name) for name in self.storage.names())
        return [f"v{number}" for number in sorted(int(match[1]) for match in found if match)]

    def manifest(self, version: str) -> dict[str, Any] | None:
        """The manifest of a version; None where it is not there.

        Raises:
            ArtifactError: it is no manifest (``shared_damaged``).
        """
        data = self._manifest(version)
        return None if data is None else self._parsed(version, data)

    def publish(self, folder: Path, first: int) -> str:
        """Uploads a version as the next one of all machines.

        Args:
            folder: of its files.
            first: the lowest number that it may get.

        Returns:
            Its name.
        """
        taken = [int(name.removeprefix("v")) for name in self.names()]
        number = max([first, *(one + 1 for one in taken)])
        while not self._upload(folder, f"v{number}"):
            number += 1  # another machine has just taken it
        return f"v{number}"

    def push(self, folder: Path) -> None:
        """Uploads a version under the name that it has, unless it is there.

        Raises:
            ArtifactError: another version of that name is there (``other_version``).
        """
        version = folder.name
        if self._manifest(version) is None and self._upload(folder, version):
            return
        if self._manifest(version) != (folder / MANIFEST).read_bytes():
            raise other_version(version, self.name)

    def pull(self, version: str, models: Path) -> None:
        """Fetches a version into a folder of models, unless it is there; every file is compared
        with its SHA-256 before the version is moved in.

        Raises:
            UsageError: there is none of that name.
            ArtifactError: a file is missing or is not what was published (``shared_damaged``), or
                the version cannot be written on this machine.
        """
        try:
            make_folder(models)
            with _one_at_a_time(models):
                if not re.fullmatch(_NAME, version) or not (models / version).exists():
                    self._pull(version, models)
        except OSError as error:
            text = f"{version} cannot be saved in {models}: {reason(error)}"
            raise ArtifactError(text, system_hint(error)) from error

    def _pull(self, version: str, models: Path) -> None:
        data = self._manifest(version)
        if data is None:
            known = ", ".join(self.names()) or "none"
            raise UsageError(f"there is no version {version!r}; {self.name} has {known}")
        files = self._parsed(version, data)["files"]
        with unfinished_folder(models) as fresh:
            try:
                for name, checksum in files.items():
                    path = f"{_folder(version, data)}/{name}"
                    if not self.storage.download(path, fresh / name):
                        raise self._damaged(version, f"{name} is missing")
                    if sha256(fresh / name) != checksum:
                        raise self._damaged(version, f"{name} is not what was published")
                (fresh / MANIFEST).write_bytes(data)
                read_manifest(fresh)
                fresh.chmod(0o755)
                move_in(fresh, models / version)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)

    def _upload(self, folder: Path, version: str) -> bool:
        """Whether it got this name; if not, another version has it."""
        data = (folder / MANIFEST).read_bytes()
        for name in json.loads(data)["files"]:
            self.storage.upload(folder / name, f"{_folder(version, data)}/{name}")
        # Where the answer to a first request was lost, a second one finds what the first has made.
        return self.storage.create(f"{version}.json", data) or self._manifest(version) == data

    def _manifest(self, version: str) -> bytes | None:
        is_name = re.fullmatch(_NAME, version)
        return self.storage.read(f"{version}.json") if is_name else None

    def _parsed(self, version: str, data: bytes) -> dict[str, Any]:
        try:
            manifest = json.loads(data)
            names, sums = list(manifest["files"]), list(manifest["files"].values())
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise self._damaged(version, "its manifest cannot be read") from error
        # They become paths of this machine.
        if not all(re.fullmatch(r"[\w-][\w.-]*", name) for name in names) or MANIFEST in names:
            raise self._damaged(version, "its manifest names files that no version has")
        if not all(isinstance(checksum, str) for checksum in sums):
            raise self._damaged(version, "its manifest has no checksums")
        found: dict[str, Any] = manifest
        return found

    def _damaged(self, version: str, what: str) -> ArtifactError:
        said = f"{version} at {self.name} is damaged: {what}"
        return ArtifactError(said, code="shared_damaged", version=version)


def other_version(version: str, place: str) -> ArtifactError:
    """The error that two versions have one name, as when one was saved while the place was away."""
    said = f"{version} on this machine is another version than {version} at {place}"
    return ArtifactError(said, code="other_version", version=version)


def _folder(version: str, manifest: bytes) -> str:
    """The folder of a version's files: two machines that upload at once have two."""
    return f"{version}-{hashlib.sha256(manifest).hexdigest()[:16]}"


@contextmanager
def _one_at_a_time(models: Path) -> Iterator[None]:
    """Lets one process of a machine fetch, and the others wait for it."""
    with (models / ".fetching.lock").open("w") as lock:
        with suppress(OSError):  # some network file systems have no locks: then each fetches
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
