"""The command fetch."""

from __future__ import annotations

import click

from fusionrec.cli.command import Command
from fusionrec.cli.output import ProgressLines, describe
from fusionrec.errors import UsageError
from fusionrec.workspace import Workspace


@click.command(cls=Command, examples=["fusionrec fetch ml-1m"])
@click.argument("name")
@click.pass_obj
def fetch(workspace: Workspace, name: str) -> None:
    """Find or download a data set (ml-1m, ml-100k, a path), and check it."""
    from fusionrec.data.catalog import SYNTHETIC, find
    from fusionrec.data.load import read

    if name == SYNTHETIC:
        raise UsageError(
            f"{name} is made up when it is used: there are no files to fetch",
            f"use it at once: fusionrec train --data {name}",
        )
    path, source = find(name, workspace.data, ProgressLines(name))
    describe(read(path, workspace.data), source)
    click.echo(path)
