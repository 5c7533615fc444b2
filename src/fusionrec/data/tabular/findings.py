"""Findings: what was odd or repaired while files were read, with a count and an example."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any

log = logging.getLogger("fusionrec")
SHOWN = 80  # characters of a value in an example
OF_FILE = "\0"  # between a finding's name and the file it is of; see ``Findings.once``


@dataclass(frozen=True)
class Finding:
    """One kind of oddity or repair.

    Attributes:
        name: for programs, such as ``rating_unfit``.
        count: how often it occurred.
        says: for people, before the count.
        example: the first occurrence, or what the finding means; may be empty.
        left_out: whether it leaves out ``count`` interactions.
        warning: whether answers may be nonsense, so that people must see it.
        mend: the line of the ``fusionrec.toml`` to change, as it is to be; empty where no line is
            at fault.
    """

    name: str
    count: int
    says: str
    example: str = ""
    left_out: bool = False
    warning: bool = False
    mend: str = ""

    def __str__(self) -> str:
        example = f" ({self.example})" if self.example else ""
        mend = f"; to change it: {self.mend}" if self.mend else ""
        return f"{self.says}: {self.count:,}{example}{mend}"


class Findings:
    """Findings by name, in the order of their first occurrence."""

    def __init__(self) -> None:
        self._by_name: dict[str, Finding] = {}
        self._once: set[str] = set()

    def add(
        self,
        name: str,
        count: int,
        says: str,
        example: str = "",
        left_out: bool = False,
        warning: bool = False,
        mend: str = "",
    ) -> None:
        """Adds ``count`` to a finding; 0 creates none. The first example stays."""
        if name in self._by_name:
            earlier = self._by_name[name]
            count, warning = earlier.count + count, earlier.warning or warning
            self._by_name[name] = replace(earlier, count=count, warning=warning)
        elif count:
            self._by_name[name] = Finding(name, count, says, example, left_out, warning, mend)

    def once(
        self,
        name: str,
        count: int,
        says: str,
        example: str = "",
        warning: bool = False,
        mend: str = "",
    ) -> None:
        """As ``add``, but ignored if the name was here, since a file may be read for two tables.
        What files have in common is ``NAME``, ``OF_FILE`` and the file: it counts once for each.
        """
        if name not in self._once:
            self._once.add(name)
            name = name.partition(OF_FILE)[0]
            self.add(name, count, says, example, warning=warning, mend=mend)

    def first(self, name: str, count: int, says: str, example: str = "") -> None:
        """A warning that is placed before all others, since it may explain them."""
        warning = Finding(name, count, says, example, warning=True)
        self._by_name = {name: warning} | self._by_name

    @property
    def all(self) -> tuple[Finding, ...]:
        """The findings."""
        return tuple(self._by_name.values())


class FindingsLog(Findings):
    """Findings of one of several files, which those of all files take in by ``replay``."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[tuple[bool, tuple[Any, ...]]] = []  # whether by ``once``, and with what

    def add(self, *given: Any, **named: Any) -> None:
        """As in ``Findings``."""
        call = _ADD.bind(self, *given, **named)
        call.apply_defaults()
        if call.arguments["count"]:
            self._calls.append((False, call.args[1:]))

    def once(self, *given: Any, **named: Any) -> None:
        """As in ``Findings``."""
        call = _ONCE.bind(self, *given, **named)
        call.apply_defaults()
        self._calls.append((True, call.args[1:]))

    def replay(self, findings: Findings) -> None:
        """Makes others what they would be if they had been told."""
        for once, given in self._calls:
            (findings.once if once else findings.add)(*given)


_ADD, _ONCE = signature(Findings.add), signature(Findings.once)


def log_findings(name: str, findings: Iterable[Finding]) -> None:
    """Logs findings about the data set of a name."""
    for finding in findings:
        log.warning("%s: %s", name, finding)
