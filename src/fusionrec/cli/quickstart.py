"""The command quickstart: data, training, index and a first answer."""

from __future__ import annotations

import click

from fusionrec.cli.command import Command
from fusionrec.cli.output import ProgressLines, describe, say, show_answer
from fusionrec.cli.train import run_training
from fusionrec.models.presets import AUTO
from fusionrec.workspace import Workspace


@click.command(cls=Command, examples=["fusionrec quickstart"])
@click.option("--resume", is_flag=True, help="Go on from the checkpoint of a stopped quickstart.")
@click.pass_obj
def quickstart(workspace: Workspace, resume: bool) -> None:
    """Fetch, train, index, and print five films for a sample viewer."""
    from fusionrec.api import Recommender
    from fusionrec.data.catalog import first_available
    from fusionrec.deploy.build import build_index

    dataset, why = first_available(workspace.data, ProgressLines("data"))
    say(why)
    describe(dataset)
    artifact = run_training(workspace, dataset, AUTO["quick"], resume)
    build_index(workspace, artifact, progress=ProgressLines(artifact.version, "items"))
    say(f"{artifact.version} is in the embedded Milvus and answers from now on")
    viewer = {"gender": "F", "age": "25", "occupation": "12"}
    say("five films that a new viewer may like, a female programmer aged 25 to 34:")
    with Recommender(workspace, log=say) as recommender:
        show_answer(recommender.recommend(profile=viewer, goal="taste", k=5), as_json=False)
    user = artifact.users.ids[0]
    say(f"now ask for yourself, such as: fusionrec recommend --user {user}")
