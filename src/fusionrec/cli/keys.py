"""The commands keys: who may ask the service."""

from __future__ import annotations

import click

from fusionrec.cli import options
from fusionrec.cli.command import Group
from fusionrec.cli.output import say, show_json, show_rows
from fusionrec.workspace import Workspace


@click.group(
    cls=Group, invoke_without_command=True, examples=["fusionrec keys add page", "fusionrec keys"]
)
@options.lists
def keys() -> None:
    """List the keys to the service; add or remove one."""


@keys.command("add", examples=["fusionrec keys add shop --scope read --scope feedback"])
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(["read", "feedback", "admin"]),
              help="What it opens; may be repeated.  [default: read, feedback]")  # fmt: skip
@click.pass_obj
def add(workspace: Workspace, name: str, scopes: tuple[str, ...]) -> None:
    """Make a key called NAME and print it; it is not shown again.

    read: answers. feedback: what users said, and their profiles. admin: items and versions.
    """
    from fusionrec.ledger import Ledger

    secret = Ledger.of(workspace).add_key(name, scopes or ("read", "feedback"))
    say(f"the key {name!r}, shown this once; send it as Authorization: Bearer KEY")
    click.echo(secret)


@keys.command("list", examples=["fusionrec keys list", "fusionrec keys list --json"])
@options.as_json
@click.pass_obj
def list_keys(workspace: Workspace, as_json: bool) -> None:
    """List the keys, without their secrets."""
    from fusionrec.ledger import Ledger

    found = Ledger.of(workspace).keys()
    if as_json:
        show_json([{"name": k.name, "scopes": sorted(k.scopes), "at": k.at} for k in found])
        return
    if not found:
        say("no key yet; make one: fusionrec keys add NAME")
    rows = [[key.name, " ".join(sorted(key.scopes)), key.at] for key in found]
    show_rows(["Name", "Opens", "Made"], rows)


@keys.command("remove", examples=["fusionrec keys remove page"])
@click.argument("name")
@click.pass_obj
def remove(workspace: Workspace, name: str) -> None:
    """Remove the key called NAME; it opens nothing from then on."""
    from fusionrec.ledger import Ledger

    Ledger.of(workspace).remove_key(name)
    say(f"the key {name!r} is gone")
