"""Makes one vector of whoever asks: a user id, a profile, a history, or any mixture."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from fusionrec.errors import UsageError
from fusionrec.features.history import History
from fusionrec.index.exact import distinct
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.fuzzy import unseen
from fusionrec.recommend.query import Query, Rated, UserVector, weights
from fusionrec.recommend.user_history import stranger
from fusionrec.registry.rating_head import NOBODY

# A stored history weighs as much as this many items of a request, so that one low rating does not
# reverse the whole answer.
KNOWN_COUNTS = 5.0

# Disliked items take away at most this share of what is known to be liked, about the usual ratio of
# Rocchio's relevance feedback (.25 to .75). With more, the answer would be items unlike anything,
# since the vectors of popular items are alike.
DISLIKED = 0.3

_KEPT = 10_000  # vectors that are kept of users


BEFORE = "stars are those before your last ratings: they change when the model is trained again"
AVERAGES = "stars are what people give an item on average: of you no rating was known in training"


class UserVectors:
    """Finds the user vectors of queries with one version's towers.

    Args:
        catalog: the version's items.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog, self.artifact = catalog, catalog.artifact
        vocabularies, schema = self.artifact.encoder.vocabularies, self.artifact.schema
        self._trained = frozenset(vocabularies[schema.id("user").name].values)
        # (position, goal) -> vector of a user of whom nothing is new; the artifact holds those of
        # the version's own goal.
        self._kept: dict[tuple[int, str | None], np.ndarray] = {}

    def over(self, catalog: Catalog) -> Self:
        """The same for the version's items after some changes; shares everything else."""
        made = copy.copy(self)
        made.catalog = catalog
        made._kept = {}  # they were read with the items as they were
        return made

    def find(self, query: Query) -> UserVector:
        """The user vector of a query.

        Raises:
            UsageError: the user is unknown and nothing else was given, a profile's value is not a
                choice, or a rating is out of range.
        """
        artifact, encoder = self.artifact, self.artifact.encoder
        if query.user is not None or query.profile:
            artifact.require_towers("it knows neither users nor profiles")
        position = self._position(query)
        profile = encoder.profile(query.profile) if query.profile else {}
        now = time.time() if query.now is None else query.now
        given, notes = self._given(query.history, now)
        if profile:
            notes += encoder.range_notes(query.profile) + unseen(encoder, profile)
        stored = History.of() if position is None else artifact.histories.of(position)
        person = self._person(query, position, profile, given, stored, now)
        history = stored.followed_by(given, repeats=artifact.schema.repeats)
        reading, rows = artifact.history_features, self.catalog.positions
        by_profile = bool(profile) or person.kind == "profile"
        columns = self._user_columns(position, profile)[1] if by_profile else {}
        if person.vector is not None:
            repeats = artifact.repeats(person.vector, history, person.goal)
            person = replace(person, repeats=repeats)
        return replace(
            person,
            notes=notes + person.notes,
            history=history,
            read=min(len(history), reading.length) if reading else len(given),
            named=frozenset(rows.get(one.item, -1) for one in query.history if one.named),
            profile={name: value for name, (value,) in columns.items()},
        )

    def _person(
        self,
        query: Query,
        position: int | None,
        profile: Mapping[str, object],
        given: History,
        stored: History,
        now: float,
    ) -> UserVector:
        """The vector, and what it was made from."""
        artifact = self.artifact
        rated = distinct(stored.items, given.items, query.taken)
        # Of a user that the model knows the stored profile alone, the answer is by profile.
        known = position is not None and (
            len(stored) > 0
            if artifact.history_features
            else artifact.users.ids[position] in self._trained
        )
        sources = ("user", known), ("profile", bool(profile)), ("history", len(given) > 0)
        kinds = [name for name, here in sources if here]
        notes: tuple[str, ...] = ()
        if query.user is not None and position is None:
            source = " and the ".join(kinds) or "popularity"
            notes = (f"user {query.user} is not in {artifact.version}: answered from the {source}",)
        if not kinds and position is None:
            return UserVector(None, "popular", rated, notes)
        goal = query.goal
        if goal is None and position is None and len(given) and "next" in artifact.goals:
            goal = "next"  # what they named says what they are after now
        elif goal is None and artifact.blend is not None:
            newest = (given if len(given) else stored).times[-1:]
            goal = "next" if artifact.blend.visits(newest, now).any() else None
        vector = self._vector(position, profile, given, stored, now, goal)
        if vector is None:
            even = "the ratings given say nothing of what the person likes"
            return UserVector(None, "popular", rated, (*notes, even))
        added = len(given) > 0 and not artifact.history_features
        if added:
            notes += (self._added(given, mixed=len(kinds) > 1),)
        kind = "profile" if not kinds else kinds[0] if len(kinds) == 1 else "mixed"
        rates, head_user = self._stars(position, kind == "user", added)
        if head_user == NOBODY:
            notes += (AVERAGES,)
        elif head_user is not None and len(given):
            notes += (BEFORE,)
        return UserVector(vector, kind, rated, notes, rates, head_user, goal=goal)  # type: ignore[arg-type]

    def _stars(self, position: int | None, known: bool, added: bool) -> tuple[bool, int | None]:
        """Whether ratings can be predicted, and ``head_user``; see ``UserVector``.

        Args:
            position: of the stored user, or None.
            known: whether nothing but the user is given.
            added: whether vectors of items were added to the person's, whose scores rate nothing.
        """
        artifact = self.artifact
        by_score = artifact.predicts_ratings and not added
        if by_score and not (known and artifact.rating_head is not None):
            return True, None
        if by_score or artifact.rates_every_pair:
            return True, NOBODY if position is None else position
        return False, None

    def _added(self, given: History, *, mixed: bool) -> str:
        """How the items of a request count where no tower reads them."""
        schema = self.artifact.schema
        note = f"answered from the items you named{'' if schema.events else ' or rated'}"
        note += " as well" if mixed else ""
        if np.any(weights(given.ratings, schema) < 0):
            note += "; items like those rated below the middle of the scale come later"
        if self.artifact.has_towers:
            note = f"{self.artifact.manifest['model']} does not read histories: {note}"
        return note

    def _position(self, query: Query) -> int | None:
        """The stored user's position; None for no user, or an unknown one with more said."""
        if query.user is None:
            return None
        users = self.artifact.user_positions
        position = users.get(query.user)
        if position is None and not query.profile and not query.history:
            raise stranger(self.artifact, query.user)
        return position

    def _given(self, history: Sequence[Rated], now: float) -> tuple[History, tuple[str, ...]]:
        """The history of a request in order, each item once unless people take items again; and
        notes on it. What has no time is of ``now``.
        """
        schema, rows = self.artifact.schema, self.catalog.positions
        low, high = schema.rating_range
        if schema.events:  # a named item counts as one that was taken
            history = [replace(one, rating=high) if one.named else one for one in history]
        for one in history:
            if one.rating is not None and not low <= one.rating <= high:
                raise UsageError(
                    f"item {one.item}: a rating is {low:g} to {high:g} here, got {one.rating:g}"
                )
        if all(one.time is not None for one in history):
            history = sorted(history, key=lambda one: one.time or 0.0)
        known = [one for one in history if one.item in rows]
        missing = [one.item for one in history if one.item not in rows]
        if not schema.repeats:  # the last rating of an item counts, at its place
            last = {one.item: n for n, one in enumerate(known)}
            known = [one for n, one in enumerate(known) if last[one.item] == n]
        notes: tuple[str, ...] = ()
        if missing:
            shown = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
            notes = (
                f"left out {len(missing)} of {len(history)} items that are not in "
                f"{self.artifact.version}: {shown}",
            )
        items = [rows[one.item] for one in known]
        ratings = [np.nan if one.rating is None else one.rating for one in known]
        times = [now if one.time is None else one.time for one in known]
        return History.of(items, ratings, times), notes

    def _vector(
        self,
        position: int | None,
        profile: Mapping[str, object],
        given: History,
        stored: History,
        now: float,
        goal: str | None,
    ) -> np.ndarray | None:
        """The person's vector, float32 [dim]; None if it says nothing of what they like."""
        artifact, vectors = self.artifact, self.catalog.vectors
        if artifact.history_features and len(given):
            followed = stored.followed_by(given, repeats=artifact.schema.repeats)
            return self._read(position, profile, followed, now, goal)
        vector: np.ndarray = np.zeros(artifact.item_vectors.shape[1], dtype=np.float32)
        own = goal in (None, *artifact.goals[:1]) and not artifact.reads_clock
        if position is not None and not profile and own:
            vector = artifact.user_vectors[position]
        elif position is not None and not profile and not artifact.reads_clock:
            kept = self._kept.get((position, goal))
            vector = self._read(position, profile, stored, now, goal) if kept is None else kept
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[position, goal] = vector
        elif position is not None or profile or not len(given):
            vector = self._read(position, profile, stored, now, goal)
        if not len(given):
            return vector
        weight = weights(given.ratings, artifact.schema)
        before = (KNOWN_COUNTS if len(stored) else 1.0) * float(vector.any())
        liked, disliked = np.maximum(weight, 0.0), np.minimum(weight, 0.0)
        most = DISLIKED * (before + float(liked.sum()))
        disliked *= min(1.0, most / max(-float(disliked.sum()), 1e-9))
        added = before * vector + (liked + disliked) @ vectors[given.items]
        length = float(np.linalg.norm(added))
        return None if length < 1e-6 else np.asarray(added / length, dtype=np.float32)

    def _read(
        self,
        position: int | None,
        profile: Mapping[str, object],
        history: History,
        now: float,
        goal: str | None,
    ) -> np.ndarray:
        """What the user tower makes of a person: float32 [dim]."""
        user, asked = self._user_columns(position, profile), np.array([now])
        vectors = self.artifact.vectors_of(*user, [history], asked, self.catalog.vectors, goal)
        return np.asarray(vectors[0])

    def _user_columns(
        self, position: int | None, profile: Mapping[str, object]
    ) -> tuple[list[str | None], dict[str, list[object]]]:
        """Id and profile as the encoder takes them; the request wins over the stored profile."""
        users = self.artifact.users
        ids = [None if position is None else users.ids[position]]
        stored = {} if position is None else users.row(position)
        return ids, {name: [value] for name, value in {**stored, **profile}.items()}
