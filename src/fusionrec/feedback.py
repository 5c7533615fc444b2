"""What users said and did since the training, as part of what is asked for them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fusionrec.artifact import Artifact
from fusionrec.catalogue import Catalogue
from fusionrec.data.schema import Schema
from fusionrec.errors import UsageError
from fusionrec.following import Following
from fusionrec.ledger import Event, Ledger
from fusionrec.opinions import opinions
from fusionrec.query import Query, Rated

_CROWD = 3  # users
_LATELY = 30 * 86_400.0  # seconds


@dataclass(frozen=True)
class Said:
    """What the ledger holds of a user, as far as a version can read it.

    Attributes:
        history: the items that they gave an opinion of (see ``opinions``): a rating as it is, held
            within the version's scale; a ``like`` without a rating, where interactions are events
            as one that weighs 1; a ``dislike`` with the lowest rating. The newest is last. What the
            version was trained with, and so has among what it stores of the user, is left out.
        hidden: the items that they do not want to see.
        profile: user attribute -> value.
        forgotten: whether what training knows of them is not to be used.
        events: how many events there are, and the number of the last one: it moves when one comes.
    """

    history: tuple[Rated, ...] = ()
    hidden: frozenset[str] = frozenset()
    profile: Mapping[str, str] = field(default_factory=dict)
    forgotten: bool = False
    events: tuple[int, int] = (0, 0)


_NOTHING = Said()


class Feedback:
    """The ledger's events and profiles, by user, as they are at each question. Several threads may
    use one.

    Args:
        ledger: whose events and profiles count, whoever writes them.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._users = ledger, Following(ledger)
        self._lately: tuple[Any, Mapping[str, int]] = (None, {})

    def events(self, user: str) -> list[Event]:
        """Everything that a user said or did, the oldest first.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return [event for _, event in self._users.of(user).events]

    def said(self, user: str, catalogue: Catalogue) -> Said:
        """What a user said, as far as the version and its items know of it.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        told = self._users.of(user)
        held, forgotten = told.events, told.forgotten
        if not (held or told.profile or forgotten):
            return _NOTHING
        items, artifact = catalogue.positions, catalogue.artifact
        found = opinions(held, artifact.schema)
        known = set() if forgotten else _trained_with(artifact, user, held)
        history = [
            _rated(event, artifact.schema)
            for number, event in found.told
            if event.item in items
            and (number > artifact.feedback or items[event.item] not in known)
        ]
        return Said(
            tuple(history),
            frozenset(item for _, item in found.refused if item in items),
            _readable(told.profile, artifact),
            forgotten,
            (len(held), held[-1][0] if held else 0),
        )

    def heard(self) -> frozenset[str]:
        """Who said or did something, or has a profile.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return self._users.heard()

    def forgotten(self, users: Iterable[str]) -> frozenset[str]:
        """Those of some users who are to be forgotten.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return self._ledger.forgotten(users)

    def lately(self, like: float) -> Mapping[str, int]:
        """Outside item id -> how many users took it in the last 30 days: liked it, viewed it, or
        rated it ``like`` or more. Three at least, so that no one makes everybody's list alone, or
        is seen in it. Counted anew every ten seconds.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        now = time.time()
        key = (self._ledger.pulse().gone, int(now // 10), like)
        held = self._lately
        if held[0] != key:
            taken = self._ledger.taken(max(now - _LATELY, 0.0), like, _CROWD)
            held = self._lately = (key, taken)
        return held[1]

    def enrich(self, query: Query, catalogue: Catalogue) -> Query:
        """The query with what its user said before: what the query itself says wins over that, and
        comes after it. A user who was forgotten is nobody to the version. Where nothing is known of
        anybody, it says what was taken lately.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        if query.user is not None:
            query = add(query, self.said(query.user, catalogue))
        return self.popular(query, catalogue)

    def popular(self, query: Query, catalogue: Catalogue) -> Query:
        """A query of no user and no profile with what was taken lately, which counts where nothing
        is known of what the person likes; any other as it is.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        if query.user is not None or query.profile:
            return query
        schema = catalogue.artifact.schema
        return replace(query, lately=self.lately(math.inf if schema.events else schema.like))


def add(query: Query, said: Said) -> Query:
    """A query with what its user said before; see ``Feedback.enrich``."""
    if said is _NOTHING:
        return query
    told = {one.item for one in query.history}
    return replace(
        query,
        user=None if said.forgotten else query.user,
        profile={**said.profile, **query.profile},
        history=[*(one for one in said.history if one.item not in told), *query.history],
        hidden=said.hidden.union(query.hidden),
    )


def _trained_with(artifact: Artifact, user: str, held: Sequence[tuple[int, Event]]) -> set[int]:
    """Positions of the items that a version stores of a user, if it was trained with any of what
    the user said.
    """
    position = artifact.user_positions.get(user)
    if position is None or not held or held[0][0] > artifact.feedback:
        return set()
    return set(artifact.histories.of(position).items.tolist())


def _rated(event: Event, schema: Schema) -> Rated:
    low, high = schema.rating_range
    if event.kind == "like":
        return Rated(event.item, high if schema.events else None, event.time)
    rating = low if event.rating is None else min(max(event.rating, low), high)
    return Rated(event.item, rating, event.time)


def _readable(profile: Mapping[str, str], artifact: Artifact) -> dict[str, str]:
    """What the version can read of a profile, which may have been given for another one."""
    kept = {}
    for name, value in profile.items() if artifact.has_towers else ():
        try:
            artifact.encoder.profile({name: value})
        except UsageError:
            continue
        kept[name] = value
    return kept
