"""Reads ml-1m, ml-100k and ml-100k's mirror."""

from __future__ import annotations

import logging
import re
import time as clock
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.data.dataset import CLOCK_ERROR, Dataset, Table, keep_last_of_pairs
from fusionrec.data.movielens.files import Bundle, bundles, single
from fusionrec.data.movielens.layouts import LAYOUTS, ML_1M, BadValueError, File, Layout
from fusionrec.data.movielens.schema import MOVIELENS
from fusionrec.data.schema import Side
from fusionrec.errors import DataError

log = logging.getLogger("fusionrec")

# At most seven digits: the lookup of positions is an array as long as the largest id.
_ID = re.compile("[1-9][0-9]{0,6}")


def read(path: Path) -> Dataset:
    """A MovieLens data set: all its users and items, including those without ratings.

    Ratings in the future are left out, and only the latest rating of a user and movie stays;
    ``repairs`` and the log say how many were left out.

    Args:
        path: a zip or a folder, the files in it or one folder deeper, laid out as ml-1m
            (``ratings.dat``, ``users.dat``, ``movies.dat``), as ml-100k (``u.data``, ``u.user``,
            ``u.item``) or as ml-100k's mirror (``ml-100k.inter``, ``.user``, ``.item``; its wheel
            is a zip as well).

    Raises:
        DataError: no layout fits, a file is missing or damaged, or a line is malformed; names file
            and line.
    """
    matches = layouts_in(path)
    if not matches:
        raise DataError(
            f"{path}: expected ratings.dat (ml-1m), u.data (ml-100k) or ml-100k.inter (its mirror) "
            "there or one folder deeper, got none of them",
            "give the archive as downloaded, or the folder it unpacks to",
        )
    if len(matches) > 1:
        locations = ", ".join(bundle.location for _, bundle in matches)
        raise DataError(f"{path}: holds several data sets: {locations}", "give one of the folders")
    [(layout, bundle)] = matches
    users = _table(bundle, layout.users, "user")
    items = _table(bundle, layout.items, "item")
    user, item, rating, time = _ratings(bundle, layout.ratings, users, items)
    past = np.flatnonzero(time <= clock.time() + CLOCK_ERROR)
    last, again = keep_last_of_pairs(user[past], item[past], time[past])
    repairs = tuple(
        f"{left_out} of {len(user)} ratings left out: {why}"
        for left_out, why in (
            (len(user) - len(past), "their time is in the future"),
            (again, "the same user rated the same movie again, and the latest rating stays"),
        )
        if left_out
    )
    for repair in repairs:
        log.warning("%s/%s: %s", bundle.location, layout.ratings.name, repair)
    if repairs:
        user, item, rating, time = (column[past[last]] for column in (user, item, rating, time))
    columns = user, item, rating, time
    return Dataset(MOVIELENS, layout.name, users, items, *columns, repairs)


def read_films(path: Path) -> Table:
    """The films of one file laid out as ml-1m's ``movies.dat``, whatever its name.

    Raises:
        DataError: the file does not exist, or a line is malformed.
    """
    return _table(single(path), replace(ML_1M.items, name=path.name), "item")


def layouts_in(path: Path) -> list[tuple[Layout, Bundle]]:
    """The layouts whose ratings a zip or folder holds, and where.

    Raises:
        DataError: the zip or folder does not exist, or cannot be read.
    """
    return [
        (layout, bundle)
        for bundle in bundles(path)
        for layout in LAYOUTS
        if layout.ratings.name in bundle.names
    ]


def _table(bundle: Bundle, file: File, side: Side) -> Table:
    """The users or the items, one per line."""
    columns: dict[str, list[Any]] = {f.name: [] for f in MOVIELENS.attributes(side)}
    lines: dict[str, int] = {}  # id -> its line
    for line, text in enumerate(bundle.lines(file.name, file.header), 2 if file.header else 1):
        fields = text.split(file.separator)
        try:
            if len(fields) != file.width:
                raise BadValueError(
                    f"{file.width} fields with {file.separator!r} between", repr(text)
                )
            outside, row = fields[0], file.parse(fields)
            if not _ID.fullmatch(outside):
                raise BadValueError(f"a whole number of 1 to 7 digits as {side} id", repr(outside))
            if outside in lines:
                raise BadValueError(
                    f"distinct {side} ids", f"{outside} as on line {lines[outside]}"
                )
        except BadValueError as error:
            bundle.fail(file.name, line, *error.args)
        lines[outside] = line
        for name, column in columns.items():
            column.append(row[name])
    return Table(list(lines), columns)


def _ratings(bundle: Bundle, file: File, users: Table, items: Table) -> list[np.ndarray]:
    """The interaction columns of a Dataset, in the order of the file."""
    columns = bundle.numbers(file.name, file.separator.encode(), file.width, file.header)
    start = 2 if file.header else 1
    positions = []
    for side, numbers, table in (("user", columns[0], users), ("movie", columns[1], items)):
        ids = np.array(table.ids, dtype=np.int64)
        position_of = np.full(ids.max() + 2, -1, dtype=np.int32)
        position_of[ids] = np.arange(len(ids), dtype=np.int32)
        # Numbers beyond the largest id look up the -1 after it.
        position = position_of[np.minimum(numbers, ids.max() + 1)]
        if (bad := np.flatnonzero(position < 0)).size:
            got = f"{side} {numbers[bad[0]]}, which is not in the file of {side}s"
            bundle.fail(file.name, int(bad[0]) + start, f"a {side} that is known", got)
        positions.append(position)
    low, high = MOVIELENS.rating_range
    if (bad := np.flatnonzero((columns[2] < low) | (columns[2] > high))).size:
        expected = f"a rating {low:g}..{high:g}"
        bundle.fail(file.name, int(bad[0]) + start, expected, str(columns[2][bad[0]]))
    return [*positions, columns[2].astype(np.float32), columns[3]]
