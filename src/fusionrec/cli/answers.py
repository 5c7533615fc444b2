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
@options.count
@options.filters
@click.option("--seen", is_flag=True, help="Items that the user has rated may be in the answer.")
@options.as_json
@options.store
@click.pass_obj
def recommend(
    workspace: Workspace,
    /,
    user: str | None,
    profile: tuple[str, ...],
    where: tuple[str, ...],
    k: int,
    seen: bool,
    as_json: bool,
    version: str | None,
    uri: str | None,
    token: str,
    **given: Any,
) -> None:
    """Recommend items to a user, to a profile, or to both.

    What is said of the person here wins over what is stored. With neither, the answer is the most
    popular items, and is labelled so.
    """
    from fusionrec.recommender import Query
    from fusionrec.versions import open_recommender

    known = options.read_profile(profile, given)
    with open_recommender(workspace, version=version, uri=uri, token=token, talk=say) as opened:
        conditions = options.read_filters(opened.artifact.schema, where, given)
        query = Query(user=user, profile=known, k=k, where=conditions, seen=seen)
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
