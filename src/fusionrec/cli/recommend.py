"""The command recommend, and what it shares with similar and search."""

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
    from fusionrec.index import Place
    from fusionrec.recommend.answer import Answer


def person(command: options.F) -> options.F:
    """Who is asked: ``user``, ``profile`` and MovieLens' names for it, ``liked``, ``rated``."""
    rated = click.option(
        "--rated", multiple=True, metavar="ITEM=RATING",
        help="An item, by id or title, with the person's rating of it.",
    )  # fmt: skip
    liked = click.option(
        "--liked", multiple=True, metavar="ITEM",
        help="An item that the person likes, by id or title; may be repeated.",
    )  # fmt: skip
    user = click.option("--user", metavar="ID", help="A user of the training data.")
    return user(options.profile(liked(rated(command))))


def seen(default: bool) -> Callable[[options.F], options.F]:
    """Whether items that the person has rated may be in the answer: ``seen``."""
    return click.option(
        "--seen/--unseen", default=default, show_default=True,
        help="Whether items that the person has rated may be in the answer.",
    )  # fmt: skip


def wishes(command: options.F) -> options.F:
    """What else is wished of the answer: ``explain``, ``diversity`` and ``calibration``."""
    explain = click.option("--explain", is_flag=True, help="Say why each item is recommended.")
    share = click.FloatRange(0, 1)
    diverse = click.option(
        "--diversity", type=share, default=0.0, metavar="0..1",
        help="How much unlike each other the items shall be.",
    )  # fmt: skip
    mixed = click.option(
        "--calibration", type=share, default=0.0, metavar="0..1",
        help="How much their categories shall mix as in what the person likes.",
    )  # fmt: skip
    return explain(diverse(mixed(command)))


def everybody(command: options.F) -> options.F:
    """Whether all users are meant, and where their answers go: ``everybody`` and ``file``."""
    every = click.option(
        "--all", "everybody", is_flag=True, help="For all users of the version, into a file."
    )
    output = click.option(
        "-o", "--output", "file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
        help="With --all: the Parquet file, which is replaced if it is there.",
    )  # fmt: skip
    return every(output(command))


@click.command(
    cls=Command,
    examples=[
        "fusionrec recommend --user 42",
        "fusionrec recommend --age 30 --gender F --year 1980..1999",
    ],
)
@person
@options.count
@options.filters
@seen(False)
@wishes
@options.as_json
@everybody
@options.one_thread
@options.store
@click.pass_obj
def recommend(
    workspace: Workspace,
    /,
    k: int,
    seen: bool,
    explain: bool,
    diversity: float,
    calibration: float,
    as_json: bool,
    version: str | None,
    place: Place,
    file: Path | None,
    **given: Any,
) -> None:
    """Recommend items to a user, a profile, or whoever likes something.

    Any mixture of them will do. A profile given here wins over what is stored; items given come
    after those stored, and are left out as those are. With nothing said, the answer is the most
    popular items, and is labelled so.

    With --all the answers for all users of the version go into one Parquet file: user, item, rank,
    score and, where the version predicts ratings, stars.
    """
    if given.pop("everybody"):
        _refuse_with_all()
        _recommend_all(workspace, version, file, k, seen, given)
        return
    if file is not None:
        raise UsageError("-o names the file for everybody's answers", "add --all, or leave -o out")
    wanted: dict[str, Any] = {"explain": explain, "diversity": diversity}
    with open_recommender(workspace, version, place) as recommender:
        answer = recommender.recommend(
            k=k, seen=seen, calibration=calibration, **wanted, **person_options(given)
        )
        show(answer, recommender, as_json)


_FOR_ALL = ("k", "where", "only", "without", "seen", "everybody", "file", "version", "home")


def _refuse_with_all() -> None:
    """Refuses what is said of one person, or of how one answer is made.

    Raises:
        UsageError: such an option was given.
    """
    context = click.get_current_context()
    for option in context.command.params:
        name = option.name or ""
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and name not in _FOR_ALL and not name.startswith("where_"):
            raise UsageError(
                f"{option.opts[-1]} does not go with --all",
                "what does: -k, --where, --only, --without, --seen, --version",
            )


def _recommend_all(
    workspace: Workspace,
    version: str | None,
    file: Path | None,
    k: int,
    seen: bool,
    given: dict[str, Any],
) -> None:
    """Answers for all users, into a file whose path is printed."""
    from fusionrec.api import Recommender
    from fusionrec.recommend.batch import write_answers

    if file is None:
        raise UsageError("--all needs a file for the answers", "name one: -o recs.parquet")
    batch = Recommender(workspace, version=version).batch(
        k=k, seen=seen, threads=os.cpu_count() or 1, **options.read_filters(given)
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


def open_recommender(workspace: Workspace, version: str | None, place: Place) -> Recommender:
    from fusionrec.api import Recommender

    return Recommender(workspace, version=version, milvus=place, log=say)


def person_options(given: dict[str, Any]) -> dict[str, Any]:
    """For whom it is asked, and under which conditions, from a command's options."""
    return {
        "user": given["user"],
        "profile": options.read_profile(given["profile"], given),
        "liked": given["liked"],
        "rated": options.read_rated(given["rated"]),
        **options.read_filters(given),
    }


def show(answer: Answer, recommender: Recommender, as_json: bool) -> None:
    show_answer(answer, as_json, recommender.schema)
    if recommender.problem is not None and (hint := hint_of(recommender.problem)):
        say(f"hint: {hint}")
