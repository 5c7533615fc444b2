"""What the words of a search may stand for: words, their stems, near ones, synonyms, categories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np

from fusionrec.data.schema import Schema
from fusionrec.index import FilterColumns
from fusionrec.recommend.fulltext import FulltextIndex
from fusionrec.recommend.item_words import MAX_WORDS, joined_words, plain_words, word_pieces
from fusionrec.recommend.spelling import nearest
from fusionrec.recommend.stems import stem
from fusionrec.recommend.synonyms import Synonyms

# How much an item counts that holds something else than the word itself.
STEM, NEAR, MEANT = 0.97, 0.95, 0.9
_MOST_VALUES = 1_000  # of a category, that are looked up among the synonyms
_LONGEST = 4  # words of one synonym


@dataclass(frozen=True)
class Term:
    """One thing that is searched.

    Attributes:
        words: as they were typed.
        phrases: what an item may hold for it, words in order -> how much that counts, up to 1.
        rows: rows of items, int64 [m], of the categories that it means.
        corrected: whether the phrases are known words near an unknown one, the nearest first.
    """

    words: tuple[str, ...]
    phrases: dict[tuple[str, ...], float]
    rows: list[np.ndarray] = field(default_factory=list)
    corrected: bool = False

    def taken(self, held: Set[str]) -> str:
        """What a corrected word was taken for in an item with some words."""
        return " ".join(next((p for p in self.phrases if held >= set(p)), next(iter(self.phrases))))


class SearchTerms:
    """Reads the words of searches.

    Args:
        schema: of the items.
        columns: the items' categories.
        words: the word index.
        synonyms: what people call things.
    """

    def __init__(
        self, schema: Schema, columns: FilterColumns, words: FulltextIndex, synonyms: Synonyms
    ) -> None:
        self._columns, self._words, self._synonyms = columns, words, synonyms
        self._fields = [f for f in schema.filters() if f.kind in ("category", "categories")]

    @cached_property
    def _meanings(self) -> dict[tuple[str, ...], list[np.ndarray]]:
        """Stems of a synonym -> the rows of each category that it means."""
        by_name: dict[tuple[str, ...], list[np.ndarray]] = defaultdict(list)
        for one in self._fields:
            if len(values := self._columns.values(one.name)) > _MOST_VALUES:
                continue
            for value in values:
                for name in {self._key(value), self._key(one.choices.get(value, value))} - {()}:
                    by_name[name].append(self._columns.rows(one)[value])
        meanings: dict[tuple[str, ...], list[np.ndarray]] = defaultdict(list)
        for group in self._synonyms.categories.values():
            names = list(dict.fromkeys(map(self._key, group)))
            rows = [some for name in names for some in by_name.get(name, ())]
            for name in names if rows else ():
                meanings[name] += rows
        return meanings

    @cached_property
    def _alternatives(self) -> dict[str, list[str]]:
        """Word -> the others that are written for it."""
        found: dict[str, list[str]] = defaultdict(list)
        for group in self._synonyms.words.values():
            names = [" ".join(plain_words(name)) for name in group]
            for name in names:
                found[name] += [other for other in names if other != name]
        return found

    def _key(self, text: str) -> tuple[str, ...]:
        return tuple(map(self._stem, plain_words(text)))

    def _stem(self, word: str) -> str:
        return stem(word, self._synonyms.language)

    def content(self, text: str) -> list[str]:
        """The words of a text that are no stop words; all of them if there are no others."""
        words = plain_words(text)
        return [word for word in words if word not in self._synonyms.stop_words] or words

    def has_content(self, text: str) -> bool:
        """Whether a text has words that are no stop words."""
        return not self._synonyms.stop_words.issuperset(plain_words(text))

    def read(self, text: str) -> list[Term]:
        """The terms of a text, each once; a text of stop words alone is searched as it is."""
        words = plain_words(text)[:MAX_WORDS]
        stops = self._synonyms.stop_words
        if stops.issuperset(words):
            stops = frozenset()
        found = {term.words: term for term in self._split(words, stops)}
        for word in joined_words(text)[:MAX_WORDS]:
            if self._words.holds(word):
                found.setdefault((word,), Term((word,), {(word,): 1.0}))
        return list(found.values())

    def _split(self, words: Sequence[str], stops: frozenset[str]) -> Iterator[Term]:
        stems, at = list(map(self._stem, words)), 0
        while at < len(words):
            long = next((n for n in range(_LONGEST, 0, -1) if self._means(stems, at, n)), 0)
            if long:
                some = tuple(words[at : at + long])
                phrases = {some: 1.0} | (self._phrases(some[0]) if long == 1 else {})
                yield Term(some, phrases, self._meanings[tuple(stems[at : at + long])])
            elif words[at] not in stops:
                yield from self._word(words[at])
            at += max(long, 1)

    def _means(self, stems: Sequence[str], at: int, n: int) -> bool:
        return at + n <= len(stems) and tuple(stems[at : at + n]) in self._meanings

    def _word(self, word: str) -> Iterator[Term]:
        pieces = word_pieces(word)
        if len(pieces) > 1:  # of a script without spaces
            yield from (Term((piece,), {(piece,): 1.0}) for piece in pieces[:MAX_WORDS])
            yield from (Term(pair, {pair: 1.0}) for pair in pairwise(pieces[:MAX_WORDS]))
            return
        phrases = self._phrases(word)
        if any(map(self._words.holds_phrase, phrases)):
            yield Term((word,), phrases)
            return
        near = nearest(word, self._words.beginning(word[:1], word[1:2]))
        if near:
            yield Term((word,), {(one,): NEAR for one in near}, [], True)
            return
        for cut in range(2, len(word) - 1):
            two = (word[:cut], word[cut:])
            if all(map(self._words.holds, two)) and self._words.holds_phrase(two):
                yield Term((word,), {two: NEAR}, [], True)
                return
        yield Term((word,), phrases)

    def _phrases(self, word: str) -> dict[tuple[str, ...], float]:
        """A word, others with its stem, and those that are written for it."""
        phrases: dict[tuple[str, ...], float] = {(word,): 1.0}
        root = self._stem(word)
        # Endings differ, beginnings seldom; `y` becomes `i`.
        if len(root) > 2 and not word.isdecimal():
            for other in self._words.beginning(root[: max(len(root) - 1, 2)]):
                if self._stem(other) == root:
                    phrases.setdefault((other,), STEM)
        for other in self._alternatives.get(word, ()):
            phrases.setdefault(tuple(other.split()), MEANT)
        return phrases
