"""The command init."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusionrec.cli.command import Command
from fusionrec.cli.output import say
from fusionrec.errors import UsageError
from fusionrec.workspace import write_text

if TYPE_CHECKING:
    from fusionrec.data.detection.infer import InferredSpec


@click.command(cls=Command, examples=["fusionrec init shop"])
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite an existing fusionrec.toml.")
@click.option("--name", default="", help="What the data set is called.  [default: the folder's]")
def init(folder: Path, force: bool, name: str) -> None:
    """Guess what the files in a folder hold, and write fusionrec.toml.

    The file is written to DIR; `fusionrec train --data DIR` reads it.

    Reads CSV, TSV, JSON Lines and Parquet, also packed by gzip or Zstandard. The file gives the
    reason for each guess; change what is wrong.
    """
    from fusionrec.data.detection.infer import infer_spec
    from fusionrec.data.detection.toml_writer import toml_text
    from fusionrec.data.tabular.spec import SPEC_NAME, read_spec

    file = folder / SPEC_NAME
    if file.exists() and not force:
        raise UsageError(f"{file} is there already", "change it by hand, or write it anew: --force")
    spec = infer_spec(folder, name)
    write_text(file, toml_text(spec))
    read_spec(file)
    _summary(spec)
    say(f"look through it, then: fusionrec check {folder}, and fusionrec train --data {folder}")
    click.echo(file)


def _summary(spec: InferredSpec) -> None:
    """Says what was found, a line for each table."""
    from fusionrec.data.detection.name_hints import RATING, has

    columns = {line.key: str(line.value) for line in spec.interactions}
    beside = [key for key in ("rating", "count", "event", "time") if key in columns]
    says = "".join(f", {key} {columns[key]}" for key in beside)
    say(f"who took what: {columns['files']} (user {columns['user']}, item {columns['item']}{says})")
    if "rating" not in columns:
        for column, why in spec.left_out.items():
            if has(column, RATING):
                say(_plain(f"warning: {column} is not taken for a rating: {why}"))
    for doubt in spec.doubts:
        say(_plain(f"warning: {doubt}"))
    for side, table in (("users", spec.users), ("items", spec.items)):
        if table is None:
            say(f"{side}: no file tells of them; they are known by id alone")
            continue
        names = ", ".join(f"{a.name} ({a.column.kind})" for a in table.fields)
        say(f"{side}: {table.keys[0].value} by {table.keys[1].value}: {names or 'the id alone'}")
        if table.left_out:
            say(f"  left out: {', '.join(table.left_out)}")
    if spec.unused:
        say(f"not used: {', '.join(spec.unused)}")
    for file, why in spec.refused.items():
        says = f"warning: {file} is not used: {why}; when it is mended, run init with --force"
        say(_plain(says))


def _plain(text: str) -> str:
    """A text of a file, harmless on a terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
