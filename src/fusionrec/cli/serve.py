"""Commands of the service: serve, keys."""

from __future__ import annotations

import functools
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import click

from fusionrec.cli import options
from fusionrec.cli.command import Command, Group
from fusionrec.cli.output import say, show_json, show_rows
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.index import Place

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def one_thread(command: options.F) -> options.F:
    """Has NumPy compute in the thread that asks: eight answers at once that each call several
    threads wait for each other, and take up to a hundred times as long. To be the outermost of what
    wraps a command, since NumPy looks at this when it is loaded, never again.
    """

    @functools.wraps(command)
    def with_one_thread(*args: Any, **given: Any) -> Any:
        for name in _THREADS:
            os.environ.setdefault(name, "1")
        return command(*args, **given)

    return cast(options.F, with_one_thread)


@click.command(cls=Command, examples=["fusionrec serve", "fusionrec serve --port 8080 --workers 2"])
@click.option("--host", help="The address to listen at.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65_535), help="0: a free one.  [default: 8000]")
@click.option("--workers", type=click.IntRange(1), help="Processes that answer.  [default: 1]")
@click.option("--copy", type=click.IntRange(0), metavar="N",
              help="Search a copy in memory of up to N items.  [default: 0]")  # fmt: skip
@one_thread
@options.place
@click.pass_obj
def serve(
    workspace: Workspace,
    host: str | None,
    port: int | None,
    workers: int | None,
    copy: int | None,
    place: Place,
) -> None:
    """Answer over HTTP, until Ctrl-C: a page at /, JSON below /v1.

    What the options leave open is read from the table [service] of the workspace's settings.toml.
    Anywhere but at a loopback address every request needs a key, those for the page itself,
    /healthz and /readyz excepted; see `fusionrec keys`.
    """
    from fusionrec.service.server import serve as run
    from fusionrec.service.settings import ServiceSettings

    given = {"host": host, "port": port, "workers": workers, "copy": copy}
    named = {name: value for name, value in given.items() if value is not None}
    settings = replace(ServiceSettings.of(workspace), **named)  # type: ignore[arg-type]
    run(workspace, place, settings, say)


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

    secret = Ledger(workspace.ledger).add_key(name, scopes or ("read", "feedback"))
    say(f"the key {name!r}, shown this once; send it as Authorization: Bearer KEY")
    click.echo(secret)


@keys.command("list", examples=["fusionrec keys list", "fusionrec keys list --json"])
@options.as_json
@click.pass_obj
def list_keys(workspace: Workspace, as_json: bool) -> None:
    """List the keys, without their secrets."""
    from fusionrec.ledger import Ledger

    found = Ledger(workspace.ledger).keys()
    if as_json:
        show_json([{"name": k.name, "scopes": sorted(k.scopes), "at": k.at} for k in found])
        return
    if not found:
        say("no key yet; make one: fusionrec keys add NAME")
    show_rows(
        ["Name", "Opens", "Made"], [[k.name, " ".join(sorted(k.scopes)), k.at] for k in found]
    )


@keys.command("remove", examples=["fusionrec keys remove page"])
@click.argument("name")
@click.pass_obj
def remove(workspace: Workspace, name: str) -> None:
    """Remove the key called NAME; it opens nothing from then on."""
    from fusionrec.ledger import Ledger

    Ledger(workspace.ledger).remove_key(name)
    say(f"the key {name!r} is gone")
