"""Turns films as people write them into the numbers that the model reads."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from films import DATA, ORIGIN, load_model, note_origin, numbered, write_lines

from fusionrec.cli import run
from fusionrec.cli.output import say
from fusionrec.data.movielens.readers import read_films
from fusionrec.errors import DataError


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-f", "--file", "origin", type=click.Path(path_type=Path), default=ORIGIN, show_default=True,
    help="Films, a line each: id::Title (year)::Genre|Genre",
)  # fmt: skip
def main(origin: Path) -> None:
    """Write movies_data.txt, a line per film: id::title word ids,(year)::genre ids."""
    artifact = load_model()
    if not origin.is_file():
        raise DataError(f"there is no file {origin}", f"python train.py writes {ORIGIN}")
    films = numbered(artifact.encoder, read_films(origin))
    write_lines(DATA, map(str, films))
    note_origin(artifact, origin)
    click.echo(DATA)
    say(f"{len(films):,} films; next: python infer_milvus.py -a 0 -g 0 -j 10 -i")


if __name__ == "__main__":
    sys.exit(run(lambda: main.main(standalone_mode=False)))
