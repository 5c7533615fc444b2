"""Commands that look after a workspace: index, models, doctor."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusionrec.cli import options
from fusionrec.cli.command import Command, Group, with_home
from fusionrec.cli.output import ProgressLines, say, show_json, show_rows
from fusionrec.errors import ArtifactError, FusionrecError, StoreInUseError, UsageError
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.index import Place
    from fusionrec.index.index_types import IndexType
    from fusionrec.registry import Artifact


OTHER_ITEMS = (
    "most of these are no items of {}. In a workspace an id is one item, by which withdrawals and "
    "feedback go; for other items: --home ANOTHER"
)


@click.command(cls=Command, examples=["fusionrec index", "fusionrec index --version v1 --measure"])
@options.place
@options.newest
@click.option(
    "--vectors", type=click.Path(path_type=Path), metavar="FILE",
    help="Parquet: items with vectors of any other model, which become a version of their own.",
)  # fmt: skip
@click.option(
    "--kind", type=click.Choice(["FLAT", "HNSW", "IVF_SQ8", "DISKANN"]),
    help="Default: by place and number of items. FLAT is exact; the others are for a server.",
)  # fmt: skip
@click.option(
    "--measure", is_flag=True,
    help="Then compare it with an exact search: recall@10, milliseconds of a search.",
)  # fmt: skip
@click.pass_obj
def index(
    workspace: Workspace,
    version: str | None,
    vectors: Path | None,
    place: Place,
    kind: IndexType | None,
    measure: bool,
) -> None:
    """Put a version's vectors into Milvus and make it the active one."""
    from fusionrec.deploy.build import build_index, measure_index
    from fusionrec.ledger import Ledger
    from fusionrec.recommend.catalog import current

    before = Ledger(workspace.ledger).active()
    artifact = _artifact_to_index(workspace, version, vectors)
    if before and before.version != artifact.version and version is None and vectors is None:
        say(f"note: {before.version} was active; {artifact.version} is the newest version")
    progress = ProgressLines(artifact.version, "items")
    try:
        name = build_index(workspace, artifact, place, kind=kind, progress=progress)
    except StoreInUseError as error:
        _hand_over(workspace, artifact.version, place, error)
        return
    items = int(current(artifact, Ledger(workspace.ledger)).available.sum())
    say(f"{artifact.version} is active; its {items:,} items are in {name}")
    if measure:
        kind, found = measure_index(workspace, place)
        row = [kind, f"{items:,}", f"{found.queries:,}", f"{found.recall:.4f}"]
        row += [f"{found.p50_ms:.2f}", f"{found.p99_ms:.2f}"]
        show_rows(["Kind", "Items", "Searches", "Recall@10", "p50 ms", "p99 ms"], [row])


def _hand_over(workspace: Workspace, version: str, place: Place, error: StoreInUseError) -> None:
    """Has the process that holds the embedded store take up a version, where it is that store.

    Raises:
        StoreInUseError: another place was asked for than where the active version is.
    """
    from fusionrec.deploy.build import hand_over, place_of

    if place_of(workspace, place).name != place_of(workspace, "").name:
        raise error
    at = hand_over(workspace, version)
    say(f"{at} is open in another process: it was told to make {version} active, and builds what "
        "is not there")  # fmt: skip


def _artifact_to_index(workspace: Workspace, version: str | None, vectors: Path | None) -> Artifact:
    """What is to be indexed: the version named or the newest, or a new one of a file's vectors."""
    from fusionrec.ledger import Ledger
    from fusionrec.registry import version_numbers
    from fusionrec.registry.versions import load

    if vectors is None:
        numbers = version_numbers(workspace.models)
        newest = f"v{numbers[-1]}" if numbers else None
        return load(workspace, version or newest)
    if version is not None:
        raise UsageError(
            f"--vectors makes a version of its own, so it cannot be {version}",
            hint="leave out --version, or --vectors",
        )
    from fusionrec.registry.vector_import import publish_vectors

    say(f"reading {vectors}")
    before = Ledger(workspace.ledger).active()
    artifact = publish_vectors(workspace.models, vectors, say)
    with suppress(ArtifactError, UsageError):  # the one before may be gone
        if before is not None:
            known, ids = set(load(workspace, before.version).items.ids), set(artifact.items.ids)
            if 2 * len(known & ids) < min(len(known), len(ids)):
                say(f"note: {OTHER_ITEMS.format(before.version)}")
    about = artifact.manifest
    say(f"saved {artifact.version}: {about['items']:,} items, {about['dim']:,} numbers each")
    return artifact


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples=["fusionrec models", "fusionrec models activate v1"],
)
@options.lists
def models() -> None:
    """List the versions, activate one (forward or back), or prune."""


@models.command("list", examples=["fusionrec models list", "fusionrec models list --json"])
@options.as_json
@click.pass_obj
def list_versions(workspace: Workspace, as_json: bool) -> None:
    """List the versions, the oldest first."""
    from fusionrec.registry.versions import versions

    found = versions(workspace)
    if as_json:
        show_json([asdict(version) for version in found])
        return
    if not found:
        say("no model yet; train one: fusionrec train")
    rows = []
    for v in found:
        figure = "" if v.validation is None else f"{v.validation:.4f} {v.measure}"
        state = v.problem or ("active" if v.active else "")
        part = v.part or ("all" if v.measure else "")
        rows.append([v.name, v.created, v.data, part, v.model, figure, state])
    header = ["Version", "Created", "Data", "Trained on", "Model", "Validation", "State"]
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
        _hand_over(workspace, version, place, error)


@models.command("prune", examples=["fusionrec models prune --keep 2"])
@click.option("--keep", type=click.IntRange(1), default=3, show_default=True)
@options.place
@click.pass_obj
def prune(workspace: Workspace, keep: int, place: Place) -> None:
    """Delete all but the newest versions.

    The active one and the one before it stay.
    """
    from fusionrec.deploy.build import prune as delete
    from fusionrec.registry.versions import versions

    deleted = delete(workspace, keep, place)
    kept = ", ".join(version.name for version in versions(workspace))
    say(f"deleted: {', '.join(deleted) or 'nothing'}; kept: {kept or 'nothing'}")
    for name in deleted:
        click.echo(name)


@click.command(cls=Command, examples=["fusionrec doctor"])
@options.store
@click.pass_context
def doctor(context: click.Context, version: str | None, place: Place) -> None:
    """Say what is wrong here, and how to mend it."""
    from fusionrec.deploy.doctor import examine

    worst = 0
    for finding in examine(context.obj, version=version, place=place):
        worst = max(worst, finding.level)
        click.echo(f"{('ok     ', 'warning', 'error  ')[finding.level]}  {finding.text}")
        if finding.hint:
            click.echo(f"         {with_home(finding.hint)}")
    if worst == 2:
        raise FusionrecError(
            "something here is broken", hint="each error above says how to mend it"
        )
