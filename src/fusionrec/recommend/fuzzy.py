"""What someone may have meant by a name that nothing has."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

from fusionrec.features.encoder import Encoder
from fusionrec.recommend.fulltext import plain_words

MOST_NAMES = 100_000  # among more nothing is looked for: it would take seconds
_MOST_COMPARED = 5_000  # names that are compared letter by letter, unless more are allowed
_MOST_LETTERS = 100
_SHOWN = 3


def folded(name: str) -> str:
    """A name without case, accents, signs and leading zeros; two that are the same so are hardly
    meant to be different.
    """
    words = [word.lstrip("0") or "0" for word in plain_words(name)]
    return " ".join(words) or name.casefold()


def alike(text: str, names: Collection[str], compared: int = _MOST_COMPARED) -> list[str]:
    """The names that are much like a text, the most alike first, three at most: those that are the
    same when folded, else those that share most of its letters.

    Args:
        text: what was asked for.
        names: what there is; among more than ``MOST_NAMES`` nothing is looked for.
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
    """The question whether one of some names was meant; empty where there is none."""
    return f"did you mean {' or '.join(map(repr, found))}?" if found else ""


def unseen(encoder: Encoder, profile: Mapping[str, object]) -> tuple[str, ...]:
    """Notes on the categories of a profile that training never saw.

    Args:
        encoder: of the version.
        profile: user attribute -> value, as of ``Encoder.profile``.
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
