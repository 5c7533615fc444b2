"""Stems of words, by Snowball's rules for a language: ``alien`` of ``aliens``."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

_LOCK = threading.Lock()


@lru_cache(maxsize=50_000)
def stem(word: str, language: str) -> str:
    """A word's stem; the word itself where the language has no rules."""
    stemmer = _stemmer(language)
    if stemmer is None or word.isdecimal():
        return word
    with _LOCK:  # a stemmer keeps the word that it works on
        return str(stemmer.stemWord(word))


def languages() -> Sequence[str]:
    """The languages with rules."""
    import snowballstemmer

    return sorted(snowballstemmer.algorithms())


@cache
def _stemmer(language: str) -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer(language) if language in languages() else None
