"""Doubts about what was inferred, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Doubt:
    """One thing that ``init`` is not sure of.

    Attributes:
        name: for programs, such as ``two_ratings``.
        says: for people, one sentence.
        mend: the line of the ``fusionrec.toml`` to change, as it is to be, such as
            ``rating = "user_rating"``; empty where no line is at fault.
        columns: the columns it is about.
        grave: whether answers would be nonsense if the guess is wrong, so that someone must look.
        key: the key that ``choices`` are for, such as ``interactions.rating``; may be empty.
        choices: values that the key could have, the one that was taken first; "" leaves it out.
    """

    name: str
    says: str
    mend: str = ""
    columns: tuple[str, ...] = ()
    grave: bool = False
    key: str = ""
    choices: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.says}; to change it: {self.mend}" if self.mend else self.says
