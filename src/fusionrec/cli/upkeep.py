"""Commands that look after a workspace: index, models, doctor."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

import click

from fusionrec.cli import options
from fusionrec.cli.output import ByteProgress, say, show_json, show_rows
from fusionrec.config import Workspace
from fusionrec.errors import FusionrecError

if TYPE_CHECKING:
    from fusionrec.index import Place


@click.command()
@options.place
@options.newest
@click.option(
    "--kind", type=click.Choice(["FLAT", "HNSW"]), default="FLAT", show_default=True,
    help="FLAT is exact; HNSW pays on a server, beyond 100,000 items.",
)  # fmt: skip
@click.pass_obj
def index(
    workspace: Workspace,
    version: str | None,
    place: Place,
    kind: Literal["FLAT", "HNSW"],
) -> None:
    """Put a version's item vectors into Milvus and make it the one that answers."""
    from fusionrec.artifact import version_numbers
    from fusionrec.catalogue import current
    from fusionrec.indexing import build_index
    from fusionrec.ledger import Ledger
    from fusionrec.versions import load

    numbers = version_numbers(workspace.models)
    newest = f"v{numbers[-1]}" if numbers else None
    artifact = load(workspace, version or newest)
    progress = ByteProgress(f"indexing {artifact.version}", "items")
    name = build_index(workspace, artifact, place, kind=kind, progress=progress)
    items = int(current(artifact, Ledger(workspace.ledger)).available.sum())
    say(f"{artifact.version} is active; its {items:,} items are in {name}")


@click.group(invoke_without_command=True)
@options.as_json
@click.pass_context
def models(context: click.Context, as_json: bool) -> None:
    """List the versions; activate one (forward or back), or prune old ones."""
    if context.invoked_subcommand is not None:
        return
    from fusionrec.versions import versions

    found = versions(context.obj)
    if as_json:
        show_json([asdict(version) for version in found])
        return
    if not found:
        say("no model yet; train one: fusionrec train")
    rows = []
    for v in found:
        figure = "" if v.validation is None else f"{v.validation:.4f} {v.measure}"
        state = v.problem or ("active" if v.active else "")
        rows.append([v.name, v.created, v.data, v.part or "all", v.model, figure, state])
    header = ["Version", "Created", "Data", "Trained on", "Model", "Validation", "State"]
    if rows:
        show_rows(header, rows)


@models.command("activate")
@click.argument("version")
@options.place
@click.pass_obj
def activate(workspace: Workspace, version: str, place: Place) -> None:
    """Make VERSION the one that answers, at once where its index is still there."""
    from fusionrec.indexing import activate as make_active

    say(f"{version} is active, in {make_active(workspace, version, place)}")


@models.command("prune")
@click.option("--keep", type=click.IntRange(1), default=3, show_default=True)
@options.place
@click.pass_obj
def prune(workspace: Workspace, keep: int, place: Place) -> None:
    """Delete all but the newest versions; the active one and the one before it stay."""
    from fusionrec.indexing import prune as delete
    from fusionrec.versions import versions

    deleted = delete(workspace, keep, place)
    kept = ", ".join(version.name for version in versions(workspace))
    say(f"deleted: {', '.join(deleted) or 'nothing'}; kept: {kept or 'nothing'}")
    for name in deleted:
        click.echo(name)


@click.command()
@options.store
@click.pass_context
def doctor(context: click.Context, version: str | None, place: Place) -> None:
    """Say what is wrong here, and how to mend it."""
    from fusionrec.doctor import examine

    worst = 0
    for finding in examine(context.obj, version=version, place=place):
        worst = max(worst, finding.level)
        click.echo(f"{('ok     ', 'warning', 'error  ')[finding.level]}  {finding.text}")
        if finding.hint:
            click.echo(f"         {finding.hint}")
    if worst == 2:
        raise FusionrecError(
            "something here is broken", hint="each error above says how to mend it"
        )


COMMANDS = (index, models, doctor)
