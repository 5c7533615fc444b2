"""Finds items by words and by name, and explains unknown names."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from fusionrec.data.schema import Field
from fusionrec.errors import UsageError
from fusionrec.index import AllOf, AnyOf, Condition, Only, Without
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.fulltext import FulltextIndex, Match
from fusionrec.recommend.fuzzy import MOST_NAMES, alike, folded, guess
from fusionrec.recommend.item_words import MAX_WORDS, plain_words, search_words
from fusionrec.recommend.query import Rated
from fusionrec.recommend.rank_fusion import POOL
from fusionrec.recommend.synonyms import Synonyms, synonyms
from fusionrec.recommend.word_search import Found, WordSearch

_SHOWN = 5  # candidates in one hint
_COMPARED, _GUESSED = 20, 3  # titles that are compared with a name, and that are guessed
_ALIKE = 0.6  # similarity from which a title may be meant
_NONE_FITS = "items hold these words, but none of them meets the conditions"
_BEHIND = 0.05  # by which a further guess may be less similar than the best one


class ItemSearch:
    """Finds items of one version. The word index is made when it is first needed, and then shared
    with the finders of the version's later catalogs. It may be ahead of this catalog, whose items
    alone are found.

    Args:
        catalog: the version's items.
        folder: the workspace's, which may hold synonyms.
    """

    def __init__(self, catalog: Catalog, folder: Path | None = None) -> None:
        self.catalog, self.artifact, self._folder = catalog, catalog.artifact, folder
        self._in_step = 0  # ``words.changes`` at which the words are this catalog's

    def after(self, catalog: Catalog) -> ItemSearch:
        """The finder after some changes of items, the only ones that are looked at."""
        made = ItemSearch(catalog, self._folder)
        if "_synonyms" in vars(self):
            made._synonyms = self._synonyms
        changed = catalog.changed_since(self.catalog.number).tolist()
        ids, here = catalog.items.ids, catalog.available
        if "words" in vars(self):
            contents = {ids[row]: catalog.items.row(row) if here[row] else None for row in changed}
            self.words.change(contents)
            made.words, made._in_step = self.words, self.words.changes
        if "_folded" in vars(self) and len(catalog) <= MOST_NAMES:
            self._folded.update((folded(id_), id_) for id_ in ids[len(self.catalog) :])
            made._folded = self._folded
        return made

    def prepare(self) -> None:
        """Makes everything that the first search or question would wait for."""
        self.catalog.columns.prepare()
        self._word_search.prepare()
        assert self._folded is not None

    @cached_property
    def words(self) -> FulltextIndex:
        """The word index of the version's items, or of later ones."""
        return FulltextIndex(self.artifact.schema, self.catalog.items, self.catalog.available)

    @cached_property
    def _synonyms(self) -> Synonyms:
        return synonyms(self._folder)

    @cached_property
    def _word_search(self) -> WordSearch:
        return WordSearch(self.catalog, self.words, self._synonyms)

    @property
    def rows(self) -> Mapping[str, int]:
        """Outside id -> position."""
        return self.catalog.positions

    def _here(self, id_: str) -> bool:
        """Whether an item of the word index is in this catalog and available."""
        row = self.rows.get(id_)
        return row is not None and bool(self.catalog.available[row])

    def _search(self, text: str, *, prefix: bool = False, limit: int | None = None) -> list[Match]:
        """As ``FulltextIndex.search``, for this catalog's items."""
        found = self.words.search(text, prefix=prefix, limit=limit)
        if self.words.changes == self._in_step:
            return found
        known = [hit for hit in found if self._here(hit.id)]
        if len(known) == len(found) or limit is None or len(found) < limit:
            return known
        return self._search(text, prefix=prefix)[:limit]

    def unknown(self, where: Sequence[Condition]) -> tuple[str, ...]:
        """A note on the ids in conditions that no item has, if any."""
        listed = [c.ids for c in where if isinstance(c, Only | Without)]
        missing = [id_ for ids in listed for id_ in ids if id_ not in self.rows]
        if not missing:
            return ()
        shown = ", ".join(missing[:_SHOWN]) + (", …" if len(missing) > _SHOWN else "")
        return (f"no item of {self.artifact.version} has the id {shown}",)

    def missed(self, where: Sequence[Condition]) -> tuple[str, ...]:
        """Notes on the categories in conditions that no item has, with guesses."""
        fields = {field.name: field for field in self.artifact.schema.filters()}
        notes = []
        for condition in where:
            if isinstance(condition, AnyOf | AllOf):
                known_values = self.catalog.columns.values(condition.field)
                lacking = [value for value in condition.values if value not in known_values]
                notes += [_lacks(fields[condition.field], value, known_values) for value in lacking]
        return tuple(notes[:_SHOWN])

    @cached_property
    def _folded(self) -> dict[str, str]:
        """Folded id -> id; empty if there are too many."""
        return {folded(id_): id_ for id_ in self.rows} if len(self.rows) <= MOST_NAMES else {}

    def near(self, text: str) -> list[str]:
        """Ids of the items that may be meant by an unknown id or title, the likeliest first: the
        item with the same id but for case and zeros, else those with the most similar titles.
        """
        same = self._folded.get(folded(text))
        if same is not None and same in self.rows:
            return [same]
        found = self._search(self.words.suggest(text) or text, limit=_COMPARED)
        matcher = difflib.SequenceMatcher(None, " ".join(plain_words(text)))
        ratio: dict[str, float] = {}
        for hit in found:
            matcher.set_seq2(" ".join(plain_words(self.title(hit.id))))
            ratio[hit.id] = matcher.ratio()
        best = sorted(ratio, key=lambda id_: -ratio[id_])
        least = max(_ALIKE, ratio[best[0]] - _BEHIND) if best else 0.0
        return [id_ for id_ in best if ratio[id_] >= least][:_GUESSED]

    def guess(self, text: str) -> str:
        """The question whether one of ``near`` was meant, with ids and titles; empty for none."""
        near = [self._described(id_) for id_ in self.near(text)]
        return f"did you mean {' or '.join(near)}?" if near else ""

    def example(self) -> str:
        """An example of how to name an item."""
        ids = self.catalog.items.ids
        by = "its id or title" if self.artifact.schema.title else "its id"
        return f"an item is named by {by}, such as {ids[0]}" if ids else ""

    def item(self, text: str) -> str | None:
        """The id of the item with an id or, if there is none, a title; None for no such item.

        The item meant is the one whose title's words are all in the text, in any order, perhaps
        beside a year or category; else the only one with every word of the text.

        Raises:
            UsageError: several items may be meant; the hint lists them.
        """
        if text in self.rows:
            return text
        asked = set(plain_words(text))
        found = filter(self._here, self.words.holding_all(text))
        titles = {id_: set(plain_words(self.title(id_))) for id_ in found}
        near = [id_ for id_, title in titles.items() if title & asked]
        meant = [id_ for id_ in near if titles[id_] <= asked] or near
        if len(meant) > 1:
            counts = self.catalog.counts
            meant.sort(key=lambda id_: -int(counts[self.rows[id_]]))
            shown = [self._described(id_) for id_ in meant[:_SHOWN]]
            raise UsageError(
                f"{text!r} may be any of {len(meant)} items: say which by its id",
                hint="; ".join(shown) + ("; …" if len(meant) > _SHOWN else ""),
            )
        return meant[0] if meant else None

    def named(self, history: Sequence[Rated]) -> list[Rated]:
        """A history with ids in place of titles; unknown names stay. Raises as ``item``."""
        return [replace(one, item=self.item(one.item) or one.item) for one in history]

    def row(self, id_: str, *, guess: bool = True) -> int:
        """The position of an item.

        Args:
            id_: outside item id.
            guess: whether the error's hint guesses which item is meant, which takes a search.

        Raises:
            UsageError: there is no such item (code ``unknown_item``).
        """
        row = self.rows.get(id_)
        if row is None:
            count, version = len(self.rows), self.artifact.version
            raise UsageError(
                f"item {id_!r} is not among the {count} items of {version}",
                " ".join(filter(None, [self.guess(id_), self.example()])) if guess else None,
                code="unknown_item",
            )
        return row

    def title(self, id_: str) -> str:
        """An item's title; empty if items have none."""
        name = self.artifact.schema.title
        return str(self.catalog.items.columns[name][self.rows[id_]] or "") if name else ""

    def _described(self, id_: str) -> str:
        """An id, its title, and the numbers that tell apart items of one title: ``1604 = Sabrina
        (year 1954)``.
        """
        content = self.catalog.items.row(self.rows[id_])
        numbers = [
            f"{field.flag} {_shown(content[field.name])}"
            for field in self.artifact.schema.filters()
            if field.kind == "number" and np.isfinite(content[field.name] or np.nan)
        ]
        return f"{id_} = {self.title(id_)}" + (f" ({', '.join(numbers)})" if numbers else "")

    def hits(
        self, text: str, where: Sequence[Condition], barred: np.ndarray, *, prefix: bool, limit: int
    ) -> Found:
        """Items with one of the words that meet every condition, the best first.

        Args:
            text: the words.
            where: the conditions.
            barred: int [n], rows of items that must not be found.
            prefix: whether the last word may be the beginning of one; the order is then that of
                ``_begun``, else, and where nothing begins so, as in ``word_search``.
            limit: how many at most.

        Raises:
            UsageError: the text has no word, or a condition does not fit the schema.
        """
        if not plain_words(text):
            raise UsageError(
                f"there is no word to search for in {text[:50]!r}",
                hint="write words of a title, a category, a year or a decade such as 1970s",
            )
        allowed = self.catalog.columns.mask(where) & self.catalog.available
        allowed[barred] = False
        found = Found([])
        if prefix:
            begun = (hit for hit in self._begun(text) if allowed[self.rows[hit.id]])
            found = Found(list(islice(begun, limit)))
        if not found.hits:
            found = self._word_search.find(text, allowed, limit)
        return replace(found, notes=found.notes + self._advice(text, found, prefix=prefix))

    def matches(self, text: str, hits: Sequence[Match], *, prefix: bool) -> list[Hashable]:
        """What the hits of a search match, for ``rank_fusion.fuse``."""
        scores: list[Hashable] = [round(hit.score, 9) for hit in hits[:POOL]]
        if not prefix:
            return scores
        held = (self.words.matched(text, hit.id, prefix=True) for hit in hits)
        return [words or score for words, score in zip(held, scores, strict=False)]

    def _begun(self, text: str) -> list[Match]:
        """Items by words of which the last may be incomplete: those that begin with these words,
        then those with the words in order, then those with all words, each with the most rated
        first; then the others, by falling BM25.
        """
        near, counts = self.words.nearness(text), self.catalog.counts

        def order(hit: Match) -> tuple[int, int]:
            place = near.get(hit.id)
            return (3, 0) if place is None else (place, -int(counts[self.rows[hit.id]]))

        return sorted(self._search(text, prefix=True), key=order)

    def _advice(self, text: str, found: Found, *, prefix: bool) -> tuple[str, ...]:
        """Notes on a search: why it is empty, and which words do not count."""
        many = len(set(search_words(text))) > MAX_WORDS
        todo = f"only the first {MAX_WORDS} words count" if many else ""
        if found.hits:
            return (todo,) if todo else ()
        available = self.catalog.available
        if (prefix and self._search(text, prefix=True, limit=1)) or self._word_search.find(
            text, available, 1
        ).hits:
            return (_NONE_FITS,)
        return (f"no item holds a word of {text[:80]!r}; {todo or 'try other or fewer words'}",)


def _lacks(field: Field, value: str, known_values: Collection[str]) -> str:
    """Says that no item has a category, and what to write instead."""
    low, dots, high = value.partition("..")
    if dots and not field.choices:
        first, last = _number(low, -np.inf), _number(high, np.inf)
        inside = [one for one in sorted(known_values) if first <= _number(one, np.nan) <= last]
        each = " ".join(f"{field.flag}={one}" for one in inside[:_GUESSED] or ["VALUE"])
        return f"{field.flag} is a category and has no ranges: ask for each value, such as {each}"
    said = f"no item has the {field.flag} {field.choices.get(value, value)!r}"
    return "; ".join(filter(None, [said, guess(alike(value, known_values))]))


def _number(text: str, empty: float) -> float:
    """A text's number; NaN, which is in no range, if it is none."""
    try:
        return float(text) if text.strip() else empty
    except ValueError:
        return np.nan


def _shown(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else f"{number:g}"
