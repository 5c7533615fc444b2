"""What is known of versions: figures, settings, size; and which of two is better."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from fusionrec.errors import ArtifactError
from fusionrec.registry import read_manifest
from fusionrec.registry.versions import Version
from fusionrec.workspace import Workspace

COUNTING = "popular"  # the baseline that only counts
_HARDLY = 0.01  # share by which figures differ so little that it says nothing


@dataclass(frozen=True)
class VersionFacts:
    """A version, with what its manifest and its files say.

    Attributes:
        version: its row in the list of versions.
        manifest: empty where it cannot be read here.
        size: bytes of its files; None where they are not here.
    """

    version: Version
    manifest: Mapping[str, Any] = field(default_factory=dict)
    size: int | None = None

    @classmethod
    def of(cls, workspace: Workspace, version: Version) -> VersionFacts:
        """The facts of a version."""
        folder = workspace.models / version.name
        manifest, size = {}, None
        if version.here:
            with suppress(ArtifactError):
                manifest = read_manifest(folder)
            with suppress(OSError):
                size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
        return cls(version, manifest, size)

    @property
    def worth(self) -> Mapping[str, Any]:
        """What it is worth; empty where that was not measured."""
        return self.version.worth or {}

    @property
    def figure(self) -> float | None:
        """NDCG@10 of its lists, or what validation measured."""
        return self.version.validation

    @property
    def counting(self) -> float | None:
        """NDCG@10 of the most popular items, for the same people."""
        value: float | None = self.worth.get("baselines", {}).get(COUNTING)
        return value

    @property
    def command(self) -> str:
        """The command that made it; empty where that was not noted."""
        return str(self.manifest.get("command", ""))

    @property
    def rows(self) -> list[tuple[str, float]]:
        """Name and NDCG@10 of the lists, the baselines and the parts, the best first in each."""
        if not self.worth:
            return []
        return [
            ("this version's lists", self.worth["ndcg@10"]),
            *sorted(self.worth["baselines"].items(), key=lambda one: -one[1]),
            *((f"part {n}", v) for n, v in sorted(self.worth["parts"].items(), key=_falling)),
        ]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Name and value of what else is known."""
        m, known = self.manifest, self.version
        counts = [
            (name, f"{m[name]:,}") for name in ("users", "items", "interactions") if name in m
        ]
        seconds = m.get("training", {}).get("seconds")
        made = [("trained in", f"{seconds:,.0f} s")] if seconds is not None else []
        feedback = [("feedback in it", "yes")] if m.get("feedback") else []
        part = [("trained on a part", known.part)] if known.part else []
        dims = [("dimensions", str(m["dim"]))] if "dim" in m else []
        programs = [(f"by {n}", str(v)) for n, v in m.get("versions", {}).items()]
        return [
            ("model", known.model), ("data", known.data), *part, *counts, *feedback, *dims, *made,
            *programs,
        ]  # fmt: skip

    @property
    def settings(self) -> dict[str, str]:
        """Setting, such as ``model.goal`` -> value."""
        return dict(_flat("", self.manifest.get("recipe", {})))


def _falling(one: tuple[str, float]) -> float:
    return -one[1]


def _flat(name: str, value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, Mapping):
        return [(name, value if isinstance(value, str) else json.dumps(value))]
    return [
        pair for key, one in value.items() for pair in _flat(f"{name}.{key}" if name else key, one)
    ]


def verdict(one: VersionFacts, other: VersionFacts) -> str:
    """Which of two versions is better, in a sentence, and how far the figures can be compared."""
    first, second = one.worth, other.worth
    names = one.version.name, other.version.name
    if not (first and second):
        lacking = " and ".join(n for n, w in zip(names, (first, second), strict=True) if not w)
        return f"Which is better cannot be said: nothing was held out to measure {lacking} by."
    a, b = float(first["ndcg@10"]), float(second["ndcg@10"])
    same_data = one.manifest.get("rows") == other.manifest.get("rows")
    if not (same_data and first["goal"] == second["goal"]):
        gains = [f"{n} {w['gain']:+.0%}" for n, w in zip(names, (first, second), strict=True)]
        return (
            "The figures are of different data or goals, so they cannot be compared with each "
            f"other; over the best simple method each is {' and '.join(gains)}."
        )
    if abs(a - b) <= _HARDLY * max(a, b):
        return f"Neither is better: NDCG@10 is {a:.3f} and {b:.3f} for the same people."
    better, worse = (names, (a, b)) if a > b else (names[::-1], (b, a))
    high, low = worse
    gain = f" (+{high / low - 1:.0%})" if low else ""
    return (
        f"{better[0]} is better: NDCG@10 {high:.3f} against {low:.3f} of {better[1]}{gain}, for "
        "the same people, whose later interactions both had not seen."
    )
