"""Opens the files of a table: found, recognised, and with a row for each thing they hold."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fusionrec.data.tabular.readers.files import SourceFile, find_files, open_source
from fusionrec.data.tabular.shapes import shape
from fusionrec.data.tabular.source_spec import ReadSpec, SourceSpec


def open_table(spec: SourceSpec, folder: Path) -> list[SourceFile]:
    """The files of a table in their order; none where the spec names no files.

    Args:
        spec: where they are and how they are read.
        folder: names of files are relative to it.

    Raises:
        DataError: a file does not exist, or as ``open_source`` and ``shape``.
    """
    if not spec.files:
        return []
    return shape(open_files(spec, folder), spec, partial(open_files, folder=folder))


def open_files(spec: ReadSpec, folder: Path) -> list[SourceFile]:
    """As ``open_table``, as the files are, before their rows are shaped."""
    return [open_source(path) for path in find_files(folder, spec.files)]
