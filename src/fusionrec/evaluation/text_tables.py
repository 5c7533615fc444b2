"""A result as tables of text, for a terminal or a pipe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from fusionrec.evaluation.result import Result

MAX_METRICS = 6  # in one table


@dataclass(frozen=True)
class TextTable:
    """One table."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(result: Result) -> list[TextTable]:
    """Tables of user metrics, list metrics, comparisons and published results."""
    first = result.rows[0].runs[0]
    made = []
    splits = result.runs[0] if len(result.runs) == 1 else f"mean of {len(result.runs)} runs"
    title = f"{result.protocol} · {result.data} · {splits} · {result.users:,} users"
    names = list(first.values)
    for start in range(0, len(names), MAX_METRICS):
        part = names[start : start + MAX_METRICS]
        made.append(_figures(result, part, title, with_marks=start == 0))
    if first.lists:
        made.append(_figures(result, list(first.lists), "the lists", with_marks=False))
    if result.comparisons:
        rows = [
            [c.metric, f"{c.model} − {c.baseline}"]
            + [f"{v:+.4f}" for v in (c.difference, c.low, c.high)]
            + [c.mark]
            for c in result.comparisons
        ]
        header = ["metric", "difference", "value", "95% from", "to", "mark"]
        about = "the model against the best baseline, paired over users"
        made.append(TextTable(about, header, rows))
    if result.published:
        metrics = list(dict.fromkeys(m for a in result.published for m in a.figures))
        rows = [
            [a.name, *(number(a.figures.get(m, math.nan), 3) for m in metrics), a.source, a.note]
            for a in result.published
        ]
        header = ["model", *metrics, "source", "differs"]
        made.append(TextTable(f"known figures of {result.data}", header, rows))
    return made


def _figures(result: Result, metrics: Sequence[str], title: str, with_marks: bool) -> TextTable:
    header = ["name", *metrics]
    rows = [[row.name, *(number(row.figure(m)) for m in metrics)] for row in result.rows]
    if with_marks and result.comparisons:
        header.append("against the best baseline")
        for row, line in zip(result.rows, rows, strict=True):
            own = [c for c in result.comparisons if c.model == row.name]
            line.append("; ".join(f"{c.metric} {c.mark}" for c in own))
    if with_marks and result.published:
        header.append("known figure")
        for row, line in zip(result.rows, rows, strict=True):
            known = [a.figures.items() for a in result.published if a.row == row.name]
            line.append("; ".join(f"{m} {v:.3f}" for m, v in chain(*known)))
    return TextTable(title, header, rows)


def number(value: float, digits: int = 4) -> str:
    """A figure as text; empty for NaN."""
    return "" if math.isnan(value) else f"{value:.{digits}f}"
