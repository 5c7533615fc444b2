"""The commands items: add, change or withdraw single items."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusionrec.cli import options
from fusionrec.cli.command import Group
from fusionrec.cli.output import say, show_json, show_rows
from fusionrec.errors import UsageError
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.ledger import Ledger
    from fusionrec.recommend.catalog import Catalog


_SHOWN = 5  # categories that one note tells


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples=["fusionrec items add new.jsonl", "fusionrec items"],
)
@options.lists
def items() -> None:
    """Add, change or withdraw single items, or list the changes.

    Alone it lists what was changed since the training. A change is kept in the ledger and counts in
    every answer at once, without a new index. New and changed items are placed by their content.
    """


@items.command("list", examples=["fusionrec items list", "fusionrec items list --json"])
@options.as_json
@click.pass_obj
def list_changes(workspace: Workspace, as_json: bool) -> None:
    """List the items that were changed since the training."""
    from fusionrec.data.item_files import plain_content

    _, catalog = active_catalog(workspace)
    artifact = catalog.artifact
    own = len(artifact.items)
    rows = []
    for row in sorted(catalog.changed, key=lambda row: catalog.changed[row]):
        if not catalog.available[row]:
            state = "withdrawn"
        elif row >= own:
            state = "added"
        elif plain_content(catalog.items.row(row)) == plain_content(artifact.items.row(row)):
            continue  # it was withdrawn, and brought back
        else:
            state = "changed"
        name = artifact.schema.title
        title = str(catalog.items.columns[name][row]) if name else ""
        rows.append({"id": catalog.items.ids[row], "title": title, "state": state})
    if as_json:
        show_json(rows)
        return
    for item, why in catalog.skipped.items():
        say(f"note: item {item} does not fit {artifact.version}: {why}")
    if not rows:
        say(f"no item was changed since {artifact.version} was made")
    show_rows(["Id", "Title", "State"], [[r["id"], r["title"], r["state"]] for r in rows])


@items.command(
    "add", examples=["fusionrec items add new.jsonl", "fusionrec items add new.csv --id sku"]
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--id", "id_column", metavar="COLUMN", help="Where the id stands in FILE.")
@click.pass_obj
def add(workspace: Workspace, file: Path, id_column: str | None) -> None:
    """Add items from a file, or change those that are there.

    FILE is JSON Lines (.jsonl, .json: one object a line) or CSV or TSV with a first line of names:
    the id under the schema's name, "id" (where no attribute is called so) or that of --id, and the
    item's attributes; several categories as a list or with | between, or with ; or , where they
    are known. What is left out is unknown for a new item, and unchanged for another. A withdrawn
    item is changed too, and stays withdrawn until `items restore`. If a line is wrong, no item is
    taken.
    """
    from fusionrec.data.item_files import known_categories, new_categories, read_items
    from fusionrec.recommend.catalog import check_takes, put

    ledger, now = active_catalog(workspace)
    check_takes(now)
    schema, categories = now.artifact.schema, known_categories(now.artifact.schema, now.items)
    found = read_items(file, schema, id_column, categories)
    if new := new_categories(schema, found, categories):
        say(f"note: categories that no other item has: {_most_frequent(new)}")
    written = put(ledger, now, found)
    said = f"{_items(written)} new or changed"
    if written < len(found):
        said += f"; {len(found) - written} were so already"
    if gone := ledger.withdrawn([item.id for item in found]):
        named = shlex.quote(min(gone)) if len(gone) == 1 else "ID..."
        stay = "stays" if len(gone) == 1 else "stay"
        say(
            f"{said}; {len(gone):,} of them {stay} withdrawn until: fusionrec items restore {named}"
        )
        return
    say(f"{said}; every answer knows of that from now on")


@items.command("withdraw", examples=["fusionrec items withdraw 4001"])
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def withdraw(workspace: Workspace, ids: tuple[str, ...]) -> None:
    """Take items, by id or title, out of every answer.

    `items restore` brings them back.
    """
    from fusionrec.recommend import catalog
    from fusionrec.recommend.item_search import ItemSearch

    ledger, now = active_catalog(workspace)
    finder = ItemSearch(now)
    named = [id if id in now.positions else finder.item(id) or id for id in ids]
    written = catalog.withdraw(ledger, now, list(dict.fromkeys(named)))
    say(f"{_items(written)} withdrawn; no answer shows that from now on")


@items.command("restore", examples=["fusionrec items restore 4001"])
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def restore(workspace: Workspace, ids: tuple[str, ...]) -> None:
    """Bring withdrawn items back, by id or title.

    They have the content that they were last given.
    """
    from fusionrec.recommend import catalog

    ledger, now = active_catalog(workspace)
    name = now.artifact.schema.title
    withdrawn = defaultdict(list)  # title -> ids
    for row in now.changed:
        if name and not now.available[row]:
            withdrawn[str(now.items.columns[name][row]).casefold()].append(now.items.ids[row])
    named = []
    for id in ids:
        meant = [id] if id in now.positions else withdrawn[id.casefold()] or [id]
        if len(meant) > 1:
            raise UsageError(
                f"{id!r} may be any of {len(meant)} withdrawn items: say which by its id",
                hint=", ".join(meant[:_SHOWN]) + (", …" if len(meant) > _SHOWN else ""),
            )
        named += meant
    written = catalog.restore(ledger, now, list(dict.fromkeys(named)))
    say(f"{_items(written)} back in every answer")


def active_catalog(workspace: Workspace) -> tuple[Ledger, Catalog]:
    """The ledger, and the active version's items with all its changes."""
    from fusionrec.ledger import Ledger
    from fusionrec.recommend.catalog import current
    from fusionrec.registry.versions import load

    ledger = Ledger.of(workspace)
    return ledger, current(load(workspace), ledger)


def _most_frequent(counts: Mapping[str, int]) -> str:
    """The most frequent values, each with its number of items."""
    best = sorted(counts.items(), key=lambda pair: -pair[1])
    shown = [value if value.isprintable() else repr(value) for value, _ in best[:_SHOWN]]
    counted = [f"{value[:50]} ({count})" for value, (_, count) in zip(shown, best, strict=False)]
    return ", ".join(counted) + (f" and {len(best) - _SHOWN} more" if len(best) > _SHOWN else "")


def _items(count: int) -> str:
    return "1 item is" if count == 1 else f"{count:,} items are"
