"""Finds items by words: by what they stand for, with years as conditions, the best first.

An item's score is the sum over the terms that it holds of ``ln(1 + n/m)``, where m of n items hold
the term: rare words count more. Items with equal scores come in the order of how often they were
rated. Those whose title is what was typed come first.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.fulltext import FulltextIndex, Match
from fusionrec.recommend.item_words import plain_words
from fusionrec.recommend.search_terms import MEANT, SearchTerms, Term
from fusionrec.recommend.search_years import Years, read_years, within, without_years, year_field
from fusionrec.recommend.synonyms import Synonyms

_CALLED = 200  # items with all words, that are looked at for one that is called so
_ALIKE = 0.6  # similarity from which a title is what a misspelt text means
_LONGEST = 2_000  # letters of a search that are read


class Suggestion(NamedTuple):
    """What may have been meant.

    Attributes:
        text: to search for instead; an item's title, where ``id`` is one.
        id: outside item id; None where no single item is meant.
    """

    text: str
    id: str | None = None


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        hits: the best first.
        notes: on how the words were read.
        suggestions: what misspelt words may mean.
    """

    hits: list[Match]
    notes: tuple[str, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()


class WordSearch:
    """Searches one catalog by words.

    Args:
        catalog: the items.
        words: the word index; it may be ahead of the catalog, whose items alone are found.
        synonyms: what people call things.
    """

    def __init__(self, catalog: Catalog, words: FulltextIndex, synonyms: Synonyms) -> None:
        schema, columns = catalog.artifact.schema, catalog.columns
        self._catalog, self._words, self._ids = catalog, words, catalog.items.ids
        self._titles = catalog.items.columns[schema.title] if schema.title else None
        self._terms = SearchTerms(schema, columns, words, synonyms)
        self._years = year_field(schema, columns)

    def prepare(self) -> None:
        """Makes what the first search would wait for."""
        self._terms.read("prepare")

    def find(self, text: str, allowed: np.ndarray, limit: int) -> Found:
        """The best items for a text.

        Args:
            text: what was typed.
            allowed: bool [n], which items may be found.
            limit: how many at most.
        """
        plain = text[:_LONGEST].casefold()
        years, called = self._read_years(plain), self._called(plain, allowed)
        note: tuple[str, ...] = ()
        if years and self._years is not None:
            heading, numbers = self._years
            name = heading[:1].lower() + heading[1:]
            asked = f"{name} {' and '.join(map(str, years))}"
            rest = without_years(plain)
            terms = self._terms.read(rest) if self._terms.has_content(rest) else []
            inside = allowed & within(numbers, years)
            scores = self._scores(terms, inside)
            if (scores > 0).any():
                found = self._ranked(scores, called, limit)
                return self._told(plain, found, terms, (f"only {asked}",))
            note = (f"nothing of {asked} fits: years do not count",)
        terms = self._terms.read(plain)
        found = self._ranked(self._scores(terms, allowed), called, limit)
        return self._told(plain, found, terms, note if found else ())

    def _read_years(self, plain: str) -> list[Years]:
        """The years that are meant as such: not those in the title of an item with all words."""
        if self._years is None or not re.search(r"[0-9]|ties", plain):
            return []
        known = self._years[1][~np.isnan(self._years[1])]
        years = read_years(plain, int(known.max()))
        others = set(self._terms.content(without_years(plain))) if years else set()
        return [one for one in years if not self._titled(others | set(plain_words(one.text)))]

    def _titled(self, words: set[str]) -> bool:
        """Whether a title holds all words, but for stop words."""
        wanted = set(self._terms.content(" ".join(words)))
        rows = self._words.rows_with_all(sorted(wanted), _CALLED)
        return any(wanted <= set(plain_words(self._title(row))) for row in rows)

    def _called(self, plain: str, allowed: np.ndarray) -> list[int]:
        """Rows of the items with the typed title, those with the same stop words first; then, where
        a number was typed, of those with all words in their title.
        """
        wanted = self._terms.content(plain)
        rows = self._words.rows_with_all(wanted, _CALLED) if self._titles is not None else ()
        same: list[tuple[int, int, int]] = []  # how well, minus how often rated, row
        numbered = any(word[:1].isdecimal() for word in wanted)
        for row in rows:
            if row >= len(allowed) or not allowed[row]:
                continue
            title, typed = self._title(row).casefold(), set(plain_words(plain))
            names = (title, *re.split(r"[()]", title))
            if any(set(plain_words(name)) == typed for name in names):
                place = 0
            elif any(set(self._terms.content(name)) == set(wanted) for name in names):
                place = 1
            elif numbered and set(wanted) <= set(plain_words(title)):
                place = 2
            else:
                continue
            same.append((place, -int(self._catalog.counts[row]), row))
        return [row for *_, row in sorted(same)]

    def _title(self, row: int) -> str:
        if self._titles is None or row >= len(self._titles):
            return ""
        return str(self._titles[row] or "")

    def _scores(self, terms: Sequence[Term], allowed: np.ndarray) -> np.ndarray:
        """Each item's score, float64 [n]; 0 for those that are not found."""
        n = len(allowed)
        scores = np.zeros(n)
        for term in terms:
            held = np.zeros(n)
            for phrase, worth in term.phrases.items():
                rows = self._words.rows_with(phrase)
                rows = rows[rows < n]
                held[rows] = np.maximum(held[rows], worth)
            for rows in term.rows:
                held[rows] = np.maximum(held[rows], MEANT)
            if count := np.count_nonzero(held):
                scores += held * np.log1p(n / count)
        return scores * allowed if terms else allowed.astype(np.float64)

    def _ranked(self, scores: np.ndarray, called: Sequence[int], limit: int) -> list[Match]:
        rows, counts = np.flatnonzero(scores > 0), self._catalog.counts
        rows = rows[np.lexsort((rows, -counts[rows], -np.round(scores[rows], 9)))]
        first = {row: place for place, row in enumerate(called)}
        best = float(scores.max(initial=0.0)) + 1
        exact = [Match(self._ids[row], best, True) for row in first]
        others = (row for row in rows[: limit + len(first)].tolist() if row not in first)
        found = [*exact, *(Match(self._ids[row], float(scores[row])) for row in others)]
        return found[:limit]

    def _told(
        self, plain: str, found: list[Match], terms: Sequence[Term], notes: tuple[str, ...]
    ) -> Found:
        """What was found, with what misspelt words were taken for."""
        if not found or not any(term.corrected for term in terms):
            return Found(found, notes)
        first = self._title(self._catalog.positions[found[0].id])
        held = set(plain_words(first))
        taken = {term.words[0]: term.taken(held) for term in terms if term.corrected}
        better = " ".join(taken.get(word, word) for word in plain_words(plain))
        one, other = (" ".join(self._terms.content(text)) for text in (first, better))
        is_title = bool(one) and difflib.SequenceMatcher(None, one, other).ratio() >= _ALIKE
        meant = Suggestion(first, found[0].id) if is_title else Suggestion(better)
        wrong, right = (", ".join(map(repr, some)) for some in (taken, taken.values()))
        return Found(found, (*notes, f"no item holds {wrong}: these hold {right}"), (meant,))
