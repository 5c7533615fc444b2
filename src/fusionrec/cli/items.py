"""Commands that change single items: items, add, withdraw."""

from __future__ import annotations

from pathlib import Path

import click

from fusionrec.cli import options
from fusionrec.cli.output import say, show_json, show_rows
from fusionrec.config import Workspace


@click.group(invoke_without_command=True)
@options.as_json
@click.pass_context
def items(context: click.Context, as_json: bool) -> None:
    """Add, change or withdraw single items; alone, list what was changed since the training.

    A change is kept in the ledger, and every answer knows it at once: the index need not be built
    again. A new item is placed by its content, and so is a changed one.
    """
    if context.invoked_subcommand is not None:
        return
    from fusionrec.catalogue import current
    from fusionrec.ledger import Ledger
    from fusionrec.versions import load

    artifact = load(context.obj)
    catalogue, own = current(artifact, Ledger(context.obj.ledger)), len(artifact.items)
    rows = []
    for row in sorted(catalogue.changed, key=lambda row: catalogue.changed[row]):
        there = "changed" if row < own else "added"
        state = there if catalogue.available[row] else "withdrawn"
        name = artifact.schema.title
        title = str(catalogue.items.columns[name][row]) if name else ""
        rows.append({"id": catalogue.items.ids[row], "title": title, "state": state})
    if as_json:
        show_json(rows)
        return
    for item, why in catalogue.skipped.items():
        say(f"note: item {item} does not fit {artifact.version}: {why}")
    if not rows:
        say(f"no item was changed since {artifact.version} was trained")
    show_rows(["Id", "Title", "State"], [[r["id"], r["title"], r["state"]] for r in rows])


@items.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def add(workspace: Workspace, file: Path) -> None:
    """Add items from a file, or change those that are there.

    FILE is JSON Lines (.jsonl, .json: one object a line) or CSV or TSV with a first line of names:
    the id under the schema's name or "id", and the item's attributes; several categories as a list
    or with | between. What is left out is not known. Nothing is taken if a line is wrong.
    """
    from fusionrec.catalogue import put
    from fusionrec.data.items import read_items
    from fusionrec.ledger import Ledger
    from fusionrec.versions import load

    found = read_items(file, load(workspace).schema)
    written = put(Ledger(workspace.ledger), found)
    same = f"; {len(found) - written} were so already" if written < len(found) else ""
    say(f"{written} items are new or changed{same}; every answer knows them from now on")


@items.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def withdraw(workspace: Workspace, ids: tuple[str, ...]) -> None:
    """Take items out of every answer; `items add` brings one back."""
    from fusionrec import catalogue
    from fusionrec.ledger import Ledger
    from fusionrec.versions import load

    ledger = Ledger(workspace.ledger)
    now = catalogue.current(load(workspace), ledger)
    written = catalogue.withdraw(ledger, now, list(dict.fromkeys(ids)))
    say(f"{written} items are withdrawn; no answer shows them from now on")


COMMANDS = (items,)
