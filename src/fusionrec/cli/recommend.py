"""The command recommend."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fusionrec.cli import options
from fusionrec.cli.command import Command
from fusionrec.cli.output import ProgressLines, ask, say, show_json, show_rows
from fusionrec.errors import UsageError
from fusionrec.processors import processors
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.index import Place


@click.command(
    cls=Command,
    examples=[
        "fusionrec recommend --age 30 --gender F --year 1980..1999",
        "fusionrec recommend --user 42 --why-not 318",
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
@click.option("--why-not", "item", metavar="ITEM",
              help="Say why an item is not in the list: barred, filtered, its rank.")  # fmt: skip
@options.as_json
@click.option("--all", "everybody", is_flag=True, help="For all users of the version, as Parquet.")
@click.option(
    "-o", "--output", "file", type=click.Path(path_type=Path), metavar="FILE|FOLDER",
    help="With --all: a name that ends in .parquet is one file, which is replaced if it is there; "
    "any other is a folder.",
)  # fmt: skip
@click.option(
    "--shards", type=click.IntRange(1), metavar="N",
    help="With --all: files of the folder, each for some of the users.  [default: one for 65,536 "
    "users]",
)  # fmt: skip
@options.engine
@options.one_thread
@options.store
@options.copy
@click.pass_obj
def recommend(workspace: Workspace, /, everybody: bool, file: Path | None, **given: Any) -> None:
    """Recommend items to a user, a profile, or whoever likes something.

    These can be combined. A profile given here wins over the stored one; items given count as the
    latest of the person's history, and are left out like it. Without any of them, the answer is the
    most popular items, and says so.

    With --all the answers for all users of the version are written as Parquet: user, item, rank,
    score and, where the version predicts ratings, stars. A folder is written shard by shard; if the
    command is ended, the same command goes on where it was.
    """
    if everybody:
        _recommend_all(workspace, file, given)
        return
    shards, engine = given.pop("shards"), given.pop("engine")
    if file is not None or shards is not None or engine != "process":
        raise UsageError(
            "-o, --shards and --engine are about everybody's answers",
            "add --all, or leave them out",
        )
    question = options.read_question(given)
    item = question.pop("item")
    if item is not None:
        _why_not(workspace, item, **question)
        return
    ask(workspace, lambda recommender, asked: recommender.recommend(**asked), **question)


_ORDER = ("explain", "diversity", "calibration")  # not of an item that is asked about


def _why_not(
    workspace: Workspace,
    item: str,
    *,
    version: str | None,
    place: Place,
    copy: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Shows where an item stands in a list whose order is by scores alone."""
    from fusionrec.api import Recommender

    if any(asked.pop(name) for name in _ORDER):
        raise UsageError(
            "--why-not is about the order by scores",
            "leave --explain, --diversity and --calibration out",
        )
    options: dict[str, Any] = {"version": version, "milvus": place, "copy": copy}
    with Recommender(workspace, **options, log=say) as recommender:
        found = recommender.why_not(item, **asked)
    if as_json:
        show_json(found.to_json())
        return
    click.echo(f"{found.title}: {found.text}")
    if found.reason:
        click.echo(f"What speaks for it: {found.reason}")
    if found.parts:
        rows = [
            [part.name, f"{part.item:.3f}", "" if part.last is None else f"{part.last:.3f}"]
            for part in found.parts
        ]
        show_rows(["Part", "It", "The last one shown"], rows)


_FOR_ALL = (
    "k", "where", "only", "without", "seen", "goal", "file", "shards", "engine", "version", "home",
    "everybody",
)  # fmt: skip


def _recommend_all(workspace: Workspace, file: Path | None, given: dict[str, Any]) -> None:
    """Answers for all users, into a file or a folder whose path is printed.

    Raises:
        UsageError: there is no file, or an option is about one person or one answer.
    """
    from fusionrec.api import Recommender, is_one_file
    from fusionrec.recommend.batch import write_answers

    _check_options()
    if file is None:
        raise UsageError(
            "--all needs a file or a folder for the answers", "name one: -o recs.parquet"
        )
    shards, engine, threads = given["shards"], given["engine"], processors()
    one = is_one_file(file, shards, engine)
    recommender = Recommender(workspace, version=given["version"])
    batch = recommender.batch(
        k=given["k"],
        seen=given["seen"],
        goal=given["goal"],
        threads=threads,
        now=None if one else recommender.begun(file),
        **options.read_filters(given),
    )
    for note in batch.notes:
        say(f"note: {note}")
    started, progress = time.monotonic(), ProgressLines("everybody", "users")
    if one:
        rows = write_answers(file, batch, progress)
    else:
        how = {"shards": shards, "engine": engine}
        rows = recommender.write_shards(file, batch, **how, progress=progress, log=say)
    took, version = time.monotonic() - started, batch.recommender.artifact.version
    say(f"{rows:,} rows for {len(batch):,} users of {version}, {took:.1f} s")
    if batch.with_feedback:
        say(f"{batch.with_feedback:,} of them with what they said since the training")
    if batch.forgotten:
        say(f"note: {batch.forgotten:,} are to be forgotten, and were left out")
    click.echo(file)


def _check_options() -> None:
    """Refuses options that are about one person or one answer."""
    context = click.get_current_context()
    for option in context.command.params:
        name = option.name or ""
        used = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if used and name not in _FOR_ALL and not name.startswith("where_"):
            raise UsageError(
                f"{option.opts[-1]} does not go with --all",
                "what does: -k, --where, --only, --without, --seen, --goal, --shards, --engine, "
                "--version",
            )
