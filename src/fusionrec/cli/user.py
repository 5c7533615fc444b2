"""The command user."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from fusionrec.cli import options
from fusionrec.cli.command import Command
from fusionrec.cli.output import cell, say, show_json, show_rows
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.data.schema import Schema
    from fusionrec.recommend.user_history import KnownUser, Said


@click.command(cls=Command, examples=["fusionrec user 42", "fusionrec user 42 -k 3 --json"])
@click.argument("user")
@options.count
@options.version
@options.as_json
@click.pass_obj
def user(workspace: Workspace, user: str, k: int, version: str | None, as_json: bool) -> None:
    """Show USER's profile, and what they rated or took.

    The newest first: what training knew, and what was told since.
    """
    from fusionrec.api import Recommender

    with Recommender(workspace, version=version, log=say) as recommender:
        found = recommender.user(user, k=k)
        if as_json:
            show_json(found.to_json())
            return
        _show(found, recommender.schema, recommender.version)


def _show(found: KnownUser, schema: Schema, version: str) -> None:
    noun = "interaction" if schema.events else "rating"
    trained = f"{found.trained:,} {noun}{'' if found.trained == 1 else 's'}"
    known = f"{version} knows {found.id} by {trained}"
    say(known if found.known else f"{version} was not trained with {found.id}")
    if profile := _profile(found.profile, schema):
        say(f"profile: {profile}")
    if told := ", ".join(f"{count:,} {kind}" for kind, count in found.events.items()):
        say(f"told since: {told}")
    if found.said:
        rated = any(one.rating is not None for one in found.said)
        header = ["When", "Id", "Title", "What", *(["Rating"] if rated else []), "Told"]
        show_rows(header, [_row(one, rated) for one in found.said])
    if found.more:
        say(f"there is more: fusionrec user {shlex.quote(found.id)} -k {10 * len(found.said)}")


def _profile(profile: Mapping[str, Any], schema: Schema) -> str:
    """The attributes as people read them: by heading and label."""
    fields = {field.name: field for field in schema.attributes("user")}
    said = []
    for name, value in profile.items():
        field = fields.get(name)
        values: Sequence[Any] = value if isinstance(value, list) else [value]
        labels = [field.choices.get(str(one), cell(one)) if field else cell(one) for one in values]
        said.append(f"{field.heading if field else name} {', '.join(labels)}")
    return "; ".join(said)


def _row(one: Said, rated: bool) -> list[str]:
    when = "" if one.time is None else f"{datetime.fromtimestamp(one.time, UTC):%Y-%m-%d %H:%M}"
    rating = [cell(one.rating)] if rated else []
    return [when, one.item, one.title, one.kind, *rating, "since" if one.since else "in training"]
