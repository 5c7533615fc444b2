"""The command report."""

from __future__ import annotations

from pathlib import Path

import click

from fusionrec.cli import options
from fusionrec.cli.command import Command
from fusionrec.cli.output import ProgressLines, say
from fusionrec.workspace import Workspace, write_text


@click.command(
    cls=Command, examples=["fusionrec report", "fusionrec report --data ml-1m -o report.html"]
)
@options.version
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Default: reports/vN.html in the workspace; without --data reports/vN-model-only.html.",
)  # fmt: skip
@click.option(
    "--data", metavar="NAME_OR_PATH",
    help="The data set that the version was trained on: what was held out is then measured.",
)  # fmt: skip
@options.accept
@options.allow_remote
@click.pass_obj
def report(
    workspace: Workspace,
    version: str | None,
    output: Path | None,
    data: str | None,
    accept: bool,
    allow_remote: bool,
) -> None:
    """Make one HTML file of a version: figures and plots.

    It can be read without a network. Prints the file's path.
    """
    from fusionrec.data.catalog import load as load_data
    from fusionrec.evaluation.report import render
    from fusionrec.ledger import Ledger
    from fusionrec.recommend.feedback_dataset import trained_with, without_feedback
    from fusionrec.registry.versions import load

    artifact = load(workspace, version)
    artifact.require_towers("there is no training to report", "needs_trained_version")
    dataset = None
    if data is None:
        say(
            "note: without --data nothing is measured on held-out rows; "
            f"it was trained on --data {without_feedback(artifact.manifest['data'])}"
        )
    else:
        allowed = {"accept": accept, "allow_remote": allow_remote}
        dataset = load_data(data, workspace.data, ProgressLines(data), **allowed)
        dataset = trained_with(dataset, Ledger.of(workspace), artifact)
    say(f"making the report of {artifact.version}")
    page = render(artifact, dataset)
    # Under a name of its own, so that it replaces no report with measurements.
    name = artifact.version if dataset is not None else f"{artifact.version}-model-only"
    path = output or workspace.home / "reports" / f"{name}.html"
    write_text(path, page)
    click.echo(path)
