"""Fuzzy matching for unknown ids, titles and categories."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

from fusionrec.features.encoder import Encoder
from fusionrec.recommend.item_words import plain_words

MOST_NAMES = 100_000  # more names are not searched: it would take seconds
_MOST_COMPARED = 5_000  # more names are not compared letter by letter, by default
_MOST_LETTERS = 100
_SHOWN = 3


def folded(name: str) -> str:
    """A name without case, accents, signs and leading zeros."""
    words = [word.lstrip("0") or "0" for word in plain_words(name)]
    return " ".join(words) or name.casefold()


def alike(text: str, names: Collection[str], compared: int = _MOST_COMPARED) -> list[str]:
    """The names most like a text, the best first, three at most: those that are equal when folded,
    else those that share most letters.

    Args:
        text: what was asked for.
        names: all names; more than ``MOST_NAMES`` are not searched.
        compared: how many names may be compared by their letters.
    """
    if len(names) > MOST_NAMES or len(text) > _MOST_LETTERS:
        return []
    wanted, by_name = folded(text), {name: folded(name) for name in names}
    same = [name for name, short in by_name.items() if short == wanted]
    if same or len(names) > compared:
        return same[:_SHOWN]
    long = {short: name for name, short in reversed(by_name.items())}
    return [long[short] for short in difflib.get_close_matches(wanted, long, n=_SHOWN)]


def guess(found: Collection[str]) -> str:
    """The question whether one of some names was meant; empty for none."""
    return f"did you mean {' or '.join(map(repr, found))}?" if found else ""


def unseen(encoder: Encoder, profile: Mapping[str, object]) -> tuple[str, ...]:
    """Notes on a profile's categories that are not in the training data; ``profile`` is that of
    ``Encoder.profile``.
    """
    notes = []
    for field in encoder.schema.attributes("user"):
        if field.choices or field.kind not in ("category", "categories"):
            continue
        given, known = profile.get(field.name), encoder.vocabularies[field.name].values
        for value in given if isinstance(given, tuple) else (given,):
            if value and value not in known:
                said = f"nobody in training has the {field.flag} {value!r}: it counts as not known"
                notes.append("; ".join(filter(None, [said, guess(alike(str(value), known))])))
    return tuple(notes)
