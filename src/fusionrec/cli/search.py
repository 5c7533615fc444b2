"""The command search."""

from __future__ import annotations

from typing import Any

import click

from fusionrec.cli import options
from fusionrec.cli.command import Command
from fusionrec.cli.output import ask
from fusionrec.workspace import Workspace


@click.command(
    cls=Command,
    examples=[
        'fusionrec search "sci-fi horror 1970s"',
        "fusionrec search comedy --user 42 --unseen",
    ],
)
@click.argument("words", nargs=-1, required=True)
@options.person
@options.count
@options.filters
@options.seen(True)
@options.goal
@options.as_json
@options.store
@options.copy
@click.pass_obj
def search(workspace: Workspace, /, words: tuple[str, ...], **given: Any) -> None:
    """Find items by WORDS of titles and categories.

    Found are items with one of the words or more, those with more and rarer words first. Words
    find others with their stem, and categories by what people call them (sci-fi, funny); a misspelt
    word is taken for the nearest one. Years and decades (1994, 1970s, since 2000, 1990-1995) are
    conditions, unless a title has them. For a person, this ranking and that by taste are joined by
    reciprocal ranks; an item without any of the words is not found.
    """
    question = options.read_question(given)
    ask(
        workspace,
        lambda recommender, asked: recommender.search(" ".join(words), **asked),
        **question,
    )
