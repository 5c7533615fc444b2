"""A result as tables of text, for a terminal or a pipe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fusionrec.evaluation.metrics_table import MetricsRow
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
    title = f"{result.protocol} · {result.data} · {_splits(result)} · {result.users:,} users"
    for number, names in enumerate(_chunks(list(first.values))):
        made.append(_figures(result, names, title, with_marks=number == 0))
    if first.lists:
        made.append(_figures(result, list(first.lists), "the lists", with_marks=False))
    if result.comparisons:
        made.append(_comparisons(result))
    if result.published:
        made.append(_published(result))
    return made


def _figures(result: Result, metrics: Sequence[str], title: str, with_marks: bool) -> TextTable:
    header = ["name", *metrics]
    rows = [[row.name, *(number(row.figure(m)) for m in metrics)] for row in result.rows]
    if with_marks and result.comparisons:
        header.append("against the best baseline")
        for row, line in zip(result.rows, rows, strict=True):
            line.append(_marks(result, row))
    if with_marks and result.published:
        header.append("known figure")
        for row, line in zip(result.rows, rows, strict=True):
            line.append(_published_figures(result, row))
    return TextTable(title, header, rows)


def _marks(result: Result, row: MetricsRow) -> str:
    own = [c for c in result.comparisons if c.model == row.name]
    return "; ".join(f"{c.metric} {c.mark}" for c in own)


def _published_figures(result: Result, row: MetricsRow) -> str:
    own = [a for a in result.published if a.row == row.name]
    return "; ".join(f"{m} {v:.3f}" for a in own for m, v in a.figures.items())


def _comparisons(result: Result) -> TextTable:
    rows = [
        [
            c.metric,
            f"{c.model} − {c.baseline}",
            f"{c.difference:+.4f}",
            f"{c.low:+.4f}",
            f"{c.high:+.4f}",
            c.mark,
        ]
        for c in result.comparisons
    ]
    header = ["metric", "difference", "value", "95% from", "to", "mark"]
    return TextTable("the model against the best baseline, paired over users", header, rows)


def _published(result: Result) -> TextTable:
    metrics = list(dict.fromkeys(m for a in result.published for m in a.figures))
    rows = [
        [a.name, *(number(a.figures.get(m, math.nan), 3) for m in metrics), a.source, a.note]
        for a in result.published
    ]
    return TextTable(
        f"known figures of {result.data}", ["model", *metrics, "source", "differs"], rows
    )


def _chunks(names: list[str]) -> list[list[str]]:
    return [names[start : start + MAX_METRICS] for start in range(0, len(names), MAX_METRICS)]


def _splits(result: Result) -> str:
    return result.runs[0] if len(result.runs) == 1 else f"mean of {len(result.runs)} runs"


def number(value: float, digits: int = 4) -> str:
    """A figure as text; empty for NaN."""
    return "" if math.isnan(value) else f"{value:.{digits}f}"
