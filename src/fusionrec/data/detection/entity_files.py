"""Finds the files of users and of items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from fusionrec.data.detection import name_hints
from fusionrec.data.detection.attributes import guess_attribute
from fusionrec.data.detection.column_stats import ColumnStats, overlap
from fusionrec.data.detection.roles import InteractionFile, keys_of, name_score, role_of, share_of
from fusionrec.data.detection.table_file import TableFile
from fusionrec.data.schema import Side

_ONCE = 0.95  # least distinct keys of the rows, where these might as well be interactions
_ENOUGH = 3.0  # least score of a table that is used


@dataclass(frozen=True)
class EntityFile:
    """A file of users or of items.

    Attributes:
        file: the file.
        key: the column of the ids.
        share: the share of the interactions read whose id it has, 0 to 1.
        score: how well it fits; higher is better.
    """

    file: TableFile
    key: str
    share: float
    score: float


def choose_entity_files(
    interactions: InteractionFile, files: Sequence[TableFile]
) -> dict[Side, EntityFile | None]:
    """The files of users and of items that fit best together; no file is both."""
    options: list[list[EntityFile | None]] = [
        [*_find_entity_files(side, interactions, files), None] for side in interactions.ids
    ]
    best: tuple[float, EntityFile | None, EntityFile | None] = (-1.0, None, None)
    for user, item in product(*options):
        if user and item and user.file is item.file:
            continue
        score = (user.score if user else 0.0) + (item.score if item else 0.0)
        # A file that could be either is of items, which have more attributes.
        if score > best[0] or (score == best[0] and best[1] is not None and user is None):
            best = (score, user, item)
    return {"user": best[1], "item": best[2]}


def _find_entity_files(
    side: Side, interactions: InteractionFile, files: Sequence[TableFile]
) -> list[EntityFile]:
    """The files that may hold the users or items of interactions; the best first."""
    ids = interactions.column(side)
    candidates = []
    for file in files:
        if file.name == interactions.file.name:
            continue
        also_taken = file.columns.keys() >= set(interactions.ids.values())
        for key in keys_of(file):
            if also_taken and key.unique < _ONCE:
                continue  # more of who took what
            share = share_of(ids, file, key)
            named = name_score(file, key.name, side)
            score = 4 * share + 1.5 * named + key.unique + 0.5 * float(key.name == ids.name)
            score -= 1.5 * float(named < 0) + 3 * float(_of_others(ids, key, side))
            if share < 0.3 or score < _ENOUGH:
                continue
            rest = [stats for stats in file.columns.values() if stats is not key]
            attributes = sum(not isinstance(guess_attribute(stats, side), str) for stats in rest)
            if attributes:
                score += 0.3 * min(8, attributes)
                candidates.append(EntityFile(file, key.name, overlap(ids, key), score))
    return sorted(candidates, key=lambda candidate: -candidate.score)


def _of_others(ids: ColumnStats, key: ColumnStats, side: Side) -> bool:
    """Whether a numeric key is named as the id of something else. Numbers from 1 on overlap with
    the ids of any other table.
    """
    named = [word for word in name_hints.words(key.name) if word not in name_hints.ID]
    other = key.name != ids.name and not role_of(key.name, side)
    return key.numeric > 0.9 and other and bool(named)
