"""Reasons for the items of an answer, by what the answer was made of; none if none is true."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np

from fusionrec.data.schema import Schema
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.categories import Categories, liked
from fusionrec.recommend.query import Query, UserVector
from fusionrec.registry import Artifact, unit
from fusionrec.registry.inference.blend import BlendRunner

ReasonKind = Literal["again", "liked", "near", "shared", "popular", "new"]

NAMED = 2  # items or categories that one reason names at most
PAIRS, PERCENTILE = 20_000, 99  # of pairs of items; see ``Explainer.bar``
SHARE = 0.1  # of what a history gives to a score, from which an item of it is named
STANDARD_ERRORS = 2.0  # above chance, from which a share of a history is a taste
LEAST_LIKED = 3  # liked items that make a category a taste
OFTEN, LEAST_RATED = 0.05, 5  # the share of items that is often rated, and their fewest ratings
CROWD = 20  # the fewest people of a profile of whom something is said
_CROWDS_KEPT = 256

Profile = tuple[tuple[str, str], ...]  # names and values of user categories


@dataclass(frozen=True)
class Reason:
    """Why an item is in an answer.

    Attributes:
        kind: ``again``: they took it before, where people take items again. ``liked``: it is near
            items that the person's vector was made of. ``near``: it is near others that they
            rated. ``shared``: it is of categories that they like. ``popular``: many rated it, or
            took it recently. ``new``: nobody rated it yet.
        text: the same for people. Titles are not escaped, and may hold control characters.
        items: id and title of the items that the text names.
    """

    kind: ReasonKind
    text: str
    items: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The reason as JSON values."""
        items = [{"id": id_, "title": title} for id_, title in self.items]
        return {"kind": self.kind, "text": self.text, "items": items}


class Explainer:
    """Finds the reasons for one version's answers.

    Args:
        catalog: the version's items.
        categories: of these items.
    """

    def __init__(self, catalog: Catalog, categories: Categories) -> None:
        self.catalog, self.artifact = catalog, catalog.artifact
        self._categories = categories
        self._crowds, self._many = GroupPopularity(self.artifact), nouns(self.artifact.schema)
        # What people did to an item: "you took it", "it is often taken".
        events = self.artifact.schema.events
        self._did, self._done = ("took", "taken") if events else ("rated", "rated")

    def over(self, catalog: Catalog, categories: Categories) -> Self:
        """The same for the version's items after some changes; shares what is the version's own."""
        made = copy.copy(self)
        made.catalog, made._categories = catalog, categories
        return made

    def of(self, rows: np.ndarray, person: UserVector, query: Query) -> list[Reason | None]:
        """The first true reason of each item, in the order of the kinds; None if none is true.

        Args:
            rows: int [m], the items of the answer.
            person: to whom they were recommended.
            query: the query; no reason names what it hides.
        """
        near, shared = dict[int, Reason](), dict[int, Reason]()
        if person.vector is not None:
            taste = self._taste(person, query)
            near = self._near(rows, person, taste)
            shared = self._shared(rows, person.history.items[taste])
        return [
            self._again(row, person)
            or near.get(row)
            or shared.get(row)
            or self._popular(row, person, query)
            or self._new(row)
            for row in map(int, rows)
        ]

    def _again(self, row: int, person: UserVector) -> Reason | None:
        """That the person took the item before, where people take items again."""
        if not self.artifact.schema.repeats or person.vector is None:
            return None
        times = np.count_nonzero(person.history.items == row) if row not in person.named else 0
        often = "" if times == 1 else f" {times} times"
        return Reason("again", f"you {self._did} it{often}") if times else None

    @cached_property
    def bar(self) -> float:
        """The cosine from which two items count as near: the 99th percentile of 20,000 random pairs
        of different items, so that one pair in a hundred is.
        """
        vectors = unit(self.artifact.likeness(self.artifact.item_vectors))
        if len(vectors) < 2:
            return math.inf
        rng = np.random.default_rng(0)
        one = rng.integers(len(vectors), size=PAIRS)
        other = (one + rng.integers(1, len(vectors), size=PAIRS)) % len(vectors)
        cosines = np.einsum("nd,nd->n", vectors[one], vectors[other])
        return float(np.percentile(cosines, PERCENTILE))

    def _taste(self, person: UserVector, query: Query) -> np.ndarray:
        """Places in the person's history that may be named, int [c] rising: of liked items that are
        neither hidden nor withdrawn, and the last place of an item that was taken again.
        """
        history, hidden = person.history, self.catalog.rows(query.hidden)
        may = liked(history, self.artifact.schema.like) & self.catalog.available[history.items]
        places = np.flatnonzero(may & ~np.isin(history.items, hidden))
        _, from_end = np.unique(history.items[places][::-1], return_index=True)
        return np.sort(places[::-1][from_end])

    def _near(self, rows: np.ndarray, person: UserVector, taste: np.ndarray) -> dict[int, Reason]:
        """Reasons by the nearest liked items, or, of a version with parts, by those that gave most
        of the score. Only those that the person's vector was made of are a cause ("because").
        """
        if not len(taste):
            return {}
        vectors, taste_rows = self.catalog.vectors, person.history.items[taste]
        tower = self.artifact.user_tower if self.artifact.has_parts else None
        added = np.zeros((0, 0), dtype=np.float32)
        if isinstance(tower, BlendRunner):
            added = tower.contributions(person.history, vectors, rows, person.goal)
        if added.any():
            total = np.maximum(added, 0.0).sum(axis=1, keepdims=True)
            cosines, bar = added[:, taste] / np.maximum(total, 1e-12), SHARE
        else:
            one, other = (unit(self.artifact.likeness(vectors[at])) for at in (rows, taste_rows))
            cosines, bar = one @ other.T, self.bar
        # No item is a reason for itself, if rated items are shown too.
        cosines[(cosines < bar) | (rows[:, None] == taste_rows)] = -np.inf
        read = taste >= len(person.history) - person.read
        if isinstance(tower, BlendRunner) and not tower.blend.reads_histories(person.goal):
            read[:] = False  # a list of what is popular has no cause in the history
        found = {}
        for row, cosine in zip(map(int, rows), cosines, strict=True):
            because = read & np.isfinite(cosine)
            kept = np.flatnonzero(because if because.any() else np.isfinite(cosine))
            best = kept[np.argsort(-cosine[kept], kind="stable")[:NAMED]]
            if len(best):
                found[row] = self._naming(person, taste[best], because=bool(because.any()))
        return found

    def _naming(self, person: UserVector, places: np.ndarray, *, because: bool) -> Reason:
        rows = [int(row) for row in person.history.items[places]]
        items = tuple((self.catalog.items.ids[row], self._title(row)) for row in rows)
        if not because:
            text = f"like {self._many} you {self._did}: {_listed([title for _, title in items])}"
            return Reason("near", text, items)
        parts: dict[str, list[str]] = {}
        for row, place, (_, title) in zip(rows, places, items, strict=True):
            named = row in person.named or np.isnan(person.history.ratings[place])
            parts.setdefault("liked" if named else self._did, []).append(title)
        said = " and ".join(f"{verb} {_listed(titles)}" for verb, titles in parts.items())
        return Reason("liked", f"because you {said}", items)

    def _shared(self, rows: np.ndarray, history_rows: np.ndarray) -> dict[int, Reason]:
        """Reasons by categories whose share in the liked items is more than two standard errors
        above that in the catalog.
        """
        members, base = self._categories.members, self._categories.base
        if not len(history_rows) or not members.shape[1]:
            return {}
        count = members[history_rows].sum(axis=0)
        error = np.sqrt(base * (1 - base) / len(history_rows))
        above = np.where(count >= LEAST_LIKED, count / len(history_rows) - base, 0.0)
        telling = above > STANDARD_ERRORS * error
        strength = np.where(telling, above / np.maximum(error, 1e-9), 0.0)
        found = {}
        for row in map(int, rows):
            shares = np.flatnonzero(members[row] & telling)
            best = shares[np.argsort(-strength[shares], kind="stable")[:NAMED]]
            if len(best):
                names = ", ".join(self._categories.labels[place] for place in best)
                found[row] = Reason("shared", f"{names}: like many of your {self._many}")
        return found

    def _popular(self, row: int, person: UserVector, query: Query) -> Reason | None:
        """That many rated the item, if the answer was made of popularity or of a profile."""
        if person.vector is not None and not person.profile:
            return None
        takers = query.recent.takers.get(self.catalog.items.ids[row])
        if person.vector is None and takers:
            return Reason("popular", f"taken by {takers} people in the last 30 days")
        shared = self._crowds.shared(person.profile)
        if shared and self._crowds.often(row, shared):
            said = self._crowds.described(shared)
            return Reason("popular", f"often {self._done} by people of your profile ({said})")
        return Reason("popular", f"often {self._done}") if self._crowds.often(row) else None

    def _new(self, row: int) -> Reason | None:
        """That nobody has rated the item, in a version that has ratings."""
        if self.catalog.counts[row] or not self.artifact.has_towers:
            return None
        content = self.catalog.items.row(row)
        read = [f for f in self.artifact.schema.inputs("item") if f.kind != "id"]
        known = [f.name for f in read if _known(content[f.name])]
        names = _listed([name.replace("_", " ").capitalize() for name in known])
        what = "new here" if row >= len(self.artifact.items) else f"not {self._done} yet"
        return Reason("new", f"{what}, placed by its {names}" if names else what)

    def _title(self, row: int) -> str:
        name, table = self.artifact.schema.title, self.catalog.items
        return str((name and table.columns[name][row]) or table.ids[row])


class GroupPopularity:
    """Which items are often rated, by everybody or by the people of a profile.

    Args:
        artifact: the version, whose training data count.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        fields = self.artifact.schema.attributes("user")
        self._fields = {field.name: field for field in fields if field.kind == "category"}
        self._often: dict[Profile, np.ndarray] = {}

    def often(self, row: int, shared: Profile = ()) -> bool:
        """Whether people who share some categories, all by default, often rate an item. False if
        fewer than ``CROWD`` of them have rated anything.
        """
        if shared not in self._often:
            if len(self._often) >= _CROWDS_KEPT:
                self._often.clear()
            counts = self._counts(shared) if shared else self.artifact.item_counts
            self._often[shared] = often(counts)
        found = self._often[shared]
        return row < len(found) and bool(found[row])  # nobody has rated an added item

    def shared(self, profile: Mapping[str, object]) -> Profile:
        """The categories of a profile."""
        return tuple((name, str(profile[name])) for name in self._fields if profile.get(name))

    def described(self, shared: Profile) -> str:
        """Some categories with their labels."""
        fields = [(self._fields[name], value) for name, value in shared]
        return ", ".join(f"{field.flag} {field.choices.get(v, v)}" for field, v in fields)

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        columns = self.artifact.users.columns
        return {name: np.array(columns[name], dtype=object) for name in self._fields}

    def _counts(self, shared: Profile) -> np.ndarray:
        """How often the people rated each item, int64 [m]; 0 if they are too few."""
        histories = self.artifact.histories
        length = np.diff(histories.offsets)
        of_it = length > 0
        for name, value in shared:
            of_it &= self._columns[name] == value
        if of_it.sum() < CROWD:
            return np.zeros(len(self.artifact.items), dtype=np.int64)
        rated = histories.item[np.repeat(of_it, length)]
        return np.bincount(rated, minlength=len(self.artifact.items))


def often(counts: np.ndarray) -> np.ndarray:
    """Which items are often rated, bool [n], by their numbers of ratings, int [n]: the most rated
    twentieth of the rated items, with ``LEAST_RATED`` ratings or more.
    """
    rated = counts[counts > 0]
    bar = np.quantile(rated, 1 - OFTEN) if len(rated) else np.inf
    return np.asarray(counts >= max(bar, LEAST_RATED))


def nouns(schema: Schema) -> str:
    """What items are called: ``movies`` if their id is ``movie_id``, else ``items``."""
    name = schema.id("item").name
    stem = name.removesuffix("_id").replace("_", " ").strip()
    return f"{stem}s" if name.endswith("_id") and stem else "items"


def _known(value: Any) -> bool:
    return bool(value) and not (isinstance(value, float) and math.isnan(value))


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
