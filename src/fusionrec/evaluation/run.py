"""Runs a protocol: splits, baselines, model, index, comparison."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fusionrec.baselines.linear import ease_notes
from fusionrec.data.dataset import Dataset
from fusionrec.engine import engine as opened
from fusionrec.errors import FusionrecError, Log, UsageError
from fusionrec.evaluation.bootstrap import RESAMPLES, Comparison, compare
from fusionrec.evaluation.index_check import IndexCheck, check_index
from fusionrec.evaluation.metrics_table import MetricsRow, RunMetrics, best_baseline
from fusionrec.evaluation.model_source import ModelSource, TrainOnSplit, quiet, unheard
from fusionrec.evaluation.protocols import Protocol, ProtocolOptions, RankingProtocol, SplitRun
from fusionrec.evaluation.protocols.common import DEFAULT, TAKEN_BEFORE
from fusionrec.evaluation.published_results import INTERPOLATED, published_for
from fusionrec.evaluation.result import Result
from fusionrec.evaluation.training_split import split_command
from fusionrec.models.presets import with_goals

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
    engine: str = "process",
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
        engine: what the runs are measured by; see ``engine.engine``. The figures are the same,
            unless a training ends by a limit of time.

    Raises:
        UsageError: the data set, an option or the model does not suit the protocol, or the model
            may have seen the test; before anything is fitted.
        EngineError: as of ``engine.engine`` and its ``map``.
        FusionrecError: as of training and index.
    """
    started = time.monotonic()
    protocol.check_options(options)
    dataset = protocol.prepare(dataset)
    runs = protocol.runs(dataset, options)
    names = _baseline_names(protocol, dataset, options)
    goals = protocol.goals if options.goal is None else (options.goal,)
    if isinstance(source, TrainOnSplit) and options.goal != DEFAULT:
        source = replace(source, recipe=with_goals(source.recipe, goals, protocol.rates))
    if source is not None:
        _check_source(dataset, protocol, options, runs, source)
    elif not names:
        raise UsageError(f"{dataset.name} serves no baseline of {protocol.name}")
    here = engine == "process"
    measure = Measurement(
        dataset,
        protocol,
        options,
        len(runs),
        names,
        source if here else quiet(source),
        through_index,
        log if here else unheard,
    )
    found: list[Measured] = []
    with opened(engine) as made:
        for one in made.map(measure, enumerate(runs, start=1)):
            found.append(one)
            if not here:
                log(f"run {len(found)} of {len(runs)}: {runs[len(found) - 1].split.name}, measured")
    rows = _rows(found, None if source is None else source.name)
    return Result(
        protocol.name,
        protocol.asks,
        dataset.name,
        dataset.users.ids,
        [run.split.name for run in runs],
        [run.seed for run in runs],
        rows,
        _comparisons(protocol, options, rows, resamples),
        found[0].index_check,
        [] if options.validation else published_for(protocol.name, dataset.name),
        [*([CLOCKED] if found[-1].clocked else []), *_notes(protocol, dataset, options)],
        time.monotonic() - started,
        machine(),
    )


@dataclass(frozen=True)
class Measured:
    """What one run found.

    Attributes:
        values: name -> metrics; the model's first.
        seconds: name -> fitting and scoring.
        index_check: of the first run.
        clocked: whether the model read the clock.
    """

    values: Mapping[str, RunMetrics]
    seconds: Mapping[str, float]
    index_check: IndexCheck | None
    clocked: bool


@dataclass(frozen=True)
class Measurement:
    """Measures the runs of a protocol, each by itself, in whatever process.

    Attributes:
        dataset, protocol, options, source, through_index: as of ``evaluate``.
        count: how many runs there are.
        names: of the baselines.
        log: called with what is under way.
    """

    dataset: Dataset
    protocol: Protocol
    options: ProtocolOptions
    count: int
    names: Sequence[str]
    source: ModelSource | None
    through_index: int | None
    log: Log

    def __call__(self, task: tuple[int, SplitRun]) -> Measured:
        """Measures one run, given with its number from 1.

        Raises:
            FusionrecError: as of training and index; of several runs, the message says which.
        """
        number, run = task
        title = f"run {number} of {self.count}: {self.protocol.name}, {run.split.name}"
        self.log(title)
        try:
            return self._measure(number, run)
        except FusionrecError as error:
            if self.count > 1:
                error.message = f"{title}, seed {run.seed}: {error.message}"
                error.args = (error.message,)
            raise

    def _measure(self, number: int, run: SplitRun) -> Measured:
        dataset, protocol, options, source = self.dataset, self.protocol, self.options, self.source
        values: dict[str, RunMetrics] = {}
        seconds: dict[str, float] = {}
        makes = protocol.baselines(dataset, run.seed)
        for name in self.names:  # first, since they are quick
            self.log(f"  {name}")
            began = time.monotonic()
            values[name] = protocol.measure(dataset, run, options, makes[name])
            seconds[name] = time.monotonic() - began
        if source is None:
            return Measured(values, seconds, None, clocked=False)
        what = "interactions" if dataset.schema.events else "ratings"
        self.log(f"  {source.name}: {len(run.split.train):,} {what} before the test")
        with tempfile.TemporaryDirectory(prefix="fusionrec-evaluate-") as folder:
            home, began = Path(folder), time.monotonic()
            artifact = source.get(dataset, run.split, run.seed, home)
            found = protocol.measure(dataset, run, options, artifact)
            took = time.monotonic() - began
            index_check, asked = None, self.through_index
            if number == 1 and asked != 0 and isinstance(protocol, RankingProtocol):
                self.log("  asking the same through Milvus")
                task = protocol.tasks(dataset, run, options)[0]
                ranker = task.ranker(artifact, dataset, options.goal, protocol.goals[0])
                index_check = check_index(dataset, task, ranker, home, asked, run.seed)
        clocked = artifact.reads_clock and protocol.clocked
        own = source.name
        return Measured(
            {own: found, **values}, {own: took, **seconds}, index_check, clocked=clocked
        )


def _rows(found: Sequence[Measured], model: str | None) -> list[MetricsRow]:
    """The table's rows, the model's first."""
    return [
        MetricsRow(
            name,
            name == model,
            [one.values[name] for one in found],
            sum(one.seconds[name] for one in found),
        )
        for name in found[0].values
    ]


def _check_source(
    dataset: Dataset,
    protocol: Protocol,
    options: ProtocolOptions,
    runs: Sequence[SplitRun],
    source: ModelSource,
) -> None:
    """Refuses a model that cannot answer or may have seen the test; says how to train another."""
    if protocol.rates and not source.rates:
        raise UsageError(
            f"{source.name} ranks and predicts no ratings, which protocol {protocol.name} asks",
            "ask it by next-item, random-holdout, new-user, new-item or global-time; or measure "
            "auto, linear or fusion, which predict ratings",
        )
    if options.goal not in (None, DEFAULT):
        source.check_goal(options.goal)
    for run in runs:
        split = run.split
        if options.validation:  # these are the targets then, so training must not have seen them
            nothing = np.zeros(0, dtype=np.int64)
            split = replace(split, test=split.validation, validation=nothing)
        try:
            source.check(dataset, split)
        except UsageError as error:
            command = split_command("train", protocol, options, run)
            raise UsageError(
                error.message, f"with this --data, train one that may be measured: {command}"
            ) from error


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
    if "ease" in (options.baselines or served):
        notes += ease_notes(len(dataset.items))
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
