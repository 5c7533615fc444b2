"""Reads the data set at a path: a saved one, tables with a fusionrec.toml, or MovieLens."""

from __future__ import annotations

from pathlib import Path

from fusionrec.data.dataset import Dataset
from fusionrec.data.parquet_dataset import is_saved, read_dataset
from fusionrec.data.tabular.cache import read_from_spec
from fusionrec.data.tabular.sources import is_table
from fusionrec.data.tabular.spec import MINIMAL_SPEC, SPEC_NAME, has_spec
from fusionrec.errors import DataError, Progress
from fusionrec.workspace import Workspace


def read(
    path: Path,
    workspace_data: Path | None = None,
    progress: Progress | None = None,
    *,
    accept: bool = False,
    allow_remote: bool = False,
) -> Dataset:
    """The data set at a path.

    Args:
        path: a folder that ``save_dataset`` wrote; a ``fusionrec.toml`` or a folder that holds one;
            or a zip or folder in one of MovieLens' layouts.
        workspace_data: the folder for the cache of tables; default: that of ``Workspace.find()``.
        progress: called with the bytes of tables read so far, and in all.
        accept: whether a ``fusionrec.toml`` is read although ``init`` has grave doubts about it
            that nobody has looked at.
        allow_remote: whether a ``fusionrec.toml`` may name URLs and files outside its folder.

    Raises:
        ConfigError: a ``fusionrec.toml`` is invalid.
        DataError: the path is none of these, a file is missing or damaged, or there are such doubts
            (``unreviewed``).
    """
    if is_saved(path):
        return read_dataset(path)
    if has_spec(path):
        workspace_data = workspace_data or Workspace.find().data
        progress = progress or (lambda *_: None)
        allowed = {"accept": accept, "allow_remote": allow_remote}
        return read_from_spec(path, workspace_data, progress, **allowed)
    from fusionrec.data.movielens import readers as movielens

    found = movielens.layouts_in(path) if path.is_dir() else []
    # A lone ratings.dat may be anyone's.
    if any({layout.users.name, layout.items.name} & bundle.names for layout, bundle in found):
        return movielens.read(path)
    files = path.iterdir() if path.is_dir() else [path]
    if any(is_table(file) for file in files):
        folder = path.parent if path.is_file() else path
        raise DataError(
            f"{path}: tables whose columns nobody has described",
            f"run fusionrec init {folder} first: it writes {SPEC_NAME}, which says what they mean; "
            f"where it cannot, {MINIMAL_SPEC}",
        )
    if path.is_dir():
        raise DataError(
            f"{path} holds neither {SPEC_NAME}, nor a table in a format that is read, nor "
            "MovieLens' files (such as ratings.dat) there or one folder deeper",
            f"put your files there and run fusionrec init {path}; or give the folder or archive "
            "that holds them",
        )
    return movielens.read(path)
