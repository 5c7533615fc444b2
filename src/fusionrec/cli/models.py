"""The commands models: which versions there are, and which one answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from fusionrec.cli import options
from fusionrec.cli.command import Group
from fusionrec.cli.index import handed_over
from fusionrec.cli.output import say, show_json, show_rows
from fusionrec.errors import StoreInUseError
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.index import Place


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples=["fusionrec models", "fusionrec models activate v1"],
)
@options.lists
def models() -> None:
    """List the versions, activate one (forward or back), share, or prune."""


@models.command("list", examples=["fusionrec models list", "fusionrec models list --json"])
@options.as_json
@click.pass_obj
def list_versions(workspace: Workspace, as_json: bool) -> None:
    """List the versions, the oldest first.

    Validation is a figure on what was held out of the training; of model auto or linear, Gain says
    how far it is above that of the best simple method, or level with it. Where machines share
    versions, State says which are not on this one, and which the others cannot fetch.
    """
    from fusionrec.registry.versions import versions
    from fusionrec.registry.worth import in_short

    found = versions(workspace, log=say)
    if as_json:
        show_json([asdict(version) for version in found])
        return
    if not found:
        say("no model yet; train one: fusionrec train")
    rows = []
    for v in found:
        figure = "" if v.validation is None else f"{v.validation:.4f} {v.measure}"
        where = "not here" if not v.here else "not shared" if v.shared is False else ""
        state = v.problem or ", ".join(filter(None, ["active" if v.active else "", where]))
        part = v.part or ("all" if v.measure else "")
        gain = in_short(v.worth) if v.worth else ""
        rows.append([v.name, v.created, v.data, part, v.model, figure, gain, state])
    header = ["Version", "Created", "Data", "Trained on", "Model", "Validation", "Gain", "State"]
    if rows:
        show_rows(header, rows)


@models.command("activate", examples=["fusionrec models activate v1"])
@click.argument("version")
@options.place
@click.pass_obj
def activate(workspace: Workspace, version: str, place: Place) -> None:
    """Make VERSION the one that answers.

    At once where its index is still there.
    """
    from fusionrec.deploy.build import activate as make_active

    try:
        say(f"{version} is active, in {make_active(workspace, version, place)}")
    except StoreInUseError as error:
        handed_over(workspace, version, place, error)


@models.command("push", examples=["fusionrec models push", "fusionrec models push v1"])
@click.argument("version", required=False)
@click.pass_obj
def push(workspace: Workspace, version: str | None) -> None:
    """Share VERSION with other machines, or all that are here.

    New versions are shared when they are saved; this is for those from before, or from a time when
    [versions] in settings.toml could not be reached. If another machine has taken the name
    meanwhile, the version here gets a new one.
    """
    from fusionrec.registry import version_numbers
    from fusionrec.registry.versions import share

    local = [f"v{number}" for number in version_numbers(workspace.models)]
    for name in [version] if version else local:
        now = share(workspace, name)
        say(f"{name} is shared" if now == name else f"{name} is now {now}, and shared")
        click.echo(now)


@models.command("prune", examples=["fusionrec models prune --keep 2"])
@click.option("--keep", type=click.IntRange(1), default=3, show_default=True)
@options.place
@click.pass_obj
def prune(workspace: Workspace, keep: int, place: Place) -> None:
    """Delete all but the newest versions.

    The active one and the one before it stay, and what another process reads.
    """
    from fusionrec.deploy.build import prune as delete
    from fusionrec.registry.versions import versions

    deleted = delete(workspace, keep, place, log=say)
    kept = ", ".join(version.name for version in versions(workspace))
    say(f"deleted: {', '.join(deleted) or 'nothing'}; kept: {kept or 'nothing'}")
    for name in deleted:
        click.echo(name)
