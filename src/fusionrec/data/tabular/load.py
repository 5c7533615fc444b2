"""A data set from the files that a ``fusionrec.toml`` describes."""

from __future__ import annotations

import logging
from pathlib import Path

from fusionrec.data.dataset import Dataset
from fusionrec.data.tabular.cache import CachedTables, kept
from fusionrec.data.tabular.spec import NAME
from fusionrec.errors import Progress

log = logging.getLogger("fusionrec")


def is_described(path: Path) -> bool:
    """Whether a path is a ``fusionrec.toml``, by whatever name, or a folder that holds one."""
    return (path / NAME).is_file() or (path.suffix.lower() == ".toml" and path.is_file())


def read_described(
    toml: Path, workspace_data: Path, progress: Progress = lambda *_: None
) -> Dataset:
    """The data set that a ``fusionrec.toml`` describes; files that were read before are not read
    again, and the columns of its interactions are mapped into memory, not to be written to.

    Args:
        toml: the file, or the folder that it lies in.
        workspace_data: the workspace's folder for data, which keeps what was read.
        progress: told of bytes read and in all, when the files are read.

    Raises:
        ConfigError: the TOML is not what it should be.
        DataError: a file or column is missing or damaged, or no interaction can be used.
    """
    found = kept(toml, workspace_data, progress)
    dataset = dataset_of(found)
    for repair in dataset.repairs:
        log.warning("%s: %s", dataset.name, repair)
    return dataset


def dataset_of(found: CachedTables) -> Dataset:
    """A Dataset of what was kept; each finding is one of its repairs."""
    return Dataset(
        found.described.schema,
        found.described.name,
        found.users,
        found.items,
        found.user,
        found.item,
        found.rating,
        found.time,
        tuple(map(str, found.findings)),
    )
