"""Commands that answer: recommend, similar."""

from __future__ import annotations

from typing import Any

import click

from fusionrec.cli import options
from fusionrec.cli.output import say, show_answer
from fusionrec.config import Workspace


@click.command()
@click.option("--user", metavar="ID", help="A user of the training data.")
@options.profile
@click.option(
    "--liked", multiple=True, metavar="ITEM", help="An item that the person likes; may be repeated."
)
@click.option(
    "--rated", multiple=True, metavar="ITEM=RATING", help="An item with the person's rating of it."
)
@options.count
@options.filters
@click.option("--seen", is_flag=True, help="Items that the person has rated may be in the answer.")
@options.as_json
@options.store
@click.pass_obj
def recommend(
    workspace: Workspace,
    /,
    user: str | None,
    profile: tuple[str, ...],
    liked: tuple[str, ...],
    rated: tuple[str, ...],
    where: tuple[str, ...],
    k: int,
    seen: bool,
    as_json: bool,
    version: str | None,
    uri: str | None,
    token: str,
    **given: Any,
) -> None:
    """Recommend items to a user, to a profile, to someone who likes some items, or any mixture.

    A profile given here wins over what is stored; items given come after those stored, and are left
    out as those are. With nothing said, the answer is the most popular items, and is labelled so.
    """
    from fusionrec.people import Query
    from fusionrec.versions import open_recommender

    known = options.read_profile(profile, given)
    with open_recommender(workspace, version=version, uri=uri, token=token, talk=say) as opened:
        conditions = options.read_filters(opened.artifact.schema, where, given)
        history = options.read_history(opened.artifact.schema, liked, rated)
        query = Query(user, known, history, k, conditions, seen)
        show_answer(opened.recommend(query), as_json)


@click.command()
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
    uri: str | None,
    token: str,
    **given: Any,
) -> None:
    """Items whose vectors are nearest to the vector of ITEM, an item's id."""
    from fusionrec.versions import open_recommender

    with open_recommender(workspace, version=version, uri=uri, token=token, talk=say) as opened:
        conditions = options.read_filters(opened.artifact.schema, where, given)
        show_answer(opened.similar(item, k, conditions), as_json)


COMMANDS = (recommend, similar)
