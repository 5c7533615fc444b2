"""The command fetch: finds or downloads a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fusionrec.cli.command import Command
from fusionrec.cli.output import ProgressLines, describe
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    pass


@click.command(cls=Command, examples=["fusionrec fetch ml-1m"])
@click.argument("name")
@click.pass_obj
def fetch(workspace: Workspace, name: str) -> None:
    """Find or download a data set (ml-1m, ml-100k, a path), and check it."""
    from fusionrec.data.catalog import find
    from fusionrec.data.load import read

    path, source = find(name, workspace.data, ProgressLines(name))
    describe(read(path, workspace.data), source)
    click.echo(path)
