"""Runs a protocol: splits, baselines, model, index, comparison."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import Log, UsageError
from fusionrec.evaluation.bootstrap import RESAMPLES, Comparison, compare
from fusionrec.evaluation.index_check import IndexCheck, check_index
from fusionrec.evaluation.metrics_table import MetricsRow, RunMetrics, best_baseline
from fusionrec.evaluation.model_source import ModelSource
from fusionrec.evaluation.protocols import Protocol, ProtocolOptions, RankingProtocol, SplitRun
from fusionrec.evaluation.protocols.common import TAKEN_BEFORE, Make
from fusionrec.evaluation.published_results import INTERPOLATED, published_for
from fusionrec.evaluation.result import Result
from fusionrec.evaluation.training_split import training_command
from fusionrec.registry import Artifact

INDEX_USERS = 200  # whose lists are also taken from the index, by default

CLOCKED = "the model was told the time of what is asked for: compare it with others that were"


def evaluate(
    dataset: Dataset,
    protocol: Protocol,
    options: ProtocolOptions,
    source: ModelSource | None = None,
    *,
    log: Log = lambda _: None,
    through_index: int | None = INDEX_USERS,
    resamples: int = RESAMPLES,
) -> Result:
    """Measures a model and baselines on the same splits.

    Args:
        dataset: the data set.
        protocol: splits, baselines and metrics.
        options: of the protocol.
        source: the model; None measures baselines alone.
        log: called with what is under way.
        through_index: how many users of the first run to check through Milvus; None for all, 0
            for none.
        resamples: of the bootstrap.

    Raises:
        UsageError: the data set, an option or the model does not suit the protocol, or the model
            may have seen the test; before anything is fitted.
        FusionrecError: as of training and index.
    """
    started = time.monotonic()
    dataset, runs, names = _prepare(dataset, protocol, options, source)
    state = _State(dataset, protocol, options, source, log, through_index)
    with tempfile.TemporaryDirectory(prefix="fusionrec-evaluate-") as home:
        for number, run in enumerate(runs, start=1):
            log(f"run {number} of {len(runs)}: {protocol.name}, {run.split.name}")
            state.run(run, names, Path(home) / str(number))
    return _result(state, runs, resamples, started)


def _prepare(
    dataset: Dataset, protocol: Protocol, options: ProtocolOptions, source: ModelSource | None
) -> tuple[Dataset, list[SplitRun], list[str]]:
    """The prepared data set, the splits and the baselines' names; all checks that are quick."""
    protocol.check_options(options)
    dataset = protocol.prepare(dataset)
    runs = protocol.runs(dataset, options)
    names = _baseline_names(protocol, dataset, options)
    if source is None and not names:
        raise UsageError(f"{dataset.name} serves no baseline of {protocol.name}")
    if source is not None:
        if protocol.rates and not source.rates:
            raise UsageError(
                f"{source.name} ranks and predicts no ratings, which protocol {protocol.name} asks",
                "ask it by next-item, new-user, new-item or global-time",
            )
        for run in runs:
            _check_unseen(dataset, protocol, options, run, source)
    return dataset, runs, names


def _check_unseen(
    dataset: Dataset,
    protocol: Protocol,
    options: ProtocolOptions,
    run: SplitRun,
    source: ModelSource,
) -> None:
    """Refuses a model that may have seen the test, and names the command that trains one."""
    split = run.split
    if options.validation:  # these are the targets then, so training must not have seen them
        nothing = np.zeros(0, dtype=np.int64)
        split = replace(split, test=split.validation, validation=nothing)
    try:
        source.check(dataset, split)
    except UsageError as error:
        command = training_command(protocol, options, run)
        raise UsageError(
            error.message, f"with this --data, train one that may be measured: {command}"
        ) from error


class _State:
    """The state of an evaluation: the metrics of the runs so far."""

    def __init__(
        self,
        dataset: Dataset,
        protocol: Protocol,
        options: ProtocolOptions,
        source: ModelSource | None,
        log: Log,
        through_index: int | None,
    ) -> None:
        self.dataset, self.protocol, self.options = dataset, protocol, options
        self.source, self.log, self.through_index = source, log, through_index
        self.values: dict[str, list[RunMetrics]] = {source.name: []} if source else {}
        self.seconds: dict[str, float] = {}
        self.index_check: IndexCheck | None = None
        self.clocked = False  # whether the model got the targets' times

    def run(self, run: SplitRun, names: Sequence[str], home: Path) -> None:
        """Measures one split: baselines first, which are quick, then the model."""
        makers: Mapping[str, Make] = self.protocol.baselines(self.dataset, run.seed)
        for name in names:
            self.log(f"  {name}")
            self._timed(name, self.protocol.measure_baseline, run, makers[name])
        if self.source is None:
            return
        what = "interactions" if self.dataset.schema.events else "ratings"
        rows = f"{len(run.split.train):,} {what} before the test"
        self.log(f"  {self.source.name}: {rows}")
        began = time.monotonic()
        artifact = self.source.get(self.dataset, run.split, run.seed, home)
        name = self.source.name
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began
        self.clocked = artifact.reads_clock and self.protocol.clocked
        self._timed(name, self.protocol.measure_model, run, artifact)
        self._search(run, artifact, home)

    def _timed(
        self, name: str, measure: Callable[..., RunMetrics], run: SplitRun, model: Any
    ) -> None:
        began = time.monotonic()
        self.values.setdefault(name, []).append(measure(self.dataset, run, self.options, model))
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began

    def _search(self, run: SplitRun, artifact: Artifact, home: Path) -> None:
        if self.index_check or self.through_index == 0:
            return
        if not isinstance(self.protocol, RankingProtocol):
            return  # no lists to compare
        self.log("  asking the same through Milvus")
        task = self.protocol.tasks(self.dataset, run, self.options)[0]
        home.mkdir(parents=True, exist_ok=True)
        ranker = task.ranker(artifact, self.dataset)
        self.index_check = check_index(
            self.dataset, task, ranker, home, self.through_index, run.seed
        )

    def rows(self) -> list[MetricsRow]:
        """A line per model and baseline, the model first."""
        model = self.source.name if self.source else None
        return [
            MetricsRow(name, name == model, runs, self.seconds[name])
            for name, runs in self.values.items()
        ]


def _result(state: _State, runs: Sequence[SplitRun], resamples: int, started: float) -> Result:
    """The result, with comparisons and notes."""
    dataset, protocol, options = state.dataset, state.protocol, state.options
    rows = state.rows()
    return Result(
        protocol.name,
        protocol.asks,
        dataset.name,
        dataset.users.ids,
        [run.split.name for run in runs],
        [run.seed for run in runs],
        rows,
        _comparisons(protocol, options, rows, resamples),
        state.index_check,
        [] if options.validation else published_for(protocol.name, dataset.name),
        [*([CLOCKED] if state.clocked else []), *_notes(protocol, dataset, options)],
        time.monotonic() - started,
        machine(),
    )


def _baseline_names(protocol: Protocol, dataset: Dataset, options: ProtocolOptions) -> list[str]:
    """The names of the baselines to run: the chosen ones, or all that fit."""
    fitting = protocol.baselines(dataset, 0)
    for name in options.baselines or ():
        if name not in fitting:
            raise UsageError(f"{dataset.name} cannot serve the baseline {name}")
    return [name for name in fitting if options.baselines is None or name in options.baselines]


def _comparisons(
    protocol: Protocol, options: ProtocolOptions, rows: Sequence[MetricsRow], resamples: int
) -> list[Comparison]:
    comparisons = []
    baselines = [row for row in rows if not row.is_model]
    for model in (row for row in rows if row.is_model):
        for pattern in protocol.metrics:
            metric = pattern.format(k=options.k)
            if metric not in model.metrics:
                continue  # events have no "liked" metrics
            best = best_baseline(baselines, metric)
            if best is not None:
                comparisons.append(compare(model, best, metric, resamples))
    return comparisons


def _notes(protocol: Protocol, dataset: Dataset, options: ProtocolOptions) -> list[str]:
    notes = protocol.notes(dataset)
    served = protocol.baselines(dataset, 0)
    # Data without repeated interactions does not lack anything for that baseline.
    left_out = [b for b in protocol.baseline_names if b not in served and b != TAKEN_BEFORE]
    if left_out and options.baselines is None:
        notes.append(f"{dataset.name} cannot serve the baselines {', '.join(left_out)}")
    if options.validation:
        notes.insert(0, "asked for the validation items; the test was not looked at")
    if protocol.timed and dataset.name in INTERPOLATED:
        notes.insert(0, "on partly interpolated timestamps")
    return notes


def machine() -> str:
    """The machine in words: processor, cores, Python."""
    model = platform.processor() or platform.machine()
    try:
        with Path("/proc/cpuinfo").open(encoding="ascii", errors="replace") as file:
            named = (line.partition(":")[2] for line in file if line.startswith("model name"))
            model = next(named, model).strip()
    except OSError:
        pass  # only Linux has it
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"
