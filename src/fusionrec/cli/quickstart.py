"""The command quickstart: data, training, index and a first answer."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusionrec.cli import options
from fusionrec.cli.check import say_what_is_lacking
from fusionrec.cli.command import Command
from fusionrec.cli.init import LOOK, data_of, spec_file, write_guess
from fusionrec.cli.output import ProgressLines, describe, say, show_answer
from fusionrec.cli.train import run_training
from fusionrec.models.presets import AUTO
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.data.dataset import Dataset

_TAKEN = 5  # interactions of the user who is answered, if someone has as many


@click.command(cls=Command, examples=["fusionrec quickstart", "fusionrec quickstart shop"])
@click.argument("path", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--resume", is_flag=True, help="Go on from the checkpoint of a stopped quickstart.")
@options.accept
@options.allow_remote
@click.pass_obj
def quickstart(
    workspace: Workspace, path: Path | None, resume: bool, accept: bool, allow_remote: bool
) -> None:
    """Fetch, train, index, and print five films for a sample viewer.

    With DIR, a folder or one file of your own data: guess what it holds (see `init`), then train,
    index, and recommend items to one of its users. Ends with 3 where a guess must be looked at
    first; give the same command again when you have edited the fusionrec.toml.
    """
    from fusionrec.api import Recommender
    from fusionrec.data.catalog import first_available
    from fusionrec.deploy.build import build_index

    file = None if path is None else spec_file(path)
    if path is None or file is None:
        dataset, why = first_available(workspace.data, ProgressLines("data"))
        say(why)
        describe(dataset)
    else:
        dataset = _own_data(workspace, path, file, accept, allow_remote)
    artifact = run_training(workspace, dataset, AUTO["quick"], resume)
    build_index(workspace, artifact, progress=ProgressLines(artifact.version, "items"))
    say(f"{artifact.version} is in the embedded Milvus and answers from now on")
    with Recommender(workspace, log=say) as recommender:
        if file is None:
            user = artifact.users.ids[0]
            viewer = {"gender": "F", "age": "25", "occupation": "12"}
            say("five films that a new viewer may like, a female programmer aged 25 to 34:")
            answer = recommender.recommend(profile=viewer, goal="taste", k=5)
            show_answer(answer, as_json=False)
        else:
            user = _sample_user(dataset)
            say(f"what {user}, one of your users, may take next:")
            show_answer(recommender.recommend(user=user, k=5), False, recommender.schema)
    say(f"now ask for yourself, such as: fusionrec recommend --user {shlex.quote(user)}")
    if file is not None:
        data = data_of(file)
        say(f"what the data hold: fusionrec check {data}; a better model: fusionrec train --data "
            f"{data}, then fusionrec index; a page to try it on: fusionrec serve")  # fmt: skip


def _own_data(
    workspace: Workspace, path: Path, file: Path, accept: bool, allow_remote: bool
) -> Dataset:
    """The data set of a folder or file; its ``fusionrec.toml`` is written if there is none.

    Raises:
        click.exceptions.Exit: someone must look at the ``fusionrec.toml`` first.
        DataError: nothing can be trained on it.
    """
    from fusionrec.data.tabular.cache import cached_tables
    from fusionrec.data.tabular.report import report_on_tables
    from fusionrec.data.tabular.spec import read_spec

    if file.exists():
        say(f"{file} says what the data hold")
        for doubt in read_spec(file).unreviewed:
            say(f"warning: {doubt}")
    else:
        write_guess(path, file)
    if read_spec(file).unreviewed and not accept:
        again = f"fusionrec quickstart {shlex.quote(str(path))}"
        say(f"look at {file}: change what is wrong in it, which counts as a look, and go on with: "
            f"{again}; or take it as it is: {again} --accept")  # fmt: skip
        click.get_current_context().exit(LOOK)
    tables = cached_tables(file, workspace.data, ProgressLines(str(path)), allow_remote)
    dataset = tables.dataset()
    describe(dataset)
    say_what_is_lacking(report_on_tables(tables), str(path))
    return dataset


def _sample_user(dataset: Dataset) -> str:
    """The first user with enough interactions, or else one with the most."""
    import numpy as np

    counts = np.minimum(np.bincount(dataset.user), _TAKEN)
    return dataset.users.ids[int(counts.argmax())]
