"""What is not sure of the columns of users and items, and of how rows were made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fusionrec.data.detection import name_hints
from fusionrec.data.detection.column_stats import determines
from fusionrec.data.detection.doubts import Doubt
from fusionrec.data.detection.roles import InteractionFile, id_columns, is_level, role_of
from fusionrec.data.schema import Side
from fusionrec.data.tabular.toml_file import assignments, quoted

_ONCE = 0.98  # distinct ids as a share of the rows; with more, ids hardly come again
_OFTEN = 0.8  # with more, a column that is not called an item hardly is one
_AGAIN = 0.2  # share of rows that repeat a user and item; with more, repeats may matter


def role_doubts(found: InteractionFile) -> Iterator[Doubt]:
    """Doubts about a file of interactions."""
    again = share_of_repeats(found)
    yield from _unnamed(found, again)
    yield from _rivals(found)
    yield from _once(found)
    yield from _shape(found)
    if again > _AGAIN:
        says = f"{again:.0%} of the rows repeat the user and item of another; the last counts"
        yield Doubt("repeats", f"{says}, and no list offers again what someone took",
                    'repeats = "keep"', tuple(found.ids.values()),
                    key="interactions.repeats", choices=("last", "keep"))  # fmt: skip


def share_of_repeats(found: InteractionFile) -> float:
    """The share of rows with both ids that repeat the ids of an earlier row, 0 to 1."""
    users, items = (found.column(side).codes for side in ("user", "item"))
    both = (users >= 0) & (items >= 0)
    pairs = users[both] * (items.max() + 1) + items[both]
    return 1 - len(np.unique(pairs)) / max(1, len(pairs))


def _unnamed(found: InteractionFile, again: float) -> Iterator[Doubt]:
    """Columns that are ids by their values alone, of rows of which a share comes ``again``."""
    if found.file.headerless:
        return
    both = all(fit < 1 for fit in found.fits.values())
    for side, column in found.ids.items():
        named_by_shape = found.file.spec.unpivot and column == "column"
        if found.fits[side] >= 1 or named_by_shape:
            continue
        key = f"interactions.{side}"
        rest = [stats for stats in id_columns(found.file) if stats.name not in found.ids.values()]
        rest.sort(key=lambda stats: (-role_of(stats.name, side), -stats.distinct))
        others = [stats.name for stats in rest]
        mend = assignments({side: others[0]}) if others and role_of(others[0], side) else ""
        choices = (column, *others) if others else ()
        if side == "user" and name_hints.has(column, name_hints.BASKET):
            says = (
                f"no column names people: {column} is taken for them, so that each order is a "
                "person of its own, and nobody can be recommended to by name"
            )
            yield Doubt("no_people", says, mend, (column,), True, key, choices)
        elif side == "user" and name_hints.has(column, name_hints.SESSION):
            says = f"no column names people: each {column} is taken for a person of its own"
            yield Doubt("sessions", says, mend, (column,), key=key, choices=choices)
        else:
            says = f"{column} is taken for the {side} by its values alone; its name does not say so"
            says += "" if mend else f" (the line {assignments({side: column})})"
            writer = name_hints.has(column, name_hints.WRITER)
            grave = both or (side == "user" and not writer) or (side == "item" and again > _OFTEN)
            yield Doubt(f"{side}_unnamed", says, mend, (column,), grave, key, choices)


def _rivals(found: InteractionFile) -> Iterator[Doubt]:
    """Other columns with names of the same kind."""
    sides: tuple[Side, Side] = ("user", "item")
    for side in sides:
        column = found.ids[side]
        rivals = [
            stats.name
            for stats in id_columns(found.file)
            if stats.name not in found.ids.values()
            and role_of(stats.name, side) >= max(2, role_of(column, side))
            and stats.unique < _ONCE
            and not stats.running
            and not is_level(stats)
        ]
        if rivals:
            says = f"{' and '.join(rivals)} could also be the {side}; {column} is taken for it"
            choices = (column, *rivals)
            mend = assignments({side: rivals[0]})
            yield Doubt(f"two_{side}s", says, mend, choices, False, f"interactions.{side}", choices)


def _once(found: InteractionFile) -> Iterator[Doubt]:
    """Ids that hardly ever come again, from which nothing can be learned."""
    if found.file.rows < 5:
        return
    user, item = found.column("user"), found.column("item")
    if user.unique > _ONCE:
        says = (
            f"nearly every row has a {user.name} of its own: what someone took next or beside is "
            "not there to be learned from"
        )
        yield Doubt("one_row_per_user", says, "", (user.name,), True)
    if item.unique > _ONCE:
        says = f"nearly every row has an {item.name} of its own: no two people took the same"
        yield Doubt("one_row_per_item", says, "", (item.name,), True)
    for side, stats in (("user", user), ("item", item)):
        if stats.distinct < 3:
            says = f"{stats.name} is taken for the {side}, and has only {stats.examples()}"
            yield Doubt(f"few_{side}s", says, "", (stats.name,), True)


def _shape(found: InteractionFile) -> Iterator[Doubt]:
    """How rows were made of a table that has none for each interaction."""
    spec, file = found.file.spec, found.file
    if spec.unpivot:
        says = f"{file.name} is read as a table of users and items: each column is one of them"
        yield Doubt("wide_table", says, "", spec.unpivot)
    if spec.fill:
        listed = " and ".join(spec.fill[:4]) + " and more" * (len(spec.fill) > 4)
        says = f"{listed} stand in the first row of an order alone, and hold for the rows below too"
        yield Doubt("filled", says, "", spec.fill)
    if spec.explode:
        columns = " and ".join(spec.explode)
        says = (
            f'cells of {columns} hold several values with "{spec.separator}" between, one each row'
        )
        yield Doubt(
            "several_in_a_cell", says, f"separator = {quoted(spec.separator)}", spec.explode
        )
    if file.headerless:
        names = list(file.columns)
        user, item = (names.index(column) for column in found.ids.values())
        between = [
            stats for stats in id_columns(file)
            if user < names.index(stats.name) < item and stats.name not in found.used
            and not determines(found.column("item"), stats)
        ]  # fmt: skip
        usual = user == 0 < item and not between
        says = (
            f"{file.name} has no header line: its columns are called {', '.join(names)}, by what "
            "they hold"
        )
        mend = assignments({"names": spec.names or names})
        yield Doubt("no_header", says, mend, tuple(names), not usual)
    for join, other in zip(spec.join, file.joined, strict=True):
        joined = f"{other} is joined to {file.name} by {join.on}"
        says = f"{joined}, since one alone does not say who took what"
        yield Doubt("joined", says, "", (join.on,))
