"""The command search: items by words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fusionrec.cli import options
from fusionrec.cli.command import Command
from fusionrec.cli.recommend import open_recommender, person, person_options, seen, show
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.index import Place


@click.command(
    cls=Command,
    examples=[
        'fusionrec search "sci-fi horror 1979"',
        "fusionrec search comedy --user 42 --unseen",
    ],
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
    with open_recommender(workspace, version, place) as recommender:
        answer = recommender.search(" ".join(words), k=k, seen=seen, **person_options(given))
        show(answer, recommender, as_json)
