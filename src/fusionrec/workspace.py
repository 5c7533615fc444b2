"""The workspace: where its files are, and writing that survives a loss of power."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fusionrec.config import Settings, settings_table
from fusionrec.errors import ConfigError, FusionrecError, UsageError, system_hint


@dataclass(frozen=True)
class LedgerSettings(Settings):
    """The settings' table ``[ledger]``.

    Attributes:
        url: as SQLAlchemy reads it; empty: a SQLite file in the workspace.
    """

    url: str = ""


@dataclass(frozen=True)
class VersionsSettings(Settings):
    """The settings' table ``[versions]``.

    Attributes:
        url: where several machines share their versions: a folder that all of them see, or a URL
            such as ``s3://bucket/prefix``; empty: they are this workspace's alone.
    """

    url: str = ""


@dataclass(frozen=True)
class Workspace:
    """The folder that holds a project's models, embedded Milvus, ledger and downloads.

    Attributes:
        home: the folder; made when something is written.
    """

    home: Path

    @classmethod
    def find(cls, home: str | Path | None = None) -> Workspace:
        """The workspace at ``home``, else at ``FUSIONREC_HOME``, else at ``./.fusionrec``.

        Raises:
            UsageError: the name is empty, or that of a file.
        """
        hint = "name a folder, which is made when it is needed; the default is ./.fusionrec"
        if home is not None and not isinstance(home, str | os.PathLike):
            raise UsageError(f"the workspace must be a folder, got a {type(home).__name__}", hint)
        if home == "":
            raise UsageError("the workspace must be a folder, got an empty name", hint)
        found = Path(home or os.environ.get("FUSIONREC_HOME") or ".fusionrec")
        try:
            is_file = found.exists() and not found.is_dir()
        except (OSError, ValueError) as error:  # a name that is too long, or has a NUL
            why = getattr(error, "strerror", None) or error
            raise UsageError(f"the workspace must be a folder: {why}", hint) from error
        if is_file:
            raise UsageError(f"the workspace must be a folder, but {found} is a file", hint)
        return cls(found)

    @property
    def models(self) -> Path:
        """One folder per published version."""
        return self.home / "models"

    @property
    def data(self) -> Path:
        """Downloaded data sets."""
        return self.home / "data"

    @property
    def checkpoints(self) -> Path:
        """One folder per training that has not ended."""
        return self.home / "checkpoints"

    @property
    def ledger(self) -> Path | str:
        """The ledger: the URL in ``FUSIONREC_LEDGER``, else ``url`` in the settings' table
        ``[ledger]``, else a SQLite file of the workspace.

        Raises:
            ConfigError: the settings cannot be read, or the table holds something else.
        """
        if url := os.environ.get("FUSIONREC_LEDGER"):
            return url
        table = settings_table(self.settings, "ledger")
        if not isinstance(table.get("url", ""), str):  # here, since the value may be a secret
            raise ConfigError("ledger.url must be a text in quotes")
        url = LedgerSettings.from_dict(table, "ledger.").url
        return url or self.home / "ledger.sqlite"

    @property
    def shared_versions(self) -> str:
        """The folder or URL through which several machines share versions; empty where none is set.
        No environment variable names it, since temporary workspaces, as of evaluations, share none.

        Raises:
            ConfigError: the settings cannot be read, or it is neither an absolute path nor a URL.
        """
        table = settings_table(self.settings, "versions")
        url = VersionsSettings.from_dict(table, "versions.").url
        if url and "://" not in url and not Path(url).is_absolute():
            example = "/mnt/versions or s3://bucket/versions"
            raise ConfigError(
                f"versions.url must be a folder or URL such as {example}, got {url!r}"
            )
        return url

    @property
    def milvus(self) -> str:
        """The embedded Milvus, the default place of the index."""
        return str(self.home / "milvus.db")

    @property
    def copies(self) -> Path:
        """Compressed copies of item vectors, one folder each; may be deleted at any time."""
        return self.home / "copies"

    @property
    def maps(self) -> Path:
        """Neighbourhoods of items, a file for each version; may be deleted at any time."""
        return self.home / "maps"

    @property
    def verified(self) -> Path:
        """What ``VerifiedFiles`` remembers; may be deleted at any time."""
        return self.home / "verified.json"

    @property
    def settings(self) -> Path:
        """TOML with the tables ``[milvus]``, ``[ledger]``, ``[service]`` and ``[versions]``; may be
        missing.
        """
        return self.home / "settings.toml"


def found_path(name: str | Path) -> Path | None:
    """What a file's or folder's name leads to, ``~`` expanded; None where nothing is there, or
    where the name cannot be one: too long, with a NUL, of an unknown user.
    """
    try:
        path = Path(name).expanduser()
        return path if path.exists() else None
    except (OSError, ValueError, RuntimeError):
        return None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Says in one way why a file or a folder cannot be written.

    Raises:
        UsageError: a file is where a folder belongs, or the reverse.
        FusionrecError: another OSError (``not_written``), such as a full disk.
    """
    try:
        yield
    except OSError as error:
        wrong = isinstance(error, FileExistsError | IsADirectoryError | NotADirectoryError)
        why = error.strerror or error
        text = f"{path} cannot be written: {why}"
        if wrong:
            raise UsageError(text, "name a place that can be written") from error
        raise FusionrecError(text, system_hint(error), code="not_written") from error


def move_in(fresh: Path, target: Path) -> None:
    """Moves a file or a folder to its place in one step; once this returns, it is on disk there.

    Args:
        fresh: written and closed, on the disk of ``target``.
        target: a file that is there is replaced.

    Raises:
        OSError: it could not be written or moved.
    """
    for path in (*fresh.rglob("*"), fresh):
        flush(path)
    fresh.rename(target)
    flush(target.parent)  # which holds the name


def write_text(file: Path, text: str) -> None:
    """Writes a text file in one step, and makes the folder that holds it.

    Raises:
        FusionrecError: see ``writing``; a file that was there still is.
    """
    fresh = file.with_name(f".{file.name}.new")
    with writing(file):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(text, encoding="utf-8", newline="\n")
            move_in(fresh, file)
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Makes a folder and missing ones above it for the owner alone, since workspaces hold
    what people did. The mode of a folder that is there stays.

    Raises:
        OSError: it could not be made.
    """
    whole = folder.absolute()
    for one in reversed([one for one in (whole, *whole.parents) if not one.is_dir()]):
        one.mkdir(mode=0o700, exist_ok=True)
        flush(one.parent)


def flush(path: Path) -> None:
    """Writes a file, or the names in a folder, to the disk; raises an OSError where it fails."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
