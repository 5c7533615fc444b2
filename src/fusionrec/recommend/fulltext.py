"""Items by words: one BM25 index over what items are called and belong to, the same on every place.

The index is SQLite's FTS5 in memory, made from the item table once, and changed item by item. Its
ranking is BM25 with SQLite's constants (k1 = 1.2, b = .75; Robertson and Zaragoza, 2009), where
words that stand in more than half of the items count next to nothing. Scripts without blanks
between words are indexed by their characters; items that hold those of a search next to each other
stand first.
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
from fusionrec.data.schema import Field, Schema
from fusionrec.features.vocabulary import tokenize

MAX_WORDS = 32  # words of one search; a whole page pasted in asks for no more

_ACCENT = 200  # combining classes from here on stand above or below a letter and leave it itself
_JOINED = re.compile(r"(?<=\w)['’ʼ‐‑-](?=\w)")
_FIRST_YEAR, _LAST_YEAR = 1000, 2999
# Letters of scripts without blanks between words: Thai, Lao, Myanmar, Khmer, Han, the Kanas.
_UNBROKEN = (
    "\u0e01-\u0e4f\u0e81-\u0ecf\u0edc-\u0edf"
    "\u1000-\u103f\u1050-\u108f\u109a-\u109f\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa7f\u1780-\u17dd"
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U000323af\u3041-\u30ff\u31f0-\u31ff\U0001aff0-\U0001b16f"
)
_INSERT = "INSERT INTO items(rowid, words) VALUES (?, ?)"
_PIECE = re.compile(f"[{_UNBROKEN}]|[^{_UNBROKEN}]+")


class Match(NamedTuple):
    """An item that holds some of the words.

    Attributes:
        id: outside item id.
        score: BM25, above 0; higher is better. For each two characters of an unbroken script that
            stand next to each other as in the search, the best BM25 is added to it.
    """

    id: str
    score: float


def plain_words(text: str) -> list[str]:
    """The words of a text in order, as of ``tokenize``, without accents."""
    words = (_without_accents(word) for word in tokenize(text))
    return [word for word in words if word]  # an accent may stand alone


def search_words(text: str) -> list[str]:
    """The words of a text as they are indexed and looked for; some stand twice.

    A word of a script without blanks is cut into its characters: a part of it finds it. After all
    plain words come those that an apostrophe or a hyphen holds together, so that ``spiderman`` and
    ``Spider-Man`` find each other.
    """
    plain = _cut_words(text)
    if not _JOINED.search(text):
        return plain
    return plain + [word for word in _cut_words(_JOINED.sub("", text)) if word not in plain]


def _cut_words(text: str) -> list[str]:
    return [piece for word in plain_words(text) for piece in _pieces(word)]


def _pieces(word: str) -> list[str]:
    """A word as it is; of an unbroken script its characters, with the marks that stand on them."""
    pieces: list[str] = []
    for piece in _PIECE.findall(word):
        if pieces and unicodedata.category(piece[0])[0] == "M":
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return pieces


def _pairs(text: str) -> list[str]:
    """The pieces of a text's words that stand next to each other, two and two, each pair once."""
    pairs = (pair for word in plain_words(text) for pair in pairwise(_pieces(word)))
    return list(dict.fromkeys(" ".join(pair) for pair in pairs))[:MAX_WORDS]


def _without_accents(word: str) -> str:
    if word.isascii():
        return word
    apart = unicodedata.normalize("NFD", word)
    kept = "".join(c for c in apart if unicodedata.combining(c) < _ACCENT)
    return unicodedata.normalize("NFC", kept)


def item_words(schema: Schema, content: Mapping[str, Any]) -> list[str]:
    """The words of one item, its title's first: its texts, its categories with their labels, its
    years.

    Args:
        schema: which fields there are.
        content: attribute -> value, as a row of the item table.
    """
    words: list[str] = []
    for field in sorted(schema.attributes("item"), key=lambda one: one.name != schema.title):
        words += _field_words(field, content[field.name])
    return words


def _field_words(field: Field, value: Any) -> list[str]:
    if field.kind == "number":
        return _year_words(value) if field.filterable else []
    values = value or () if field.kind == "categories" else (value or "",)
    texts = [text for one in values for text in dict.fromkeys((one, field.choices.get(one, "")))]
    return [word for text in texts for word in search_words(text)]


def _year_words(value: Any) -> list[str]:
    """1977 as people write it: 1977, 1970s, 70s. A number that can be no year has no words."""
    if value is None or not _FIRST_YEAR <= value <= _LAST_YEAR or not float(value).is_integer():
        return []
    decade = int(value) // 10 * 10
    return [str(int(value)), f"{decade}s", f"{decade % 100:02}s"]


class FulltextIndex:
    """Finds items by words, best first. Several threads may use one.

    Items keep their places, the order of equally good ones: that of the table, behind which those
    that come later stand.

    Args:
        schema: of the items.
        items: the n items to begin with.
        available: bool [n], which of them may be found; all by default. The others keep a place.

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
        # ``search_words`` cuts the words; this tokenizer only splits them at spaces again, since
        # every character outside ASCII is part of a word to it.
        self._db.execute("CREATE VIRTUAL TABLE items USING fts5(words, tokenize='ascii')")
        self._db.execute("CREATE VIRTUAL TABLE known USING fts5vocab(items, 'row')")
        here = range(len(items)) if available is None else np.flatnonzero(available).tolist()
        texts = ((row, self._text(items.row(row))) for row in here)
        with self._db:
            self._db.executemany(_INSERT, texts)

    def __len__(self) -> int:
        [(count,)] = self._all("SELECT count(*) FROM items")
        return int(count)

    def add(self, id_: str, content: Mapping[str, Any]) -> None:
        """Takes an item in, or its new content; ``content`` as of ``item_words``."""
        self.change({id_: content})

    def remove(self, id_: str) -> None:
        """Forgets an item, but for its place; one that is not there is forgotten already."""
        self.change({id_: None})

    def change(self, contents: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Takes in several items as of ``add``, or as of ``remove`` those without a content. Any
        search finds all of it or nothing.
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
        """Every item that holds one of the words or more, the best first.

        Args:
            text: as someone wrote it; ``MAX_WORDS`` distinct words of it count.
            prefix: whether the last word may be the beginning of one.
            limit: how many at most; all by default.

        Returns:
            Items by falling score; of equal ones the one whose place is before the other's.
        """
        terms = _terms(text, prefix)
        if not terms:
            return []
        query = "SELECT rowid, -rank FROM items WHERE items MATCH ? ORDER BY rank, rowid LIMIT ?"
        pairs = _pairs(text)
        with self._lock:
            most = len(self) if limit is None or pairs else min(limit, len(self))
            found = self._all(query, " OR ".join(terms), most)
            ranked = self._together_first(found, pairs)[:limit]
            return [Match(self._ids[row], score) for row, score in ranked]

    def _together_first(
        self, found: list[tuple[int, float]], pairs: list[str]
    ) -> list[tuple[int, float]]:
        """Rows and scores: those that hold more of the pairs before those that hold fewer."""
        if not (found and pairs):
            return found
        query = "SELECT rowid FROM items WHERE items MATCH ?"
        counts = Counter(row for pair in pairs for (row,) in self._all(query, _quoted(pair)))
        best = found[0][1]
        raised = [(row, score + best * counts[row]) for row, score in found]
        return sorted(raised, key=lambda one: -one[1])

    def holding_all(self, text: str) -> list[str]:
        """Ids of the items that hold every word, in no order of merit; none without a word."""
        words = list(dict.fromkeys(plain_words(text)))[:MAX_WORDS]
        terms = [_quoted(" ".join(_pieces(word)[:MAX_WORDS])) for word in words]
        if not terms:
            return []
        query = "SELECT rowid FROM items WHERE items MATCH ? ORDER BY rowid"
        with self._lock:
            return [self._ids[row] for (row,) in self._all(query, " AND ".join(terms))]

    def nearness(self, text: str) -> dict[str, int]:
        """How near items come to what someone is still writing, the last word of it perhaps half.

        Returns:
            Item id -> 0 where its words begin with these, 1 where it holds them one after the
            other, 2 where it holds all of them. Other items are not there.
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
        """Which words and pairs of pieces an item holds; none where there is no such item."""
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
        """The words with those that no item holds put right where one is much like them, or an
        empty text.
        """
        words = plain_words(text)[:MAX_WORDS]
        better = ["".join(map(self._right, _pieces(word)[:MAX_WORDS])) for word in words]
        return " ".join(better) if better != words else ""

    def _right(self, word: str) -> str:
        if self._all("SELECT 1 FROM known WHERE term = ?", word):
            return word
        # Of a million terms only those with its first letter: few people mistype that one.
        query = "SELECT term, doc FROM known WHERE term >= ? AND term < ?"
        counts = dict(self._all(query, word[0], chr(ord(word[0]) + 1)))
        near = difflib.get_close_matches(word, counts, n=5, cutoff=0.75)
        alike = {one: difflib.SequenceMatcher(None, word, one).ratio() for one in near}
        return max(near, key=lambda one: (alike[one], counts[one]), default=word)

    def _all(self, query: str, *values: str | int) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(query, values).fetchall()


def distinct_words(text: str) -> list[str]:
    """The words of a search that count, each once."""
    return list(dict.fromkeys(search_words(text)))[:MAX_WORDS]


def _last_word(text: str) -> str | None:
    """The word that someone is still writing: the last one."""
    return next(reversed(_cut_words(text)), None)


def _terms(text: str, prefix: bool) -> list[str]:
    last = _last_word(text) if prefix else None
    return [_quoted(word) + (" *" if word == last else "") for word in distinct_words(text)]


def _quoted(word: str) -> str:
    """A word as FTS5's language takes it: the one place where words enter a MATCH expression."""
    return '"' + word.replace('"', '""') + '"'
