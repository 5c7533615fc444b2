"""The command sample."""

from __future__ import annotations

from pathlib import Path

import click

from fusionrec.cli.command import Command
from fusionrec.cli.output import say


@click.command(cls=Command, examples=["fusionrec sample shop"])
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def sample(folder: Path, seed: int) -> None:
    """Write the files of a made-up shop to try things on.

    Customers, products, and what customers did, to try out how your own files are read. The tastes
    in them are planted, so no figure on them says anything about people.
    """
    from fusionrec.data.samples.shop import write_shop

    write_shop(folder, seed)
    say(f"a made-up shop is in {folder}; see what init makes of it: fusionrec init {folder}")
    click.echo(folder)
