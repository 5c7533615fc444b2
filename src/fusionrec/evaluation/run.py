"""Runs a protocol: splits, baselines, model, index, comparison."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fusionrec.baselines.linear import ease_notes
from fusionrec.data.dataset import Dataset
from fusionrec.errors import Log, UsageError
from fusionrec.evaluation.bootstrap import RESAMPLES, Comparison, compare
from fusionrec.evaluation.index_check import IndexCheck, check_index
from fusionrec.evaluation.metrics_table import MetricsRow, RunMetrics, best_baseline
from fusionrec.evaluation.model_source import ModelSource, TrainOnSplit
from fusionrec.evaluation.protocols import Protocol, ProtocolOptions, RankingProtocol, SplitRun
from fusionrec.evaluation.protocols.common import DEFAULT, TAKEN_BEFORE, Make
from fusionrec.evaluation.published_results import INTERPOLATED, published_for
from fusionrec.evaluation.result import Result
from fusionrec.evaluation.training_split import split_command
from fusionrec.models.presets import with_goals
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
    rows, index_check, clocked = _measure(
        dataset, protocol, options, runs, names, source, log, through_index
    )
    return Result(
        protocol.name,
        protocol.asks,
        dataset.name,
        dataset.users.ids,
        [run.split.name for run in runs],
        [run.seed for run in runs],
        rows,
        _comparisons(protocol, options, rows, resamples),
        index_check,
        [] if options.validation else published_for(protocol.name, dataset.name),
        [*([CLOCKED] if clocked else []), *_notes(protocol, dataset, options)],
        time.monotonic() - started,
        machine(),
    )


def _measure(
    dataset: Dataset,
    protocol: Protocol,
    options: ProtocolOptions,
    runs: Sequence[SplitRun],
    names: Sequence[str],
    source: ModelSource | None,
    log: Log,
    through_index: int | None,
) -> tuple[list[MetricsRow], IndexCheck | None, bool]:
    """The table's rows, the model's first; the check of the index; whether it read the clock."""
    own = [] if source is None else [source.name]
    values: dict[str, list[RunMetrics]] = {name: [] for name in (*own, *names)}
    seconds = dict.fromkeys(values, 0.0)
    index_check, clocked = None, False

    def measure(name: str, run: SplitRun, model: Artifact | Make) -> None:
        began = time.monotonic()
        values[name].append(protocol.measure(dataset, run, options, model))
        seconds[name] += time.monotonic() - began

    with tempfile.TemporaryDirectory(prefix="fusionrec-evaluate-") as folder:
        for number, run in enumerate(runs, start=1):
            log(f"run {number} of {len(runs)}: {protocol.name}, {run.split.name}")
            makes = protocol.baselines(dataset, run.seed)
            for name in names:  # first, since they are quick
                log(f"  {name}")
                measure(name, run, makes[name])
            if source is None:
                continue
            what = "interactions" if dataset.schema.events else "ratings"
            log(f"  {source.name}: {len(run.split.train):,} {what} before the test")
            home = Path(folder) / str(number)
            home.mkdir()
            began = time.monotonic()
            artifact = source.get(dataset, run.split, run.seed, home)
            seconds[source.name] += time.monotonic() - began
            clocked = artifact.reads_clock and protocol.clocked
            measure(source.name, run, artifact)
            if number == 1 and through_index != 0 and isinstance(protocol, RankingProtocol):
                log("  asking the same through Milvus")
                task = protocol.tasks(dataset, run, options)[0]
                ranker = task.ranker(artifact, dataset, options.goal, protocol.goals[0])
                index_check = check_index(dataset, task, ranker, home, through_index, run.seed)
    rows = [MetricsRow(name, name in own, of, seconds[name]) for name, of in values.items()]
    return rows, index_check, clocked


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
