"""Commands that answer: recommend, similar, search."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fusionrec.cli import options
from fusionrec.cli.command import Command
from fusionrec.cli.output import ProgressLines, say, show_answer
from fusionrec.cli.serve import one_thread
from fusionrec.errors import UsageError
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.index import Place
    from fusionrec.recommend.query import Query
    from fusionrec.recommend.recommender import Recommender


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
@one_thread
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
    from fusionrec.deploy.open import open_recommender

    if given.pop("everybody"):
        _refuse_with_all()
        _recommend_all(workspace, version, file, k, seen, given)
        return
    if file is not None:
        raise UsageError("-o names the file for everybody's answers", "add --all, or leave -o out")
    with open_recommender(workspace, version=version, place=place, log=say) as opened:
        query = _query(workspace, opened, k, seen, given)
        wished = replace(query, explain=explain, diversity=diversity, calibration=calibration)
        show_answer(opened.recommend(wished), as_json, opened.artifact.schema)


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
    from fusionrec.deploy.open import open_exactly
    from fusionrec.ledger import Ledger
    from fusionrec.recommend.batch import BatchRecommender, write_answers
    from fusionrec.recommend.feedback import Feedback
    from fusionrec.recommend.query import Query

    if file is None:
        raise UsageError("--all needs a file for the answers", "name one: -o recs.parquet")
    recommender = open_exactly(workspace, version).recommender
    where = options.read_filters(recommender.artifact.schema, given["where"], given)
    wished = Query(k=k, where=where, seen=seen)
    feedback = Feedback(Ledger(workspace.ledger))
    everyone = BatchRecommender(recommender, feedback, wished, threads=os.cpu_count() or 1)
    finder = recommender.finder
    for note in (*finder.unknown(where), *finder.missed(where)):
        say(f"note: {note}")
    started = time.monotonic()
    rows = write_answers(file, everyone, ProgressLines("everybody", "users"))
    took = time.monotonic() - started
    say(
        f"{rows:,} rows for {len(everyone):,} users of {recommender.artifact.version}, {took:.1f} s"
    )
    if everyone.heard:
        say(f"{everyone.heard:,} of them with what they said since the training")
    if everyone.forgotten:
        say(f"note: {everyone.forgotten:,} are to be forgotten, and were left out")
    click.echo(file)


@click.command(
    cls=Command,
    examples=["fusionrec similar 260", "fusionrec similar 260 --year 1990.."],
)
@click.argument("item")
@options.count
@options.filters
@options.as_json
@options.store
@click.pass_obj
def similar(
    workspace: Workspace,
    /,
    item: str,
    where: tuple[str, ...],
    k: int,
    as_json: bool,
    version: str | None,
    place: Place,
    **given: Any,
) -> None:
    """Find the items whose vectors are nearest to ITEM's.

    ITEM is an id or a title.
    """
    from fusionrec.deploy.open import open_recommender

    with open_recommender(workspace, version=version, place=place, log=say) as opened:
        conditions = options.read_filters(opened.artifact.schema, where, given)
        answer = opened.similar(_named(opened, item), k, conditions)
        show_answer(answer, as_json, opened.artifact.schema)


@click.command(
    cls=Command,
    examples=['fusionrec search "space opera 1970s"', "fusionrec search comedy --user 42 --unseen"],
)
@click.argument("words", nargs=-1, required=True)
@person
@options.count
@options.filters
@seen(True)
@options.as_json
@options.store
@click.pass_obj
def search(
    workspace: Workspace,
    /,
    words: tuple[str, ...],
    k: int,
    seen: bool,
    as_json: bool,
    version: str | None,
    place: Place,
    **given: Any,
) -> None:
    """Find items by WORDS of titles and categories.

    A year is a word too, and a decade such as 1970s. An item is found that holds one of the words
    or more, ranked by BM25. Said for whom, the ranking of the words and that by the person's taste
    are joined by reciprocal ranks; an item that is only to their taste is not found.
    """
    from fusionrec.deploy.open import open_recommender

    with open_recommender(workspace, version=version, place=place, log=say) as opened:
        query = _query(workspace, opened, k, seen, given)
        show_answer(opened.search(" ".join(words), query), as_json, opened.artifact.schema)


def _query(
    workspace: Workspace, opened: Recommender, k: int, seen: bool, given: dict[str, Any]
) -> Query:
    """The query in a command's options, with what its user said since the training."""
    from fusionrec.ledger import Ledger
    from fusionrec.recommend.feedback import Feedback
    from fusionrec.recommend.query import Query

    schema = opened.artifact.schema
    known = options.read_profile(given["profile"], given)
    conditions = options.read_filters(schema, given["where"], given)
    history = opened.named(options.read_history(schema, given["liked"], given["rated"]))
    query = Query(given["user"], known, history, k=k, where=conditions, seen=seen)
    return Feedback(Ledger(workspace.ledger)).enrich(query, opened.catalog)


def _named(opened: Recommender, text: str) -> str:
    """The id of the item that is meant; what is neither an id nor a title stays what it is."""
    return opened.finder.item(text) or text
