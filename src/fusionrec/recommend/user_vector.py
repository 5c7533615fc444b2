"""Who is asked: an id, a profile, a history, or any mixture of them becomes one vector."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from fusionrec.errors import UsageError
from fusionrec.features.history import History
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.fuzzy import MOST_NAMES, alike, guess, unseen
from fusionrec.recommend.query import Query, Rated, UserVector, weights

# A user's stored history weighs as much as five items of a request, so that one low rating does not
# reverse the whole answer.
KNOWN_COUNTS = 5.0

# Of what is known that a person likes, what they dislike takes away this share at most, about what
# is usual in Rocchio's relevance feedback (.25 of .75). More of it would ask for whatever is unlike
# anything: the vectors of what is popular are alike.
DISLIKED = 0.3


class UserVectors:
    """Makes persons of queries, by one version's towers.

    Args:
        catalog: the version's items.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog, self.artifact = catalog, catalog.artifact
        artifact = self.artifact
        self._users, self._items = artifact.user_positions, catalog.positions
        self._again = artifact.schema.repeats
        who = artifact.encoder.vocabularies[artifact.schema.id("user").name]
        self._trained = frozenset(who.values)

    def over(self, catalog: Catalog) -> Self:
        """The same of the version's items after some changes; shares all else."""
        made = copy.copy(self)
        made.catalog, made._items = catalog, catalog.positions
        return made

    def find(self, query: Query) -> UserVector:
        """The person of a query.

        Raises:
            UsageError: the user is unknown and nothing else was given, a profile's value is not a
                choice, or a rating is out of its range.
        """
        if query.user is not None or query.profile:
            self.artifact.require_towers("it knows neither users nor profiles")
        position = self._position(query)
        profile = self.artifact.encoder.profile(query.profile) if query.profile else {}
        given, notes = self._given(query.history)
        if profile:
            encoder = self.artifact.encoder
            notes += encoder.range_notes(query.profile) + unseen(encoder, profile)
        stored = History.of() if position is None else self.artifact.histories.of(position)
        person = self._person(query, position, profile, given, stored)
        history = stored.followed_by(given, repeats=self._again)
        reading = self.artifact.history_features
        by_profile = bool(profile) or person.kind == "profile"
        columns = self._user_columns(position, profile)[1] if by_profile else {}
        return replace(
            person,
            notes=notes + person.notes,
            history=history,
            read=min(len(history), reading.length) if reading else len(given),
            named=frozenset(self._items.get(one.item, -1) for one in query.history if one.named),
            profile={name: value for name, (value,) in columns.items()},
        )

    def _person(
        self,
        query: Query,
        position: int | None,
        profile: Mapping[str, object],
        given: History,
        stored: History,
    ) -> UserVector:
        """The person's vector, and what it was made from."""
        rated = np.union1d(stored.items, given.items)
        notes: tuple[str, ...] = ()
        known = position is not None and self._known(position, stored)
        sources = ("user", known), ("profile", bool(profile)), ("history", len(given) > 0)
        kinds = [name for name, here in sources if here]
        if query.user is not None and position is None:
            source = " and the ".join(kinds) or "popularity"
            notes = (
                f"user {query.user} is not in {self.artifact.version}: answered from the {source}",
            )
        if not kinds and position is None:
            return UserVector(None, "popular", rated, notes)
        now = time.time() if query.now is None else query.now
        vector = self._vector(position, profile, given, stored, now)
        if vector is None:
            even = "the ratings given say nothing of what the person likes"
            return UserVector(None, "popular", rated, (*notes, even))
        added = len(given) > 0 and not self.artifact.history_features
        if added:
            notes += (self._added(),)
        kind = "profile" if not kinds else kinds[0] if len(kinds) == 1 else "mixed"
        rates = self.artifact.predicts_ratings and not added
        return UserVector(vector, kind, rated, notes, rates)  # type: ignore[arg-type]

    def _added(self) -> str:
        """What became of the items that were named, where no tower reads them."""
        subtracted = ", those rated below the middle subtracted"
        if self.artifact.schema.events:
            subtracted = ""
        if not self.artifact.has_towers:
            return f"the vectors of what was named were added{subtracted}"
        model = self.artifact.manifest["model"]
        return f"{model} does not read histories: what was named was added{subtracted}"

    def _position(self, query: Query) -> int | None:
        """The stored user's position; None if none is named, or an unknown one with more said."""
        if query.user is None:
            return None
        position = self._users.get(query.user)
        if position is None and not query.profile and not query.history:
            version, count = self.artifact.version, len(self._users)
            raise UsageError(
                f"user {query.user!r} is not among the {count} users of {version}",
                code="unknown_user",
                similar=guess(alike(query.user, self._users, MOST_NAMES)),
                profile={
                    field.name: next(iter(field.choices), "VALUE")
                    for field in self.artifact.schema.attributes("user")
                },
            )
        return position

    def _given(self, history: Sequence[Rated]) -> tuple[History, tuple[str, ...]]:
        """What was given, in order, each item once unless people take items again; and what to say
        of it.
        """
        low, high = self.artifact.schema.rating_range
        if self.artifact.schema.events:  # what someone names counts as if they had taken it
            history = [replace(one, rating=high) if one.named else one for one in history]
        for one in history:
            if one.rating is not None and not low <= one.rating <= high:
                raise UsageError(
                    f"item {one.item}: a rating is {low:g} to {high:g} here, got {one.rating:g}"
                )
        if all(one.time is not None for one in history):
            history = sorted(history, key=lambda one: one.time or 0.0)
        known = [one for one in history if one.item in self._items]
        missing = [one.item for one in history if one.item not in self._items]
        if not self._again:  # rated again: the newer one counts, at its n
            last = {one.item: n for n, one in enumerate(known)}
            known = [one for n, one in enumerate(known) if last[one.item] == n]
        notes: tuple[str, ...] = ()
        if missing:
            shown = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
            notes = (
                f"left out {len(missing)} of {len(history)} items that are not in "
                f"{self.artifact.version}: {shown}",
            )
        items = [self._items[one.item] for one in known]
        ratings = [np.nan if one.rating is None else one.rating for one in known]
        times = [np.nan if one.time is None else one.time for one in known]
        return History.of(items, ratings, times), notes

    def _known(self, position: int, stored: History) -> bool:
        """Whether the model knows more of a stored user than the profile."""
        if self.artifact.history_features:
            return len(stored) > 0
        return self.artifact.users.ids[position] in self._trained

    def _vector(
        self,
        position: int | None,
        profile: Mapping[str, object],
        given: History,
        stored: History,
        now: float,
    ) -> np.ndarray | None:
        """The person's vector; None where nothing is known of what they like."""
        artifact = self.artifact

        def read(history: History) -> np.ndarray:
            user = self._user_columns(position, profile)
            read = artifact.vectors_of(*user, [history], np.array([now]), self.catalog.vectors)
            vector: np.ndarray = read[0]
            return vector

        if artifact.history_features and len(given):
            return read(stored.followed_by(given, repeats=self._again))
        vector: np.ndarray = np.zeros(artifact.item_vectors.shape[1], dtype=np.float32)
        if position is not None and not profile and not artifact.reads_clock:
            vector = artifact.user_vectors[position]
        elif position is not None or profile or not len(given):
            vector = read(stored)
        if not len(given):
            return vector
        weight = weights(given.ratings, artifact.schema)
        # What was known before counts like so many items of the request.
        before = (KNOWN_COUNTS if len(stored) else 1.0) * float(vector.any())
        liked, disliked = np.maximum(weight, 0.0), np.minimum(weight, 0.0)
        most = DISLIKED * (before + float(liked.sum()))
        disliked *= min(1.0, most / max(-float(disliked.sum()), 1e-9))
        added = before * vector + (liked + disliked) @ self.catalog.vectors[given.items]
        length = float(np.linalg.norm(added))
        if length < 1e-6:  # nothing is known of what the person likes
            return None
        return np.asarray(added / length, dtype=np.float32)

    def _user_columns(
        self, position: int | None, profile: Mapping[str, object]
    ) -> tuple[list[str | None], dict[str, list[object]]]:
        """Id and profile as the encoder takes them; what was said wins over what is stored."""
        stored = self.artifact.users.row(position) if position is not None else {}
        ids: list[str | None] = [
            self.artifact.users.ids[position] if position is not None else None
        ]
        return ids, {name: [value] for name, value in {**stored, **profile}.items()}
