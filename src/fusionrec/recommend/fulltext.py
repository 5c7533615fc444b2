"""Full-text search of items by title, categories and years, the same with every store.

The index is SQLite's FTS5 in memory, made from the item table once and then updated item by item.
It ranks by BM25 with SQLite's constants (k1 = 1.2, b = .75; Robertson and Zaragoza, 2009), where
words in more than half of the items count next to nothing. Scripts without spaces between words are
indexed by character; items with a search's characters next to each other come first.
"""

from __future__ import annotations

import difflib
import re
import sqlite3
import threading
import unicodedata
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.schema import Schema
from fusionrec.features.vocabulary import tokenize

MAX_WORDS = 32  # words of one search that count

_ACCENT = 200  # marks of these combining classes and above are accents, not parts of a letter
_JOINED = re.compile(r"(?<=\w)['’ʼ‐‑-](?=\w)")
_FIRST_YEAR, _LAST_YEAR = 1000, 2999
# Letters of scripts without spaces between words: Thai, Lao, Myanmar, Khmer, Han, the Kanas.
_UNBROKEN = (
    "\u0e01-\u0e4f\u0e81-\u0ecf\u0edc-\u0edf"
    "\u1000-\u103f\u1050-\u108f\u109a-\u109f\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa7f\u1780-\u17dd"
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U000323af\u3041-\u30ff\u31f0-\u31ff\U0001aff0-\U0001b16f"
)
_INSERT = "INSERT INTO items(rowid, words) VALUES (?, ?)"
_PIECE = re.compile(f"[{_UNBROKEN}]|[^{_UNBROKEN}]+")


class Match(NamedTuple):
    """An item with some of the words.

    Attributes:
        id: outside item id.
        score: BM25, above 0; higher is better. For each pair of neighbouring characters of a script
            without spaces, as in the search, the best BM25 is added.
    """

    id: str
    score: float


def plain_words(text: str) -> list[str]:
    """The words of a text in order, as in ``tokenize``, without accents."""
    words = []
    for word in tokenize(text):
        plain = word
        if not word.isascii():
            apart = unicodedata.normalize("NFD", word)
            kept = "".join(c for c in apart if unicodedata.combining(c) < _ACCENT)
            plain = unicodedata.normalize("NFC", kept)
        words.append(plain)
    return [word for word in words if word]  # an accent may stand alone


def search_words(text: str) -> list[str]:
    """The words of a text as they are indexed and searched; some occur twice.

    A word of a script without spaces is cut into its characters, so that a part of it finds it.
    Words joined by an apostrophe or hyphen follow as one word after all others, so that
    ``spiderman`` and ``Spider-Man`` find each other.
    """
    plain = _cut_words(text)
    if not _JOINED.search(text):
        return plain
    return plain + [word for word in _cut_words(_JOINED.sub("", text)) if word not in plain]


def distinct_words(text: str) -> list[str]:
    """The words of a search that count, each once."""
    return list(dict.fromkeys(search_words(text)))[:MAX_WORDS]


def _cut_words(text: str) -> list[str]:
    return [piece for word in plain_words(text) for piece in _pieces(word)]


def _pieces(word: str) -> list[str]:
    """A word as it is; in a script without spaces its characters, with their marks."""
    pieces: list[str] = []
    for piece in _PIECE.findall(word):
        if pieces and unicodedata.category(piece[0])[0] == "M":
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return pieces


def _pairs(text: str) -> list[str]:
    """Neighbouring pieces of a text's words, each pair once."""
    pairs = (pair for word in plain_words(text) for pair in pairwise(_pieces(word)))
    return list(dict.fromkeys(" ".join(pair) for pair in pairs))[:MAX_WORDS]


def item_words(schema: Schema, content: Mapping[str, Any]) -> list[str]:
    """The words of an item: of its title first, its texts, its categories and their labels, and its
    years, 1977 as ``1977``, ``1970s`` and ``70s``.

    Args:
        schema: of the items.
        content: attribute -> value, as a row of the item table.
    """
    words: list[str] = []
    for field in sorted(schema.attributes("item"), key=lambda one: one.name != schema.title):
        value = content[field.name]
        if field.kind == "number":
            year = field.filterable and value is not None and _FIRST_YEAR <= value <= _LAST_YEAR
            if year and float(value).is_integer():
                decade = int(value) // 10 * 10
                words += [str(int(value)), f"{decade}s", f"{decade % 100:02}s"]
            continue
        for one in value or () if field.kind == "categories" else (value or "",):
            for text in dict.fromkeys((one, field.choices.get(one, ""))):
                words += search_words(text)
    return words


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
        pairs = _pairs(text)
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
        terms = [_quoted(" ".join(_pieces(word)[:MAX_WORDS])) for word in words]
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
        words = [_quoted(word) for word in _cut_words(text)[:MAX_WORDS]]
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
        pairs = frozenset(pair for pair in _pairs(text) if f" {pair} " in whole)
        return pairs | frozenset(
            word
            for word in distinct_words(text)
            if word in known_words
            or (word == last and any(one.startswith(word) for one in known_words))
        )

    def suggest(self, text: str) -> str:
        """The text with misspelt words corrected; empty if nothing is corrected."""
        words = plain_words(text)[:MAX_WORDS]
        better = ["".join(map(self._right, _pieces(word)[:MAX_WORDS])) for word in words]
        return " ".join(better) if better != words else ""

    def _right(self, word: str) -> str:
        """A known word as it is; an unknown one as the known word most like it, if there is one."""
        if self._all("SELECT 1 FROM known WHERE term = ?", word):
            return word
        # Only terms with the same first letter, which few people mistype: there may be a million.
        query = "SELECT term, doc FROM known WHERE term >= ? AND term < ?"
        counts = dict(self._all(query, word[0], chr(ord(word[0]) + 1)))
        near = difflib.get_close_matches(word, counts, n=5, cutoff=0.75)
        alike = {one: difflib.SequenceMatcher(None, word, one).ratio() for one in near}
        return max(near, key=lambda one: (alike[one], counts[one]), default=word)

    def _all(self, query: str, *values: str | int) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(query, values).fetchall()


def _last_word(text: str) -> str | None:
    """The word that may be incomplete."""
    return next(reversed(_cut_words(text)), None)


def _quoted(word: str) -> str:
    """A word in FTS5's language: the only place where words enter a MATCH expression."""
    return '"' + word.replace('"', '""') + '"'
