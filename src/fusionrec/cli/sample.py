"""The command sample: files of a made-up shop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusionrec.cli.command import Command
from fusionrec.cli.output import say

if TYPE_CHECKING:
    pass


@click.command(cls=Command, examples=["fusionrec sample shop"])
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def sample(folder: Path, seed: int) -> None:
    """Write the files of a made-up shop to try things on.

    Customers, products, and what customers did, for trying out how files of one's own are read. The
    tastes in them are planted, so no figure on them says anything of people.
    """
    from fusionrec.data.samples.shop import write_shop

    write_shop(folder, seed)
    say(f"a made-up shop is in {folder}; see what init makes of it: fusionrec init {folder}")
    click.echo(folder)
