"""A data set from the files that a ``fusionrec.toml`` describes."""

from __future__ import annotations

import logging
from pathlib import Path

from fusionrec.data.dataset import Dataset
from fusionrec.data.tabular.cache import CachedTables, cached_tables
from fusionrec.data.tabular.spec import SPEC_NAME
from fusionrec.errors import Progress

log = logging.getLogger("fusionrec")


def has_spec(path: Path) -> bool:
    """Whether a path is a ``fusionrec.toml``, by whatever name, or a folder that holds one."""
    return (path / SPEC_NAME).is_file() or (path.suffix.lower() == ".toml" and path.is_file())


def read_from_spec(
    toml: Path, workspace_data: Path, progress: Progress = lambda *_: None
) -> Dataset:
    """The data set that a ``fusionrec.toml`` describes. Unchanged files come from the cache; the
    interaction columns are memory-mapped, read-only.

    Args:
        toml: the file, or the folder that it lies in.
        workspace_data: the workspace's folder for data, with the cache.
        progress: called with the bytes read and in all, if the files are converted.

    Raises:
        ConfigError: the TOML is not what it should be.
        DataError: a file or column is missing or damaged, or no interaction can be used.
    """
    dataset = to_dataset(cached_tables(toml, workspace_data, progress))
    for repair in dataset.repairs:
        log.warning("%s: %s", dataset.name, repair)
    return dataset


def to_dataset(tables: CachedTables) -> Dataset:
    """A Dataset of converted tables; each finding is one of its repairs."""
    return Dataset(
        tables.spec.schema,
        tables.spec.name,
        tables.users,
        tables.items,
        tables.user,
        tables.item,
        tables.rating,
        tables.time,
        tuple(map(str, tables.findings)),
    )
