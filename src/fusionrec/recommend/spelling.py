"""Which known words may be meant by a misspelt one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

_SHORT, _LONG = 3, 6  # letters from which one edit, and two, are forgiven
_LONGEST = 40  # longer words are not compared


def edits(one: str, other: str, most: int) -> int:
    """How many letters must be put in, left out, replaced, or swapped with their neighbour to make
    one word of another (optimal string alignment); ``most + 1`` where these are more.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before, above = [0] * (len(other) + 1), list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        row = [i]
        for j, right in enumerate(other, start=1):
            cost = min(above[j] + 1, row[-1] + 1, above[j - 1] + (letter != right))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == right:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
        before, above = above, row
    return min(above[-1], most + 1)


def forgiven(word: str) -> int:
    """How many edits a word may be away from the one that is meant."""
    if not _SHORT <= len(word) <= _LONGEST:
        return 0
    return 2 if len(word) >= _LONG else 1


def nearest(word: str, counts: Mapping[str, int], n: int = 5) -> list[str]:
    """The words with the fewest edits, the nearest first, of equally near ones the most frequent;
    those with more edits than the nearest are left out.

    Args:
        word: as it was typed.
        counts: the known words -> how many items hold each.
        n: how many at most.
    """
    most, letters = forgiven(word), Counter(word)
    if not most or word[0].isdecimal():
        return []
    near: list[tuple[int, bool, int, str]] = []
    for other, count in counts.items():
        if abs(len(word) - len(other)) > most or other.isdecimal():
            continue
        # An edit changes the letters by two at most: most words need no closer look.
        if (letters - Counter(other)).total() > most:
            continue
        away = edits(word, other, most)
        if away <= most:
            near.append((away, other[0] != word[0], -count, other))
            most = min(most, away)
    near.sort()
    return [other for away, _, _, other in near if away == most][:n]
