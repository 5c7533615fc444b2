"""The command recommend."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from fusionrec.cli import options
from fusionrec.cli.command import Command
from fusionrec.cli.output import ProgressLines, ask, say
from fusionrec.errors import UsageError
from fusionrec.workspace import Workspace


@click.command(
    cls=Command,
    examples=[
        "fusionrec recommend --user 42",
        "fusionrec recommend --age 30 --gender F --year 1980..1999",
    ],
)
@options.person
@options.count
@options.filters
@options.seen(False)
@options.goal
@click.option("--explain", is_flag=True, help="Say why each item is recommended.")
@click.option("--diversity", type=click.FloatRange(0, 1), default=0.0, metavar="0..1",
              help="How different from each other the items should be.")  # fmt: skip
@click.option("--calibration", type=click.FloatRange(0, 1), default=0.0, metavar="0..1",
              help="How closely the mix of categories follows the person's own.")  # fmt: skip
@options.as_json
@click.option("--all", "everybody", is_flag=True, help="For all users of the version, into a file.")
@click.option(
    "-o", "--output", "file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="With --all: the Parquet file, which is replaced if it is there.",
)  # fmt: skip
@options.one_thread
@options.store
@options.copy
@click.pass_obj
def recommend(workspace: Workspace, /, everybody: bool, file: Path | None, **given: Any) -> None:
    """Recommend items to a user, a profile, or whoever likes something.

    These can be combined. A profile given here wins over the stored one; items given count as the
    latest of the person's history, and are left out like it. Without any of them, the answer is the
    most popular items, and says so.

    With --all the answers for all users of the version go into one Parquet file: user, item, rank,
    score and, where the version predicts ratings, stars.
    """
    if everybody:
        _recommend_all(workspace, file, given)
        return
    if file is not None:
        raise UsageError("-o names the file for everybody's answers", "add --all, or leave -o out")
    question = options.read_question(given)
    ask(workspace, lambda recommender, asked: recommender.recommend(**asked), **question)


_FOR_ALL = ("k", "where", "only", "without", "seen", "goal", "file", "version", "home", "everybody")


def _recommend_all(workspace: Workspace, file: Path | None, given: dict[str, Any]) -> None:
    """Answers for all users, into a file whose path is printed.

    Raises:
        UsageError: there is no file, or an option is about one person or one answer.
    """
    from fusionrec.api import Recommender
    from fusionrec.recommend.batch import write_answers

    context = click.get_current_context()
    for option in context.command.params:
        name = option.name or ""
        used = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if used and name not in _FOR_ALL and not name.startswith("where_"):
            raise UsageError(
                f"{option.opts[-1]} does not go with --all",
                "what does: -k, --where, --only, --without, --seen, --goal, --version",
            )
    if file is None:
        raise UsageError("--all needs a file for the answers", "name one: -o recs.parquet")
    batch = Recommender(workspace, version=given["version"]).batch(
        k=given["k"],
        seen=given["seen"],
        goal=given["goal"],
        threads=os.cpu_count() or 1,
        **options.read_filters(given),
    )
    for note in batch.notes:
        say(f"note: {note}")
    started = time.monotonic()
    rows = write_answers(file, batch, ProgressLines("everybody", "users"))
    took, version = time.monotonic() - started, batch.recommender.artifact.version
    say(f"{rows:,} rows for {len(batch):,} users of {version}, {took:.1f} s")
    if batch.with_feedback:
        say(f"{batch.with_feedback:,} of them with what they said since the training")
    if batch.forgotten:
        say(f"note: {batch.forgotten:,} are to be forgotten, and were left out")
    click.echo(file)
