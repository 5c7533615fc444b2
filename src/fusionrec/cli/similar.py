"""The command similar."""

from __future__ import annotations

from typing import Any

import click

from fusionrec.cli import options
from fusionrec.cli.command import Command
from fusionrec.cli.output import ask
from fusionrec.workspace import Workspace


@click.command(
    cls=Command, examples=["fusionrec similar 260", "fusionrec similar 260 --year 1990.."]
)
@click.argument("item")
@options.count
@options.filters
@options.as_json
@options.store
@options.copy
@click.pass_obj
def similar(workspace: Workspace, /, item: str, **given: Any) -> None:
    """Find the items whose vectors are nearest to ITEM's.

    ITEM is an id or a title.
    """
    question = options.read_question(given)
    ask(workspace, lambda recommender, asked: recommender.similar(item, **asked), **question)
