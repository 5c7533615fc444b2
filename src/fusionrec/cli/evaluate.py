"""The command evaluate."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fusionrec.cli import options, training_options
from fusionrec.cli.command import Command, home_options
from fusionrec.cli.output import (
    ProgressLines,
    TrainingProgress,
    describe,
    say,
    show_json,
    show_rows,
)
from fusionrec.errors import UsageError
from fusionrec.models.linear_settings import GOALS
from fusionrec.workspace import Workspace, writing

if TYPE_CHECKING:
    from fusionrec.evaluation.model_source import ModelSource
    from fusionrec.evaluation.result import Result


@click.command(
    cls=Command,
    examples=[
        "fusionrec evaluate --protocol next-item --data ml-1m",
        "fusionrec evaluate --protocol rating --data ml-1m --model linear --seeds 0..2",
    ],
)
@training_options.protocol(required=True)
@options.data
@training_options.recipe
@click.option("--seed", type=click.IntRange(0), help="For splits and trainings.  [default: 0]")
@click.option("--seeds", metavar="0,1|0..9", help="Several, each with its own splits.")
@click.option("--folds", metavar="0|0..4", help="Which folds or windows; all by default.")
@training_options.share
@click.option(
    "-k", "k", type=click.IntRange(1), default=10, show_default=True, help="Length of the lists."
)
@click.option("--baseline", "baselines", multiple=True, metavar="NAME", help="Only this baseline.")
@click.option("--baselines-only", is_flag=True, help="Train no model.")
@click.option("--validation", is_flag=True,
              help="next-item, random-holdout: ask for the validation items, to choose "
              "settings.")  # fmt: skip
@click.option("--goal", type=click.Choice([*GOALS, "default"]),
              help="Of auto and linear: what lists are for; default asks without a goal.  "
              "[default: by protocol]")  # fmt: skip
@click.option("--version", metavar="vN", help="Measure this version; refused if it saw the test.")
@click.option(
    "--through-index", default="200", show_default=True, metavar="N|all",
    help="Users who are also asked through Milvus.",
)  # fmt: skip
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Each user's figures, as Parquet.",
)
@options.engine
@click.option("--json", "as_json", is_flag=True, help="All of it as one JSON object.")
@click.pass_context
def evaluate(
    context: click.Context,
    /,
    protocol: str,
    data: str,
    accept: bool,
    allow_remote: bool,
    through_index: str,
    save: Path | None,
    engine: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Measure a model beside baselines, on the same splits.

    The model is trained on each split's training rows alone and thrown away afterwards; or it is a
    version that `fusionrec train --protocol` made.
    """
    from fusionrec.data.catalog import load
    from fusionrec.evaluation.protocols import ProtocolOptions, named

    workspace: Workspace = context.obj
    seed, seeds, folds = (given[name] for name in ("seed", "seeds", "folds"))
    if seed is not None and seeds is not None:
        raise UsageError("give --seed or --seeds, not both")
    chosen = named(protocol)
    asked = ProtocolOptions(
        seeds=_numbers("--seeds", seeds) if seeds is not None else (seed or 0,),
        folds=_numbers("--folds", folds) if folds is not None else None,
        share=given["share"],
        k=given["k"],
        baselines=given["baselines"] or None,
        validation=given["validation"],
        goal=given["goal"],
    )
    chosen.check_options(asked)
    if through_index != "all" and not through_index.isdecimal():
        raise UsageError(f"--through-index is a number of users or all, got {through_index!r}")
    users = None if through_index == "all" else int(through_index)
    if save is not None:
        with writing(save):
            (save.absolute().parent / "..").stat()  # fails unless a folder is there to hold it
    candidate = _candidate(workspace, context, given)
    allowed = {"accept": accept, "allow_remote": allow_remote}
    dataset = load(data, workspace.data, ProgressLines(data), **allowed)
    describe(dataset)
    from fusionrec.evaluation.run import evaluate as run

    result = run(dataset, chosen, asked, candidate, log=say, through_index=users, engine=engine)
    _show(replace(result, command=_command(context)), save, as_json)


def _candidate(
    workspace: Workspace, context: click.Context, given: Mapping[str, Any]
) -> ModelSource | None:
    """The model to measure, from the command's options; None for baselines alone."""
    from fusionrec.evaluation.model_source import TrainedVersion, TrainOnSplit

    version, settings = given["version"], given["settings"]
    if given["baselines_only"]:
        if version is not None:
            raise UsageError("give --baselines-only or --version, not both")
        return None
    if version is None:
        recipe = training_options.read_recipe(
            given["model"],
            given["preset"],
            settings,
            minutes=given["minutes"],
            passes=given["passes"],
        )
        return TrainOnSplit(
            recipe,
            seeded="training.seed" not in training_options.read_settings(settings),
            show=TrainingProgress,
            log=say,
        )
    for name in ("model", "preset", "minutes", "passes", "settings"):
        option = "--set" if name == "settings" else f"--{name}"
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"{version} is trained already; {option} says how to train")
    from fusionrec.registry.versions import load

    return TrainedVersion(load(workspace, version))


def _show(result: Result, save: Path | None, as_json: bool) -> None:
    from fusionrec.evaluation.text_tables import tables

    if save is not None:
        result.save(save)
        say(f"each user's figures are in {save}")
    if as_json:
        show_json(result.to_json())
        return
    for note in result.notes:
        say(f"note: {note}")
    for number, table in enumerate(tables(result)):
        if number:
            click.echo()
        show_rows(table.header, table.rows, table.title)
    if result.index_check:
        click.echo()
        click.echo(result.index_check.line())
    seeds = ", ".join(map(str, dict.fromkeys(result.seeds)))
    say(f"{result.users:,} users tested · seed {seeds} · {result.seconds:.0f} s · {result.machine}")
    say(result.command)


def _numbers(option: str, text: str) -> tuple[int, ...]:
    """``3``, ``0,2`` and ``0..4``, in any mixture."""
    found: list[int] = []
    for part in text.split(","):
        low, dots, high = part.strip().partition("..")
        if not low.isdecimal() or (dots and not high.isdecimal()):
            raise UsageError(f"{option} is such as 0, 0,2 or 0..4, got {text!r}")
        found += range(int(low), int(high or low) + 1)
    if not found or len(found) > 1000 or len(set(found)) < len(found):
        raise UsageError(f"{option} must be distinct numbers, 1 to 1000 of them, got {text!r}")
    return tuple(found)


def _command(context: click.Context) -> str:
    """The command as it was given."""
    words = ["fusionrec", *home_options(), "evaluate"]
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if not given or not parameter.expose_value:
            continue
        value, option = context.params[name], parameter.opts[0]
        for one in value if isinstance(value, tuple) else (value,):
            words += [option] if one is True else [option, str(one)]
    return shlex.join(words)
