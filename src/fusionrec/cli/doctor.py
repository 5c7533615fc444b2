"""The command doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fusionrec.cli import options
from fusionrec.cli.command import Command, with_home
from fusionrec.cli.hints import hint_of
from fusionrec.cli.output import shown
from fusionrec.errors import FusionrecError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionrec.deploy.doctor import Check
    from fusionrec.index import Place
    from fusionrec.workspace import Workspace


@click.command(cls=Command, examples=["fusionrec doctor"])
@options.store
@click.pass_context
def doctor(context: click.Context, version: str | None, place: Place) -> None:
    """Say what is wrong here, and how to mend it."""
    from fusionrec.deploy.doctor import examine

    worst = 0
    for finding in (*_settings(context.obj), *examine(context.obj, version=version, place=place)):
        worst = max(worst, finding.level)
        click.echo(f"{('ok     ', 'warning', 'error  ')[finding.level]}  {shown(finding.text)}")
        if hint := hint_of(finding):
            click.echo(f"         {shown(with_home(hint))}")
    if worst == 2:
        raise FusionrecError("something here is broken", hint="mend the errors above")


def _settings(workspace: Workspace) -> Iterator[Check]:
    """What `serve` will refuse, and what it searches."""
    from fusionrec.deploy.doctor import OK, Check
    from fusionrec.service.settings import ServiceSettings

    try:
        settings = ServiceSettings.of(workspace)
    except FusionrecError as error:
        yield Check.of(error)
    else:
        yield Check(OK, f"serve answers from {settings.searched}")
