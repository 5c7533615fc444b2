"""The result of an evaluation: as values, as JSON, as Parquet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.evaluation.bootstrap import Comparison
from fusionrec.evaluation.index_check import IndexCheck
from fusionrec.evaluation.metrics_table import MetricsRow
from fusionrec.evaluation.published_results import PublishedResult
from fusionrec.workspace import writing


@dataclass(frozen=True)
class Result:
    """The result of a protocol on a data set: the model beside baselines."""

    protocol: str  # its name and the question it asks
    asks: str
    data: str  # the data set's name
    ids: Sequence[str]  # every user's outside id, by position
    runs: Sequence[str]  # the splits' names
    seeds: Sequence[int]  # one per run
    rows: Sequence[MetricsRow]  # the model first, where there is one
    comparisons: Sequence[Comparison]  # of the model with the best baseline, one per metric
    # the index's lists compared with exact ones; None where not checked
    index_check: IndexCheck | None
    published: Sequence[PublishedResult]  # published results to compare with
    notes: Sequence[str]  # on the figures, in sentences
    seconds: float  # wall time of everything
    machine: str  # processor, cores and Python
    command: str = ""  # the command line; empty from Python

    @property
    def users(self) -> int:
        """How many users were tested, those of every run counted."""
        return sum(len(run.users) for run in self.rows[0].runs)

    def row(self, name: str) -> MetricsRow:
        """The line of a name.

        Raises:
            KeyError: there is none.
        """
        return {row.name: row for row in self.rows}[name]

    def to_json(self) -> dict[str, Any]:
        """Everything but the users' own values, as plain JSON; NaN is null."""
        rows = [
            {
                "name": row.name,
                "kind": "model" if row.is_model else "baseline",
                "figures": {m: _plain(row.figure(m)) for m in row.metrics},
                "by_run": {m: [_plain(v) for v in row.by_run(m)] for m in row.metrics},
                "seconds": round(row.seconds, 2),
            }
            for row in self.rows
        ]
        others = ("ids", "index_check", "published")
        return {
            **{name: value for name, value in vars(self).items() if name not in others},
            "users": self.users,
            "rows": rows,
            "comparisons": [asdict(c) | {"mark": c.mark} for c in self.comparisons],
            "index": asdict(self.index_check) if self.index_check else None,
            "anchors": [asdict(result) for result in self.published],
            "seconds": round(self.seconds, 2),
        }

    def save(self, path: Path) -> None:
        """Writes every user's values as Parquet: a line per user, run and name.

        Columns ``user`` (outside id), ``run`` (the split's name), ``seed``, ``name``, ``weight``
        and one per metric, null where a user has none.

        Raises:
            FusionrecError: it cannot be written; see ``workspace.writing``.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        tables = []
        for row in self.rows:
            for name, seed, run in zip(self.runs, self.seeds, row.runs, strict=True):
                n = len(run.users)
                columns: dict[str, Any] = {
                    "user": [self.ids[u] for u in run.users],
                    "run": [name] * n,
                    "seed": np.full(n, seed),
                    "name": [row.name] * n,
                    "weight": run.weight,
                }
                columns |= {m: pa.array(v, from_pandas=True) for m, v in run.values.items()}
                tables.append(pa.table(columns))
        with writing(path):
            pq.write_table(pa.concat_tables(tables), path)


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)
