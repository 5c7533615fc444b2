"""The commands export: items and feedback for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from fusionrec.cli import options
from fusionrec.cli.command import Group
from fusionrec.cli.items import active_catalog
from fusionrec.cli.output import describe, say
from fusionrec.cli.train import add_feedback
from fusionrec.workspace import Workspace


@click.group(cls=Group, examples=["fusionrec export vectors -o items.parquet"])
def export() -> None:
    """Give what is here to other programs."""


@export.command("vectors", examples=["fusionrec export vectors -o items.parquet"])
@click.option(
    "-o", "--output", "file", required=True, type=click.Path(dir_okay=False, path_type=Path),
    help="The Parquet file to write.",
)  # fmt: skip
@click.pass_obj
def vectors(workspace: Workspace, file: Path) -> None:
    """Write the items with attributes and vectors, as Parquet.

    Those that can be recommended. Columns: id, every attribute by its name, and vector: float32, of
    length 1, so that the inner product of two is their cosine. `fusionrec index --vectors` takes
    such a file in.
    """
    import numpy as np

    from fusionrec.registry.tables import write_vectors

    _, now = active_catalog(workspace)
    here = np.flatnonzero(now.available)
    write_vectors(file, now.artifact.schema, now.items.take(here), now.vectors[here])
    say(f"{len(here):,} items of {now.artifact.version}, {now.vectors.shape[1]} numbers each")
    click.echo(file)


@export.command(
    "feedback",
    examples=[
        "fusionrec export feedback -o said",
        "fusionrec export feedback --data ml-1m -o with-said",
    ],
)
@click.option("-o", "--output", "folder", required=True, type=click.Path(path_type=Path),
              help="The folder to make.")  # fmt: skip
@click.option("--data", help="A data set to add it to: ml-1m, ml-100k, synthetic, or a path.")
@options.accept
@options.allow_remote
@click.pass_obj
def feedback(
    workspace: Workspace, folder: Path, data: str | None, accept: bool, allow_remote: bool
) -> None:
    """Write what users said as a data set to train on.

    `fusionrec train --data FOLDER` reads it. Ratings, likes and dislikes, with the profiles of
    those who gave them and the items as they are now; alone, or with --data as part of that data
    set.
    """
    from fusionrec.data.catalog import load as load_data
    from fusionrec.data.parquet_dataset import save_dataset
    from fusionrec.recommend.feedback_dataset import feedback_alone

    ledger, now = active_catalog(workspace)
    if data is None:
        made = feedback_alone(now.artifact.schema, now.artifact.items, ledger)
    else:
        read = load_data(data, workspace.data, accept=accept, allow_remote=allow_remote)
        made = add_feedback(workspace, read)
    save_dataset(folder, made)
    describe(made)
    click.echo(folder)
