"""The command train."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from fusionrec.cli import options, training_options
from fusionrec.cli.command import Command
from fusionrec.cli.output import ProgressLines, TrainingProgress, describe, say
from fusionrec.cli.worth import show_worth
from fusionrec.errors import UsageError
from fusionrec.models.fusion_settings import DEVICES
from fusionrec.models.presets import AnyRecipe, with_goals
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.data.dataset import Dataset
    from fusionrec.evaluation.protocols import Protocol, ProtocolOptions
    from fusionrec.evaluation.training_split import TrainingSplit
    from fusionrec.registry import Artifact


@click.command(
    cls=Command,
    examples=[
        "fusionrec train --data ml-1m --minutes 10",
        "fusionrec train --data ml-1m --model sequence --set training.epochs=5",
    ],
)
@options.data
@training_options.recipe
@click.option("--seed", type=click.IntRange(0), help="For everything random, including the split.")
@training_options.protocol(required=False)
@click.option("--fold", type=click.IntRange(0), help="Which of the protocol's folds or windows.")
@training_options.share
@click.option("--validation", is_flag=True,
              help="Leave out what `evaluate --validation` asks for, too.")  # fmt: skip
@click.option("--with-feedback", is_flag=True,
              help="Also on what users said since, with the items as they are now.")  # fmt: skip
@click.option("--from", "start", metavar="VERSION",
              help="Learn on from a version's weights, on data that has grown; its settings hold "
              "unless --model or --preset is given.")  # fmt: skip
@click.option("--device", type=click.Choice(DEVICES),
              help="Where the network is trained; auto: on a GPU if PaddlePaddle can use one.  "
              "[default: auto]")  # fmt: skip
@click.option("--resume", is_flag=True, help="Continue from the checkpoint of the same training.")
@click.pass_obj
def train(
    workspace: Workspace,
    data: str,
    accept: bool,
    allow_remote: bool,
    model: str,
    preset: str | None,
    minutes: float | None,
    passes: int | None,
    settings: tuple[str, ...],
    seed: int | None,
    protocol: str | None,
    fold: int | None,
    share: float | None,
    validation: bool,
    with_feedback: bool,
    start: str | None,
    device: str | None,
    resume: bool,
) -> None:
    """Train a model and save it as a new version.

    With --protocol it sees the training rows of that protocol's split alone, so that
    `fusionrec evaluate --protocol P --version vN` may measure it.
    """
    from fusionrec.data.catalog import load

    begun = None
    if start is not None:
        from fusionrec.registry import versions

        begun = versions.load(workspace, start)
    recipe = training_options.read_recipe(
        model, preset, settings,
        seed=seed, minutes=minutes, passes=passes, device=device, start=begun,
    )  # fmt: skip
    asked = _protocol_split(protocol, fold, share, validation, seed)
    if asked is not None:
        recipe = with_goals(recipe, asked[0].goals, asked[0].rates)
    allowed = {"accept": accept, "allow_remote": allow_remote}
    dataset = load(data, workspace.data, ProgressLines(data), **allowed)
    if with_feedback:
        dataset = add_feedback(workspace, dataset)
    describe(dataset)
    part = None
    if asked is not None:
        from fusionrec.evaluation.training_split import training_split

        part = training_split(dataset, *asked)
        say(f"training on {len(part.rows):,} ratings of them: {protocol}, {part.about['split']}")
    artifact = run_training(workspace, dataset, recipe, resume, part, start=begun)
    if part is None:
        say("put it into Milvus with: fusionrec index")
    else:
        given = shlex.join(["--data", data, "--version", artifact.version])
        say(f"measure it with: {part.command} {given}")
    click.echo(artifact.version)


def add_feedback(workspace: Workspace, dataset: Dataset) -> Dataset:
    """The data set with what users said; warns if it is not the active version's."""
    from fusionrec.ledger import Ledger
    from fusionrec.recommend import feedback_dataset
    from fusionrec.registry import versions

    if warning := feedback_dataset.other_data(dataset, versions.active_dataset(workspace)):
        say(f"note: {warning}")
    return feedback_dataset.with_feedback(dataset, Ledger.of(workspace))


def _protocol_split(
    protocol: str | None, fold: int | None, share: float | None, validation: bool, seed: int | None
) -> tuple[Protocol, ProtocolOptions] | None:
    """The protocol whose split is trained on, and which split; None for all rows."""
    if protocol is None:
        given = {
            "--fold": fold is not None,
            "--share": share is not None,
            "--validation": validation,
        }
        for name, is_given in given.items():
            if is_given:
                raise UsageError(f"{name} chooses a protocol's split", "name it with --protocol")
        return None
    from fusionrec.evaluation.protocols import ProtocolOptions, named

    folds = None if fold is None else (fold,)
    asked = ProtocolOptions(seeds=(seed or 0,), folds=folds, share=share, validation=validation)
    named(protocol).check_options(asked)
    return named(protocol), asked


def run_training(
    workspace: Workspace,
    dataset: Dataset,
    recipe: AnyRecipe,
    resume: bool,
    part: TrainingSplit | None = None,
    command: Sequence[str] = ("fusionrec",),
    start: Artifact | None = None,
) -> Artifact:
    """Trains and publishes a version, and shows how far it is; ``command`` is what was called, and
    ``start`` the version that it begins with.

    Raises:
        UsageError: ``resume``, and there is no checkpoint of this training.
    """
    if recipe.name != "linear":
        say("starting PaddlePaddle")
    with _defer_interrupt():
        from fusionrec.registry.writer import MADE_BY, without_secrets
        from fusionrec.training.train import has_checkpoint, import_engine
        from fusionrec.training.train import train as run

        import_engine(recipe)

    rows, about = (part.rows, part.about) if part else (None, None)
    dataset = part.dataset if part else dataset
    if resume and not has_checkpoint(workspace, dataset, recipe, rows, start):
        raise UsageError(
            "there is no checkpoint of a training on this data with these settings",
            hint="give the options it was begun with, or leave out --resume to start afresh",
        )
    if resume:
        say("going on from the checkpoint; the epochs before it are shown again")
    started = time.monotonic()
    MADE_BY.set(without_secrets(shlex.join([*command, *sys.argv[1:]])))
    try:
        with TrainingProgress() as report:
            artifact = run(
                dataset, recipe, workspace, report,
                rows=rows, part=about, resume=resume, start=start, log=say,
            )  # fmt: skip
    except KeyboardInterrupt:
        if has_checkpoint(workspace, dataset, recipe, rows, start):
            arguments = [argument for argument in sys.argv[1:] if argument != "--resume"]
            again = shlex.join([*command, *arguments, "--resume"])
            say(f"stopped; a checkpoint is kept. To go on: {again}")
        else:
            say("stopped before the first minibatch: there is nothing to go on from")
        raise
    trained = artifact.manifest["training"]
    epochs, best = len(trained["epochs"]), trained["best_epoch"]
    judged = trained["epochs"] and trained["epochs"][0]["validation"] is not None
    of = (
        f" (best of {epochs} epochs: {best})" if judged else f" ({epochs} epochs, nothing held out)"
    )
    of = "" if artifact.has_parts else of
    say(f"saved {artifact.version} after {time.monotonic() - started:.0f} s{of}")
    show_worth(artifact)
    return artifact


@contextmanager
def _defer_interrupt() -> Iterator[None]:
    """Delays Ctrl-C, since Paddle's import takes an interruption for a fault of its own."""
    presses: list[int] = []
    main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, lambda *_: presses.append(1)) if main_thread else None
    try:
        yield
    finally:
        if main_thread:
            signal.signal(signal.SIGINT, before)
    if presses:
        raise KeyboardInterrupt
