"""Commands that begin with files of one's own: init, sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusionrec.cli.command import Command
from fusionrec.cli.output import say
from fusionrec.errors import UsageError

if TYPE_CHECKING:
    from fusionrec.data.inference.infer import InferredSpec


@click.command(cls=Command, examples=["fusionrec init shop"])
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Write over a fusionrec.toml that is there.")
@click.option("--name", default="", help="What the data set is called.  [default: the folder's]")
def init(folder: Path, force: bool, name: str) -> None:
    """Guess what the files in a folder hold, and write fusionrec.toml.

    The file stands in DIR; `fusionrec train --data DIR` reads it.

    CSV, TSV, JSON Lines and Parquet are looked at, packed by gzip or Zstandard or not. Each guess
    stands in the file with its reason; change what is wrong.
    """
    from fusionrec.data.inference.infer import guess
    from fusionrec.data.inference.toml_writer import toml_text, write_new
    from fusionrec.data.tabular.spec import NAME, read_description

    file = folder / NAME
    if file.exists() and not force:
        raise UsageError(f"{file} is there already", "change it by hand, or write it anew: --force")
    guessed = guess(folder, name)
    write_new(file, toml_text(guessed))
    read_description(file)
    _summary(guessed)
    say(f"look through it, then: fusionrec check {folder}, and fusionrec train --data {folder}")
    click.echo(file)


def _summary(guessed: InferredSpec) -> None:
    """What was found, a line for each table, on stderr."""
    from fusionrec.data.inference.name_hints import RATING, has

    columns = {line.key: str(line.value) for line in guessed.interactions}
    beside = [key for key in ("rating", "count", "event", "time") if key in columns]
    says = "".join(f", {key} {columns[key]}" for key in beside)
    say(f"who took what: {columns['files']} (user {columns['user']}, item {columns['item']}{says})")
    if "rating" not in columns:
        for column, why in guessed.left.items():
            if has(column, RATING):
                say(f"warning: {_plain(column)} is not taken for a rating: {_plain(why)}")
    for doubt in guessed.doubts:
        say(f"warning: {_plain(doubt)}")
    for side, table in (("users", guessed.users), ("items", guessed.items)):
        if table is None:
            say(f"{side}: no file tells of them; they are known by id alone")
            continue
        names = ", ".join(f"{a.name} ({a.column.kind})" for a in table.attributes.kept)
        say(f"{side}: {table.lines[0].value} by {table.lines[1].value}: {names or 'the id alone'}")
        if left := list(table.attributes.left):
            say(f"  left out: {', '.join(left)}")
    if guessed.unused:
        say(f"not used: {', '.join(guessed.unused)}")
    for file, why in guessed.refused.items():
        says = f"{_plain(file)} is not used: {_plain(why)}"
        say(f"warning: {says}; when it is mended, run init with --force")


def _plain(text: str) -> str:
    """A text of a file, harmless on a terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


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
