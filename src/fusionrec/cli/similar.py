"""The command similar: items like an item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fusionrec.cli import options
from fusionrec.cli.command import Command
from fusionrec.cli.recommend import open_recommender, show
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.index import Place


@click.command(
    cls=Command, examples=["fusionrec similar 260", "fusionrec similar 260 --year 1990.."]
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
    k: int,
    as_json: bool,
    version: str | None,
    place: Place,
    **given: Any,
) -> None:
    """Find the items whose vectors are nearest to ITEM's.

    ITEM is an id or a title.
    """
    with open_recommender(workspace, version, place) as recommender:
        show(recommender.similar(item, k=k, **options.read_filters(given)), recommender, as_json)
