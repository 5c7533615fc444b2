"""Full-text search of items by title, categories and years, the same with every store.

The index is SQLite's FTS5 in memory, made from the item table once and then updated item by item.
It ranks by BM25 with SQLite's constants (k1 = 1.2, b = .75; Robertson and Zaragoza, 2009), where
words in more than half of the items count next to nothing. Scripts without spaces between words are
indexed by character; items with a search's characters next to each other come first.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.schema import Schema
from fusionrec.recommend.item_words import (
    MAX_WORDS,
    cut_words,
    distinct_words,
    item_words,
    plain_words,
    word_pairs,
    word_pieces,
)
from fusionrec.recommend.spelling import nearest

_INSERT = "INSERT INTO items(rowid, words) VALUES (?, ?)"


class Match(NamedTuple):
    """An item with some of the words.

    Attributes:
        id: outside item id.
        score: BM25, above 0; higher is better. For each pair of neighbouring characters of a script
            without spaces, as in the search, the best BM25 is added.
        called: whether the words are its title.
    """

    id: str
    score: float
    called: bool = False


class FulltextIndex:
    """Finds items by words, best first. Safe for several threads.

    Equally good items come in the order of the table, with later ones behind it.

    Args:
        schema: of the items.
        items: the n items to begin with.
        available: bool [n], which of them may be found; all by default.

    Attributes:
        changes: how often it was changed since it was made.
    """

    def __init__(self, schema: Schema, items: Table, available: np.ndarray | None = None) -> None:
        self._schema = schema
        self._lock = threading.RLock()
        self.changes = 0
        self._ids = list(items.ids)
        self._rows = items.positions()
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        # ``search_words`` has cut the words; to this tokenizer, which splits them at the spaces,
        # every character outside ASCII is part of a word.
        self._db.execute("CREATE VIRTUAL TABLE items USING fts5(words, tokenize='ascii')")
        self._db.execute("CREATE VIRTUAL TABLE known USING fts5vocab(items, 'row')")
        here = range(len(items)) if available is None else np.flatnonzero(available).tolist()
        texts = ((row, self._text(items.row(row))) for row in here)
        with self._db:
            self._db.executemany(_INSERT, texts)

    def __len__(self) -> int:
        [(count,)] = self._all("SELECT count(*) FROM items")
        return int(count)

    def change(self, contents: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Adds or changes items, with contents as in ``item_words``, and removes those without a
        content. Any search sees all changes or none.
        """
        texts = {id_: None if one is None else self._text(one) for id_, one in contents.items()}
        with self._lock, self._db:
            self.changes += 1
            for id_, text in texts.items():
                row = self._rows.setdefault(id_, len(self._ids))
                if row == len(self._ids):
                    self._ids.append(id_)
                self._db.execute("DELETE FROM items WHERE rowid = ?", (row,))
                if text is not None:
                    self._db.execute(_INSERT, (row, text))

    def _text(self, content: Mapping[str, Any]) -> str:
        return " ".join(item_words(self._schema, content))

    def search(self, text: str, *, prefix: bool = False, limit: int | None = None) -> list[Match]:
        """All items with one or more of the words, the best first.

        Args:
            text: the words, of which ``MAX_WORDS`` distinct ones count.
            prefix: whether the last word may be the beginning of one.
            limit: how many at most; all by default.
        """
        last = _last_word(text) if prefix else None
        terms = [_quoted(one) + (" *" if one == last else "") for one in distinct_words(text)]
        if not terms:
            return []
        query = "SELECT rowid, -rank FROM items WHERE items MATCH ? ORDER BY rank, rowid LIMIT ?"
        pairs = word_pairs(text)
        with self._lock:
            most = len(self) if limit is None or pairs else min(limit, len(self))
            found = self._all(query, " OR ".join(terms), most)
            if found and pairs:  # items with more of the pairs come first
                query, best = "SELECT rowid FROM items WHERE items MATCH ?", found[0][1]
                counts = Counter(
                    row for pair in pairs for (row,) in self._all(query, _quoted(pair))
                )
                raised = [(row, score + best * counts[row]) for row, score in found]
                found = sorted(raised, key=lambda one: -one[1])
            return [Match(self._ids[row], score) for row, score in found[:limit]]

    def holding_all(self, text: str) -> list[str]:
        """Ids of the items with every word, in the order of the table; none for no word."""
        words = list(dict.fromkeys(plain_words(text)))[:MAX_WORDS]
        terms = [_quoted(" ".join(word_pieces(word)[:MAX_WORDS])) for word in words]
        if not terms:
            return []
        query = "SELECT rowid FROM items WHERE items MATCH ? ORDER BY rowid"
        with self._lock:
            return [self._ids[row] for (row,) in self._all(query, " AND ".join(terms))]

    def nearness(self, text: str) -> dict[str, int]:
        """How well items match words of which the last may be incomplete.

        Returns:
            Item id -> 0 if its words begin with these, 1 if it has them in order, 2 if it has all
            of them. Other items are left out.
        """
        words = [_quoted(word) for word in cut_words(text)[:MAX_WORDS]]
        if not words:
            return {}
        phrase = " + ".join(words) + " *"
        near: dict[str, int] = {}
        with self._lock:
            for rank, asked in enumerate((f"^ {phrase}", phrase, " AND ".join(words) + " *")):
                for (row,) in self._all("SELECT rowid FROM items WHERE items MATCH ?", asked):
                    near.setdefault(self._ids[row], rank)
        return near

    def matched(self, text: str, id_: str, *, prefix: bool = False) -> frozenset[str]:
        """The words and pairs of pieces that an item has; none if there is no such item."""
        found = self._all("SELECT words FROM items WHERE rowid = ?", self._rows.get(id_, -1))
        whole = f" {found[0][0]} " if found else ""
        known_words = set(whole.split())
        last = _last_word(text) if prefix else None
        pairs = frozenset(pair for pair in word_pairs(text) if f" {pair} " in whole)
        return pairs | frozenset(
            word
            for word in distinct_words(text)
            if word in known_words
            or (word == last and any(one.startswith(word) for one in known_words))
        )

    def suggest(self, text: str) -> str:
        """The text with misspelt words corrected; empty if nothing is corrected."""
        words = plain_words(text)[:MAX_WORDS]
        better = ["".join(map(self._right, word_pieces(word)[:MAX_WORDS])) for word in words]
        return " ".join(better) if better != words else ""

    def _right(self, word: str) -> str:
        """A known word as it is; an unknown one as the known word most like it, if there is one."""
        if self.holds(word):
            return word
        return next(iter(nearest(word, self.beginning(word[:1], word[1:2]), 1)), word)

    def holds(self, word: str) -> bool:
        """Whether any item has a word."""
        return bool(self._all("SELECT 1 FROM known WHERE term = ?", word))

    def holds_phrase(self, words: Sequence[str]) -> bool:
        """Whether any item has some words next to each other."""
        if len(words) == 1:
            return self.holds(words[0])
        query = "SELECT 1 FROM items WHERE items MATCH ? LIMIT 1"
        return bool(self._all(query, _phrase(words)))

    def beginning(self, *starts: str) -> dict[str, int]:
        """The words that begin with one of some texts -> how many items have each."""
        query = "SELECT term, doc FROM known WHERE term >= ? AND term < ?"
        found: dict[str, int] = {}
        for start in filter(None, starts):
            found.update(self._all(query, start, start + "\U0010ffff"))
        return found

    def rows_with(self, words: Sequence[str]) -> np.ndarray:
        """Rows, int64 [m], of the items with some words next to each other."""
        found = self._all("SELECT rowid FROM items WHERE items MATCH ?", _phrase(words))
        return np.fromiter((row for (row,) in found), dtype=np.int64, count=len(found))

    def rows_with_all(self, words: Sequence[str], limit: int) -> list[int]:
        """Rows of items with all words; with a single one, only where they begin with it."""
        terms = [_phrase(word_pieces(word)) for word in words[:MAX_WORDS]]
        if not terms:
            return []
        query = "SELECT rowid FROM items WHERE items MATCH ? ORDER BY rowid LIMIT ?"
        asked = f"^ {terms[0]}" if len(terms) == 1 else " AND ".join(terms)
        return [row for (row,) in self._all(query, asked, limit)]

    def _all(self, query: str, *values: str | int) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(query, values).fetchall()


def _last_word(text: str) -> str | None:
    """The word that may be incomplete."""
    return next(reversed(cut_words(text)), None)


def _phrase(words: Sequence[str]) -> str:
    """Words next to each other."""
    return " + ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """A word in FTS5's language: the only place where words enter a MATCH expression."""
    return '"' + word.replace('"', '""') + '"'
