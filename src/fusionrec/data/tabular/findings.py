"""What was found and put right when files were read: counted, each with its first example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

SHOWN = 80  # characters of a value in an example


@dataclass(frozen=True)
class Finding:
    """One kind of thing that was found.

    Attributes:
        name: for programs, such as ``rating_unfit``.
        count: how many there are.
        says: for people, to be read before the count.
        example: the first of them, or what it means; may be empty.
        left_out: whether ``count`` interactions are left out because of it.
    """

    name: str
    count: int
    says: str
    example: str = ""
    left_out: bool = False

    def __str__(self) -> str:
        return f"{self.says}: {self.count:,}" + (f" ({self.example})" if self.example else "")


class Findings:
    """Findings by name, in the order in which they were first made."""

    def __init__(self) -> None:
        self._found: dict[str, Finding] = {}

    def add(
        self, name: str, count: int, says: str, example: str = "", left_out: bool = False
    ) -> None:
        """Counts ``count`` more; 0 is no finding. The first example stays."""
        if name in self._found:
            earlier = self._found[name]
            self._found[name] = replace(earlier, count=earlier.count + count)
        elif count:
            self._found[name] = Finding(name, count, says, example, left_out)

    def once(self, name: str, count: int, says: str, example: str = "") -> None:
        """As ``add``, unless there is one of that name: of a file that is read for two tables."""
        if name not in self._found:
            self.add(name, count, says, example)

    def first(self, name: str, count: int, says: str, example: str = "") -> None:
        """As ``add``, and stands before all others: what is found there may explain them."""
        self._found = {name: Finding(name, count, says, example)} | self._found

    @property
    def all(self) -> tuple[Finding, ...]:
        """The findings."""
        return tuple(self._found.values())

    @property
    def left_out(self) -> str:
        """Why interactions are left out, for a message."""
        return "; ".join(str(one) for one in self.all if one.left_out)


def to_json(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
    """Findings as plain JSON values; ``from_json`` reads them back."""
    return [asdict(one) for one in findings]


def from_json(values: list[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """Findings from what ``to_json`` gave."""
    return tuple(Finding(**one) for one in values)
