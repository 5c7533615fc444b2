"""What a version is worth, as its manifest says it, in words and rows for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FIGURE = "NDCG@10"

# The simple methods that a version is compared with, as a sentence names them.
METHODS = {
    "popular": "what is popular",
    "popular-last-7-days": "what was popular in the last 7 days",
    "taken-before": "what people took before",
    "item-knn": "item kNN",
    "ease": "EASE",
}


@dataclass(frozen=True)
class WorthRow:
    """One line of the comparison.

    Attributes:
        name: of the model, the part or the baseline.
        kind: ``model``, ``part`` or ``baseline``.
        figure: its NDCG@10 on what was held out.
    """

    name: str
    kind: str
    figure: float


def compared(manifest: Mapping[str, Any]) -> list[WorthRow]:
    """The model, those of its parts that count for the goal, and the baselines; empty for a version
    that was not compared with any.
    """
    worth = manifest.get("worth")
    if not worth or worth["ndcg@10"] is None:
        return []
    weights = manifest["blend"]["weights"].get(worth["goal"], {})
    parts = {name: figure for name, figure in worth["parts"].items() if weights.get(name)}
    found = [WorthRow(manifest["model"], "model", worth["ndcg@10"])]
    for kind, figures in (("part", parts), ("baseline", worth["baselines"])):
        best_first = sorted(figures.items(), key=lambda one: -one[1])
        found += [WorthRow(name, kind, figure) for name, figure in best_first]
    return found


def measured_on(worth: Mapping[str, Any]) -> str:
    """What the figures are of: ``NDCG@10 of 943 users on what was held out, for the goal next``."""
    return (
        f"{FIGURE} of {worth['users']:,} users on what was held out, for the goal {worth['goal']}"
    )


def in_short(worth: Mapping[str, Any]) -> str:
    """The gain over the best simple method, such as ``+14%``; ``level`` where no difference is
    sure, ``none`` where nothing could be held out.
    """
    if worth["best"] is None:
        return "none"
    return f"{worth['gain']:+.0%}" if worth["sure"] and worth["gain"] is not None else "level"
