"""The command index: vectors into Milvus."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusionrec.cli import options
from fusionrec.cli.command import Command
from fusionrec.cli.output import ProgressLines, say, show_rows
from fusionrec.errors import ArtifactError, StoreInUseError, UsageError
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.index import Place
    from fusionrec.index.index_types import IndexType
    from fusionrec.registry import Artifact


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
@click.option(
    "--map/--no-map", "with_map", default=True,
    help="Whether the map's neighbourhoods are made now, which takes some seconds, for 1,000 items "
    "or more.  [default: map]",
)  # fmt: skip
@click.pass_obj
def index(
    workspace: Workspace,
    version: str | None,
    vectors: Path | None,
    place: Place,
    kind: IndexType | None,
    measure: bool,
    with_map: bool,
) -> None:
    """Put a version's vectors into Milvus and make it the active one."""
    from fusionrec.deploy.build import build_index, measure_index
    from fusionrec.ledger import Ledger
    from fusionrec.recommend.catalog import current

    before = Ledger.of(workspace).active()
    artifact = _artifact_to_index(workspace, version, vectors)
    if before and before.version != artifact.version and version is None and vectors is None:
        say(f"note: {before.version} was active; {artifact.version} is the newest version")
    progress = ProgressLines(artifact.version, "items")
    try:
        name = build_index(workspace, artifact, place, kind=kind, progress=progress)
    except StoreInUseError as error:
        handed_over(workspace, artifact.version, place, error)
        return
    items = int(current(artifact, Ledger.of(workspace)).available.sum())
    say(f"{artifact.version} is active; its {items:,} items are in {name}")
    if with_map:
        _make_map(workspace, artifact)
    if measure:
        kind, found = measure_index(workspace, place)
        row = [kind, f"{items:,}", f"{found.queries:,}", f"{found.recall:.4f}"]
        row += [f"{found.p50_ms:.2f}", f"{found.p99_ms:.2f}"]
        show_rows(["Kind", "Items", "Searches", "Recall@10", "p50 ms", "p99 ms"], [row])


def _make_map(workspace: Workspace, artifact: Artifact) -> None:
    """Makes the neighbourhoods of the service's map, where that takes longer than a moment."""
    from fusionrec.deploy.item_map import MOST, WORTH_WAITING, make_map, open_map

    count = len(artifact.items)
    if count < WORTH_WAITING or open_map(workspace, artifact) is not None:
        return
    say(f"laying out the map: neighbourhoods of the {min(count, MOST):,} best known items")
    make_map(workspace, artifact, say)


def handed_over(workspace: Workspace, version: str, place: Place, error: StoreInUseError) -> None:
    """Leaves making a version active to the process that has the embedded store open.

    Raises:
        StoreInUseError: the place is not that of the active version.
    """
    from fusionrec.deploy.build import hand_over
    from fusionrec.deploy.deployment import place_of

    if place_of(workspace, place).name != place_of(workspace, "").name:
        raise error
    at = hand_over(workspace, version)
    say(f"{at} is open in another process: it was told to make {version} active, and builds what "
        "is not there")  # fmt: skip


def _artifact_to_index(workspace: Workspace, version: str | None, vectors: Path | None) -> Artifact:
    """The version named, the newest one, or a new one made from a file of vectors."""
    from fusionrec.ledger import Ledger
    from fusionrec.registry.versions import load, newest

    if vectors is None:
        return load(workspace, version or newest(workspace))
    if version is not None:
        raise UsageError(
            f"--vectors makes a version of its own, so it cannot be {version}",
            "leave out --version, or --vectors",
        )
    from fusionrec.registry.vector_import import publish_vectors

    say(f"reading {vectors}")
    before = Ledger.of(workspace).active()
    artifact = publish_vectors(workspace.models, vectors, say)
    with suppress(ArtifactError, UsageError):  # the one before may be gone
        if before is not None:
            known, ids = set(load(workspace, before.version).items.ids), set(artifact.items.ids)
            if 2 * len(known & ids) < min(len(known), len(ids)):
                say(
                    f"note: most of these are no items of {before.version}. In a workspace an id "
                    "means one item, which withdrawals and feedback name; for other items: "
                    "--home ANOTHER"
                )
    about = artifact.manifest
    say(f"saved {artifact.version}: {about['items']:,} items, {about['dim']:,} numbers each")
    return artifact
