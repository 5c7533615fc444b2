"""The command serve: answers over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from fusionrec.cli import options
from fusionrec.cli.command import Command
from fusionrec.cli.hints import hint_of
from fusionrec.cli.output import say
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.index import Place


@click.command(cls=Command, examples=["fusionrec serve", "fusionrec serve --port 8080 --workers 2"])
@click.option("--host", help="The address to listen at.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65_535), help="0: a free one.  [default: 8000]")
@click.option("--workers", type=click.IntRange(1), help="Processes that answer.  [default: 1]")
@click.option(
    "--copy",
    type=click.IntRange(0),
    metavar="N",
    help="Search a copy in memory of up to N items, of a server's too; a compressed one of "
    "many.  [default: 50000 of an embedded Milvus, none of a server]",
)
@click.option("--no-copy", "copy", flag_value=0, type=int,
              help="Search Milvus itself.")  # fmt: skip
@options.one_thread
@options.place
@click.pass_obj
def serve(workspace: Workspace, /, place: Place, **given: Any) -> None:
    """Answer over HTTP, until Ctrl-C: a page at /, JSON below /v1.

    What the options leave open is read from the table [service] of the workspace's settings.toml.
    Anywhere but at a loopback address every request needs a key, those for the page itself,
    /healthz and /readyz excepted; see `fusionrec keys`.
    """
    from fusionrec.service.server import serve as run
    from fusionrec.service.settings import ServiceSettings

    named = {name: value for name, value in given.items() if value is not None}
    run(workspace, place, replace(ServiceSettings.of(workspace), **named), say, hint_of)
