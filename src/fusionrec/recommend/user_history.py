"""What is known of one user: their profile, and what they rated or took, the newest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from heapq import merge
from itertools import islice
from typing import Any

import numpy as np

from fusionrec.data.item_files import plain_content
from fusionrec.errors import UsageError
from fusionrec.features.history import History
from fusionrec.ledger import Event, Ledger
from fusionrec.recommend.answer import whole
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.fuzzy import MOST_NAMES, alike, guess
from fusionrec.registry import Artifact


@dataclass(frozen=True)
class Said:
    """What a user said of an item, or did with it.

    Attributes:
        item: its id.
        title: its title; the id where it has none.
        kind: as of ``Event``; ``taken`` in training data without ratings.
        rating: None where none was given.
        time: seconds since 1970; None where it is not known.
        since: whether it was told since the training.
    """

    item: str
    title: str
    kind: str
    rating: float | None
    time: float | None
    since: bool


@dataclass(frozen=True)
class KnownUser:
    """What is known of one user, with a part of what they said.

    Attributes:
        id: of the user.
        known: whether training knows them, and they were not forgotten.
        profile: attribute -> value; what was told since the training wins.
        trained: how many interactions the version stores of them.
        events: kind -> how many were told since, as the ledger counts them.
        said: the newest first.
        more: whether more follows.
    """

    id: str
    known: bool
    profile: Mapping[str, Any] = field(default_factory=dict)
    trained: int = 0
    events: Mapping[str, int] = field(default_factory=dict)
    said: Sequence[Said] = ()
    more: bool = False

    @property
    def is_nobody(self) -> bool:
        """Whether nothing at all is known of them."""
        return not (self.known or self.profile or self.events)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; what is not known of what they said is left out."""
        said = [{k: v for k, v in asdict(one).items() if v is not None} for one in self.said]
        about = {"id": self.id, "known": self.known, "profile": dict(self.profile)}
        counts = {"trained": self.trained, "events": dict(self.events)}
        return {**about, **counts, "history": said, "more": self.more}


def known_user(
    catalog: Catalog, ledger: Ledger, user: str, k: int = 10, offset: int = 0
) -> KnownUser:
    """What is known of a user; of one who was forgotten what was told since then alone.

    Args:
        catalog: of the version, whose training data are read.
        ledger: has what was told since.
        user: outside id.
        k: how much of what they said is wanted.
        offset: how much of it is passed over.
    """
    artifact = catalog.artifact
    row = None if ledger.is_forgotten(user) else artifact.user_positions.get(user)
    stored = History.of() if row is None else artifact.histories.of(row)
    profile = {} if row is None else _profile(artifact, row)
    told = ledger.newest_events(user, offset + k + 1)
    newest = merge(
        _since(catalog, told), _trained(catalog, stored, told), key=_age
    )  # in each, later ones come first
    said = list(islice(newest, offset, offset + k + 1))
    return KnownUser(
        user,
        row is not None,
        profile | (ledger.profile(user) or {}),
        len(stored),
        ledger.event_kinds(user),
        tuple(said[:k]),
        len(said) > k,
    )


def stranger(artifact: Artifact, user: str) -> UsageError:
    """The error that a version does not know a user; it says which ids are like that one."""
    users = artifact.user_positions
    return UsageError(
        f"user {user!r} is not among the {len(users)} users of {artifact.version}",
        code="unknown_user",
        similar=guess(alike(user, users, MOST_NAMES)),
        profile={
            field.name: next(iter(field.choices), "VALUE")
            for field in artifact.schema.attributes("user")
        },
    )


def title_of(catalog: Catalog, row: int | None, item: str) -> str:
    """An item's title; its id where it has none, or is not there."""
    name = catalog.artifact.schema.title
    return (name and row is not None and catalog.items.columns[name][row]) or item


def _profile(artifact: Artifact, row: int) -> dict[str, Any]:
    """What training knew of a user, without what it did not."""
    values = plain_content(artifact.users.row(row))
    return {name: whole(value) for name, value in values.items() if value not in (None, "", [])}


def _age(said: Said) -> float:
    return -(said.time or 0.0)


def _since(catalog: Catalog, told: Sequence[Event]) -> list[Said]:
    """What was told, the latest first."""
    rows = catalog.positions
    said = [
        Said(
            one.item,
            title_of(catalog, rows.get(one.item), one.item),
            one.kind,
            one.rating,
            one.time,
            since=True,
        )
        for one in told
    ]
    return sorted(said, key=_age)


def _trained(catalog: Catalog, stored: History, told: Sequence[Event]) -> Iterator[Said]:
    """What the version was trained with, the latest first, without what is told as well."""
    ids, events = catalog.items.ids, catalog.artifact.schema.events
    again = {(one.item, int(one.time)) for one in told}
    for place in range(len(stored) - 1, -1, -1):
        row, time = int(stored.items[place]), float(stored.times[place])
        rating = float(stored.ratings[place])
        timed = not np.isnan(time)
        if timed and (ids[row], int(time)) in again:
            continue
        yield Said(
            ids[row],
            title_of(catalog, row, ids[row]),
            "taken" if events else "rating",
            None if events or np.isnan(rating) else round(rating, 6),
            time if timed else None,
            since=False,
        )
