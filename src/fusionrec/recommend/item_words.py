"""The words of texts and of items, as they are indexed and searched."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

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
_PIECE = re.compile(f"[{_UNBROKEN}]|[^{_UNBROKEN}]+")


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
    return cut_words(text) + joined_words(text)


def joined_words(text: str) -> list[str]:
    """The words that a text has only without its apostrophes and hyphens within words."""
    if not _JOINED.search(text):
        return []
    plain = cut_words(text)
    return [word for word in cut_words(_JOINED.sub("", text)) if word not in plain]


def distinct_words(text: str) -> list[str]:
    """The words of a search that count, each once."""
    return list(dict.fromkeys(search_words(text)))[:MAX_WORDS]


def cut_words(text: str) -> list[str]:
    """The words of a text in order, those of scripts without spaces as their characters."""
    return [piece for word in plain_words(text) for piece in word_pieces(word)]


def word_pieces(word: str) -> list[str]:
    """A word as it is; in a script without spaces its characters, with their marks."""
    pieces: list[str] = []
    for piece in _PIECE.findall(word):
        if pieces and unicodedata.category(piece[0])[0] == "M":
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return pieces


def word_pairs(text: str) -> list[str]:
    """Neighbouring pieces of a text's words, each pair once."""
    pairs = (pair for word in plain_words(text) for pair in pairwise(word_pieces(word)))
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
        if field.kind == "image":
            continue
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
