"""The commands recommend, similar and search: answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fusionrec.cli import options
from fusionrec.cli.command import Command
from fusionrec.cli.hints import hint_of
from fusionrec.cli.output import ProgressLines, say, show_answer
from fusionrec.errors import UsageError
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.api import Recommender
    from fusionrec.recommend.answer import Answer


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
    _answer(workspace, given, lambda recommender, asked: recommender.recommend(**asked))


_FOR_ALL = ("k", "where", "only", "without", "seen", "everybody", "file", "version", "home")


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
                "what does: -k, --where, --only, --without, --seen, --version",
            )
    if file is None:
        raise UsageError("--all needs a file for the answers", "name one: -o recs.parquet")
    batch = Recommender(workspace, version=given["version"]).batch(
        k=given["k"], seen=given["seen"], threads=os.cpu_count() or 1, **options.read_filters(given)
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


def _answer(
    workspace: Workspace,
    given: dict[str, Any],
    ask: Callable[[Recommender, dict[str, Any]], Answer],
) -> None:
    """Opens a version, asks it, and shows the answer.

    Args:
        workspace: the workspace.
        given: a command's options.
        ask: asks the recommender, with the question's arguments by their names.
    """
    from fusionrec.api import Recommender

    version, place, as_json = (given.pop(name) for name in ("version", "place", "as_json"))
    asked = options.read_question(given)
    with Recommender(workspace, version=version, milvus=place, log=say) as recommender:
        show_answer(ask(recommender, asked), as_json, recommender.schema)
        if recommender.problem is not None and (hint := hint_of(recommender.problem)):
            say(f"hint: {hint}")


@click.command(
    cls=Command, examples=["fusionrec similar 260", "fusionrec similar 260 --year 1990.."]
)
@click.argument("item")
@options.count
@options.filters
@options.as_json
@options.store
@click.pass_obj
def similar(workspace: Workspace, /, item: str, **given: Any) -> None:
    """Find the items whose vectors are nearest to ITEM's.

    ITEM is an id or a title.
    """
    _answer(workspace, given, lambda recommender, asked: recommender.similar(item, **asked))


@click.command(
    cls=Command,
    examples=[
        'fusionrec search "sci-fi horror 1979"',
        "fusionrec search comedy --user 42 --unseen",
    ],
)
@click.argument("words", nargs=-1, required=True)
@options.person
@options.count
@options.filters
@options.seen(True)
@options.as_json
@options.store
@click.pass_obj
def search(workspace: Workspace, /, words: tuple[str, ...], **given: Any) -> None:
    """Find items by WORDS of titles and categories.

    A year is a word too, and a decade such as 1970s. Found are items that hold one of the words or
    more, ranked by BM25. For a person, this ranking and that by taste are joined by reciprocal
    ranks; an item without any of the words is not found.
    """
    text = " ".join(words)
    _answer(workspace, given, lambda recommender, asked: recommender.search(text, **asked))
