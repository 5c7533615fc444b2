"""Vocabularies: a field's values, words or numbers in the training rows."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from fusionrec.data.schema import Field

UNKNOWN = 0  # the row of all values that training did not see
BUCKETS = 16  # of a number, at most
LEAST_IN_BUCKET = 4  # training values, on average
MOST_CATEGORIES = 1_000  # of a field with several per user or item: each is a column
MIN_COUNT = 2  # texts that a word must be in to have a row
MAX_LENGTH = 12  # words kept of each text
MOST_WORDS = 50_000
_SQUARED = 1e150  # the square of what is larger may be no float


def tokenize(text: str) -> list[str]:
    """The words of a text in order: runs of letters, marks and digits, case folded."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    if folded.isascii():
        return re.findall(r"[a-z0-9]+", folded)
    # Not \w: it leaves out the marks that many scripts write vowels with.
    parts = [c if unicodedata.category(c)[0] in "LMN" else " " for c in folded]
    return "".join(parts).split()


@dataclass(frozen=True)
class Vocabulary:
    """The vocabulary of one field, from training.

    Attributes:
        values: known values; the one at index p has row p + 1. Row 0 is for all others.
        length: ``text``: words kept of each text; shorter ones are padded.
        mean, std: ``number``: of the known values.
        edges: ``number`` with buckets: the lowest value of each, ascending; a value below the first
            counts in it. The bucket at index p has row p + 1.
    """

    values: tuple[str, ...] = ()
    length: int = 0
    mean: float = 0.0
    std: float = 1.0
    edges: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """How many rows an embedding of this field needs, the unknown one included."""
        return len(self.values) + len(self.edges) + 1

    def rows(self) -> dict[str, int]:
        """Value -> row, from 1."""
        return {value: row for row, value in enumerate(self.values, start=1)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """A vocabulary from JSON (old ones have no edges); else KeyError, TypeError, ValueError."""
        edges = tuple(float(edge) for edge in value.get("edges", ()))
        # Written so that NaN is refused too.
        if not all(low < high for low, high in pairwise((-math.inf, *edges, math.inf))):
            raise ValueError(f"edges of buckets must rise, got {edges}")
        return cls(tuple(value["values"]), int(value["length"]), value["mean"], value["std"], edges)


def learn(field: Field, column: Sequence[Any]) -> Vocabulary:
    """Learns a field's vocabulary from a value for each user or item of the training rows."""
    if field.kind == "number":
        values = numbers(column)
        known = values[np.isfinite(values)]
        if field.buckets or not len(known):
            edges: np.ndarray = np.unique(known)
            wanted = min(BUCKETS, max(2, len(known) // LEAST_IN_BUCKET))
            if len(edges) > wanted:  # buckets that hold about equally many
                edges = np.unique(np.sort(known)[np.arange(wanted) * len(known) // wanted])
            return Vocabulary(edges=tuple(edges.tolist()))
        largest = float(np.abs(known).max())
        unit = largest if largest > _SQUARED else 1.0  # sums and squares stay finite
        mean, std = unit * float(np.mean(known / unit)), unit * float(np.std(known / unit))
        return Vocabulary(mean=mean, std=std or 1.0)
    if field.kind == "text":
        texts = [tokenize(text or "") for text in column]
        counts = Counter(word for words in texts for word in set(words))
        # Long enough for all but the longest hundredth of the texts, at most MAX_LENGTH.
        length = int(np.quantile([len(words) for words in texts], 0.99)) if texts else 1
        often = {word: count for word, count in counts.items() if count >= MIN_COUNT}
        kept = _most_frequent(often, MOST_WORDS)
        return Vocabulary(kept, length=max(1, min(length, MAX_LENGTH)))
    if field.kind == "categories":
        counts = Counter(v for categories in column for v in set(categories or ()))
        return Vocabulary(_most_frequent(counts, MOST_CATEGORIES))
    return Vocabulary(tuple(sorted({v for v in column if v})))  # an empty one is unknown


def _most_frequent(counts: Mapping[str, int], most: int) -> tuple[str, ...]:
    """The values that are counted most often, of equals the first in order; sorted."""
    ranked = sorted(counts, key=lambda value: (-counts[value], value))
    return tuple(sorted(ranked[:most]))


def numbers(values: Sequence[Any]) -> np.ndarray:
    """Numbers, float64 [n]; NaN where not known."""
    return np.array([math.nan if v is None else float(v) for v in values], dtype=np.float64)


def one_hot_buckets(number: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Each number's bucket as 0 and 1: float32 [n, size]."""
    row = np.clip(np.searchsorted(vocabulary.edges, number, side="right"), 1, vocabulary.size - 1)
    row[~np.isfinite(number)] = UNKNOWN
    return np.eye(vocabulary.size, dtype=np.float32)[row]


def standardise(number: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Each number in deviations from the mean, and whether it is known: float32 [n, 2]."""
    known = np.isfinite(number)
    # Clipped to five deviations: a mistyped year must not blow up a vector.
    with np.errstate(over="ignore"):  # an overflow is clipped too
        scaled = np.clip((number - vocabulary.mean) / vocabulary.std, -5.0, 5.0)
    return np.stack([np.where(known, scaled, 0.0), known], axis=1).astype(np.float32)
