"""The command report."""

from __future__ import annotations

from pathlib import Path

import click

from fusionrec.cli import options
from fusionrec.cli.command import Command
from fusionrec.cli.output import ProgressLines, say
from fusionrec.errors import UsageError
from fusionrec.workspace import Workspace, write_text


@click.command(cls=Command, examples=["fusionrec report", "fusionrec report v1 v2"])
@click.argument("versions", nargs=-1, metavar="[VERSION] [OTHER]")
@click.option("--version", "named", metavar="vN", help="The same as VERSION.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Default: reports/vN.html in the workspace, of two versions reports/vN-vM.html; where "
    "their data are gone, with -model-only in the name.",
)  # fmt: skip
@click.option(
    "--data", metavar="NAME_OR_PATH",
    help="Where the data are that it was trained on. Default: where they were then.",
)  # fmt: skip
@options.accept
@options.allow_remote
@click.pass_obj
def report(
    workspace: Workspace,
    versions: tuple[str, ...],
    named: str | None,
    output: Path | None,
    data: str | None,
    accept: bool,
    allow_remote: bool,
) -> None:
    """Make one HTML file of a version, or compare two: figures and plots.

    Without VERSION of the active one. It can be read without a network. Prints the file's path.
    """
    from fusionrec.evaluation.report import make

    wanted = (*versions, *([named] if named else []))
    if len(wanted) > 2:
        raise UsageError(
            f"a report is of one version or of two, got {len(wanted)}: {', '.join(wanted)}",
            "compare them two at a time",
        )
    first, second = (*wanted, None, None)[:2]
    made = make(
        workspace, first, second,
        data=data, accept=accept, allow_remote=allow_remote,
        progress=ProgressLines(data or "data"), log=say,
    )  # fmt: skip
    for note in made.notes:
        say(f"note: {note}")
    path = output or workspace.home / "reports" / f"{made.name}.html"
    write_text(path, made.html)
    click.echo(path)
