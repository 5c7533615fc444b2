"""Trains the fusion model and writes it, with the films it knows, to the current directory."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
from films import MODEL, ORIGIN, move_in, write_lines

from fusionrec.cli import run, training_options
from fusionrec.cli.output import ProgressLines, describe, say
from fusionrec.cli.train import run_training
from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.movielens import MOVIELENS
from fusionrec.errors import ArtifactError, UsageError
from fusionrec.models.presets import FUSION, preset_recipe
from fusionrec.workspace import Workspace


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--data",
    help="ml-1m, ml-100k, synthetic, or the path of a zip or folder. "
    "Default: the first of ml-1m, ml-100k and synthetic that can be had.",
)
@training_options.preset(
    list(FUSION), "Named settings: quick is soon done, full the most accurate.  [default: full]"
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE",
    help="Any setting, such as training.epochs=5 or model.dim=128.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on from the checkpoint of the same training.")
def main(data: str | None, preset: str | None, settings: tuple[str, ...], resume: bool) -> None:
    """Train on MovieLens; write recommender_system.inference.model and movies_origin.txt."""
    recipe = preset_recipe("fusion", preset).change(training_options.read_settings(settings))
    workspace = Workspace.find()
    dataset = load(data, workspace)
    command = ("python", "train.py")
    artifact = run_training(workspace, dataset, recipe, resume, command=command)
    publish(artifact.folder)
    write_lines(ORIGIN, lines(dataset.items))
    click.echo(MODEL)
    click.echo(ORIGIN)
    say(f"next: python get_movies_data.py -f {ORIGIN}")


def load(data: str | None, workspace: Workspace) -> Dataset:
    """The data set asked for, or the first one available; says which."""
    from fusionrec.data.catalog import first_available
    from fusionrec.data.catalog import load as by_name

    progress = ProgressLines("data")
    if data is None:
        dataset, why = first_available(workspace.data, progress)
        say(why)
    else:
        dataset = by_name(data, workspace.data, progress)
    if dataset.schema != MOVIELENS:
        message = f"these commands read {MOVIELENS.name}, not {dataset.schema.name}"
        raise UsageError(message, "train on other data with: fusionrec train --data PATH")
    describe(dataset)
    return dataset


def publish(version: Path) -> None:
    """Copies a published version to its place in the current directory, whole or not at all.

    Raises:
        ArtifactError: it cannot be written; the model that was there still is.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=f".{MODEL.name}.", dir=".") as folder:
            move_in(shutil.copytree(version, Path(folder) / MODEL.name), MODEL)
    except OSError as error:
        raise ArtifactError(
            f"{MODEL} cannot be written: {error.strerror or error}", f"the model is in {version}"
        ) from error


def lines(films: Table) -> Iterator[str]:
    """The films in the layout of ``movies.dat``: ``id::Title (year)::Genre|Genre``."""
    columns = (films.columns[name] for name in ("title", "year", "genres"))
    for film, title, year, genres in zip(films.ids, *columns, strict=True):
        known = f" ({year:.0f})" if year == year else ""  # noqa: PLR0124 (a NaN is not known)
        yield f"{film}::{title.replace('::', ':')}{known}::{'|'.join(genres)}"


if __name__ == "__main__":
    sys.exit(run(lambda: main.main(standalone_mode=False)))
