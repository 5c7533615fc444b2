"""Where machines share versions, a folder or an object store: files go in whole, once, by name."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from fusionrec.data.tabular.readers.remote import file_system
from fusionrec.data.tabular.readers.urls import expand, scheme_of, shown
from fusionrec.errors import ArtifactError, DataError, reason, system_hint
from fusionrec.workspace import flush, move_in

_CONNECT, _READ, _ATTEMPTS = 5.0, 20.0, 2  # seconds, and how often a request is sent
_BRIEF = 20.0  # seconds for a request that carries little
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # of this machine, not of the storage

_AGAIN = "check the network and the address; what is on this machine goes on meanwhile"
_ACCESS = "check who may read and write there, and the keys that this process has (AWS_...)"
_NO_BUCKET = "make the bucket, or correct url in the table [versions] of settings.toml"
_NOT_MOUNTED = "is it mounted? Else correct url in the table [versions] of settings.toml"


class SharedStorage(Protocol):
    """Files by name. Every method raises an ArtifactError (``versions_unavailable``) where the
    storage cannot be used, within a limited time for each request; and an OSError where this
    machine's disk is full.
    """

    @property
    def name(self) -> str:
        """For messages, without secrets."""

    def names(self) -> list[str]:
        """The files at the top, in no order; those in folders are not among them."""

    def read(self, name: str) -> bytes | None:
        """A small file; None where there is none."""

    def create(self, name: str, data: bytes) -> bool:
        """Writes a small file in one step; False where there is one of this name, which stays."""

    def upload(self, file: Path, name: str) -> None:
        """Copies a file of this machine there; one of that name is replaced."""

    def download(self, name: str, file: Path) -> bool:
        """Copies a file to this machine; False where there is none."""


def storage_at(url: str) -> SharedStorage:
    """The storage at an absolute path or a URL."""
    return (
        ObjectStore(url)
        if scheme_of(url) not in ("", "file")
        else SharedFolder(Path(url.removeprefix("file://")))
    )


@dataclass(frozen=True)
class SharedFolder:
    """A folder that all machines have mounted. It must be there: a mount that is missing is no
    empty storage.
    """

    root: Path

    @property
    def name(self) -> str:
        return str(self.root)

    def names(self) -> list[str]:
        with self._translated():
            return [path.name for path in self.root.iterdir() if path.is_file()]

    def read(self, name: str) -> bytes | None:
        with self._translated(), suppress(FileNotFoundError):
            return (self.root / name).read_bytes()
        return None

    def create(self, name: str, data: bytes) -> bool:
        with self._translated(), tempfile.TemporaryDirectory(prefix=".new-", dir=self.root) as made:
            fresh, target = Path(made, name), self.root / name
            fresh.write_bytes(data)
            flush(fresh)
            try:
                os.link(fresh, target)
                flush(self.root)
            except FileExistsError:
                return False
            except OSError:  # a file system without hard links
                try:
                    target.touch(exist_ok=False)
                except FileExistsError:
                    return False
                move_in(fresh, target)
            return True

    def upload(self, file: Path, name: str) -> None:
        with self._translated():
            target = self.root / name
            target.parent.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=self.root) as made:
                fresh = Path(made, file.name)
                shutil.copyfile(file, fresh)
                move_in(fresh, target)

    def download(self, name: str, file: Path) -> bool:
        with self._translated():
            try:
                shutil.copyfile(self.root / name, file)
            except FileNotFoundError:
                return False
            return True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        if not self.root.is_dir():
            raise _unavailable(self.name, "there is no such folder", _NOT_MOUNTED)
        try:
            yield
        except OSError as error:
            raise _unavailable(self.name, reason(error), system_hint(error)) from error


@dataclass(frozen=True)
class ObjectStore:
    """A bucket, or part of one, that fsspec reaches. ``create`` needs a storage that knows
    conditional writes: S3, MinIO, Google's and Azure's do.
    """

    url: str

    @property
    def name(self) -> str:
        return shown(self.url)

    def names(self) -> list[str]:
        with self._translated():
            try:
                found = self._system.ls(self._root, detail=False, **self._brief)
            except FileNotFoundError as error:
                if _lacks_bucket(error):
                    raise
                return []  # nothing was written yet
            return [str(path).rpartition("/")[2] for path in found]

    def read(self, name: str) -> bytes | None:
        with self._translated():
            try:
                data: bytes = self._system.cat_file(self._path(name), **self._brief)
            except FileNotFoundError as error:
                if _lacks_bucket(error):
                    raise
                return None
            return data

    def create(self, name: str, data: bytes) -> bool:
        with self._translated():
            try:
                self._system.pipe_file(self._path(name), data, mode="create", **self._brief)
            except FileExistsError:
                return False
            return True

    def upload(self, file: Path, name: str) -> None:
        with self._translated():
            self._system.put_file(str(file), self._path(name))

    def download(self, name: str, file: Path) -> bool:
        with self._translated():
            try:
                self._system.get_file(self._path(name), str(file))
            except FileNotFoundError as error:
                if _lacks_bucket(error):
                    raise
                return False
            return True

    @cached_property
    def _system(self) -> Any:
        expand(self.url)  # credentials stand in the environment, not here
        # The same for all objects of this process.
        system = file_system(self.url, connect=_CONNECT, read=_READ, attempts=0)
        if hasattr(system, "retries"):
            system.retries = _ATTEMPTS
        return system

    @property
    def _brief(self) -> dict[str, float]:
        return {"timeout": _BRIEF} if self._system.async_impl else {}

    @cached_property
    def _root(self) -> str:
        return self.url.partition("://")[2].strip("/")

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turns errors of many packages, which share no class, into one."""
        try:
            yield
        except DataError as error:
            raise _unavailable(self.name, error.message, error.hint) from error
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _DISK:
                raise
            why, hint = " ".join(str(error).split())[:300] or type(error).__name__, _AGAIN
            if isinstance(error, TimeoutError):
                why = f"no answer within {_BRIEF:g} s"
            if isinstance(error, FileNotFoundError):
                why, hint = "there is no such bucket", _NO_BUCKET
            if isinstance(error, PermissionError) or "credentials" in why.lower():
                hint = _ACCESS
            raise _unavailable(self.name, why, hint) from error


def _lacks_bucket(error: FileNotFoundError) -> bool:
    response = getattr(error.__cause__, "response", None) or {}
    return bool(response.get("Error", {}).get("Code") == "NoSuchBucket")


def _unavailable(name: str, why: str, hint: str | None) -> ArtifactError:
    said = f"the shared versions at {name} cannot be used: {why}"
    return ArtifactError(said, hint, code="versions_unavailable")
