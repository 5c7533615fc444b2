"""The command init."""

from __future__ import annotations

import shlex
import sys
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusionrec.cli import options
from fusionrec.cli.ask_doubts import ask_doubts, plain
from fusionrec.cli.command import Command
from fusionrec.cli.output import say, show_json
from fusionrec.errors import ConfigError, UsageError
from fusionrec.workspace import write_text

if TYPE_CHECKING:
    from fusionrec.data.detection.inferred import InferredSpec

LOOK = 3  # exit code: a fusionrec.toml is there, but must be looked at


@click.command(cls=Command, examples=["fusionrec init shop", "fusionrec init shop --json"])
@click.argument("path", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite an existing fusionrec.toml.")
@click.option("--name", default="", help="What the data set is called.  [default: the folder's]")
@click.option("--ask", "asks", is_flag=True, help="Ask on the terminal where it is in doubt.")
@click.option(
    "--from", "sources", multiple=True, metavar="URL",
    help="A database whose tables are looked at too; needs --allow-remote.",
)  # fmt: skip
@options.allow_remote
@click.option("--json", "as_json", is_flag=True, help="The guess and its doubts, for programs.")
def init(
    path: Path,
    force: bool,
    name: str,
    asks: bool,
    sources: tuple[str, ...],
    allow_remote: bool,
    as_json: bool,
) -> None:
    """Guess what the files in a folder hold, and write fusionrec.toml.

    The file is written to DIR; `fusionrec train --data DIR` reads it. DIR may also be one file.

    The file gives the reason for each guess; change what is wrong. Ends with 3 if a guess must be
    looked at before anything is trained: `train` then waits for an edit, or for --accept.
    """
    file = spec_file(path)
    if file.exists() and not force:
        raise UsageError(f"{file} is there already", "change it by hand, or write it anew: --force")
    if asks and not sys.stdin.isatty():
        raise UsageError(
            "--ask asks on a terminal, and this is none",
            "leave it out and change the file; --json has the choices for programs",
        )
    if sources and not allow_remote:
        raise UsageError("--from reads from outside the folder", "if it may: --allow-remote")
    spec, text = write_guess(path, file, name, sources, asks)
    data = data_of(file) + (" --allow-remote" if sources else "")
    if grave := any(doubt.grave for doubt in spec.doubts):
        say(
            f"look at {file} before you train: change what is wrong in it, which counts as a look; "
            f"or take it as it is: fusionrec train --data {data} --accept"
        )
    else:
        say(f"look through it, then: fusionrec check {data}, and fusionrec train --data {data}")
    if as_json:
        _show_json(file, spec, text)
    else:
        click.echo(file)
    if grave:
        click.get_current_context().exit(LOOK)


def spec_file(path: Path) -> Path:
    """Where the ``fusionrec.toml`` of a folder or of one file is, or is to be written. Of a file it
    is called ``STEM.toml`` if the ``fusionrec.toml`` beside it is about other files.
    """
    from fusionrec.data.tabular.spec import SPEC_NAME, read_spec

    if not path.is_file() or path.suffix.lower() == ".toml":
        return path if path.is_file() else path / SPEC_NAME
    beside = path.with_name(SPEC_NAME)
    with suppress(ConfigError):
        if not beside.exists() or read_spec(beside).interactions.files == path.name:
            return beside
    return path.with_suffix(".toml")


def data_of(file: Path) -> str:
    """What ``--data`` is to be for a ``fusionrec.toml``, as a word of a command."""
    from fusionrec.data.tabular.spec import SPEC_NAME

    return shlex.quote(str(file.parent if file.name == SPEC_NAME else file))


def write_guess(
    path: Path, file: Path, name: str = "", sources: Sequence[str] = (), asks: bool = False
) -> tuple[InferredSpec, str]:
    """Infers what a folder or file holds, writes that to ``file``, and says what was found.

    Returns:
        What was inferred, and the text of the file.

    Raises:
        UsageError, DataError: as ``infer_spec``.
    """
    from fusionrec.data.detection.infer import infer_spec
    from fusionrec.data.detection.toml_writer import toml_text
    from fusionrec.data.tabular.spec import read_spec

    name = name or (path.name.partition(".")[0] if path.is_file() else "")
    infer = partial(infer_spec, path, name, sources=sources)
    spec = ask_doubts(infer) if asks else infer()
    text = toml_text(spec)
    write_text(file, text)
    read_spec(file)
    _summary(spec)
    return spec, text


def _summary(spec: InferredSpec) -> None:
    """Says what was found, a line for each table, then the doubts, grave ones last."""
    columns = {line.key: str(line.value) for line in spec.interactions}
    beside = [key for key in ("rating", "count", "event", "time") if key in columns]
    says = "".join(f", {key} {columns[key]}" for key in beside)
    says += f" as {columns['time_format']}" if "time_format" in columns else ""
    say(f"who took what: {_place(columns)} (user {columns['user']}, item {columns['item']}{says})")
    for side, table in (("users", spec.users), ("items", spec.items)):
        if table is None:
            say(f"{side}: no file tells of them; they are known by id alone")
            continue
        names = ", ".join(f"{a.name} ({a.column.kind})" for a in table.fields)
        values = {line.key: line.value for line in table.keys}
        say(f"{side}: {_place(values)} by {values['id']}: {names or 'the id alone'}")
        if table.left_out:
            say(f"  left out: {', '.join(table.left_out)}")
    if spec.unused:
        say(f"not used: {', '.join(spec.unused)}")
    for doubt in sorted(spec.doubts, key=lambda doubt: doubt.grave):
        say(plain(f"warning: {doubt}"))


def _place(values: Mapping[str, Any]) -> str:
    """The file and the table in it, without a password."""
    from fusionrec.data.tabular.readers.urls import scheme_of, shown

    files = str(values["files"])
    table = f", {values['table']}" if "table" in values else ""
    return (shown(files) if scheme_of(files) else files) + table


def _show_json(file: Path, spec: InferredSpec, text: str) -> None:
    """The values of the file, the reasons for them, and the doubts, as one JSON object."""
    tables, names = tomllib.loads(text), ("interactions", "users", "items")
    why = {f"interactions.{key.key}": key.why for key in spec.interactions}
    left_out = {"interactions": spec.left_out}
    for name, table in (("users", spec.users), ("items", spec.items)):
        if table is not None:
            why |= {f"{name}.{key.key}": key.why for key in table.keys}
            why |= {f"{name}.fields.{field.name}": field.why for field in table.fields}
            left_out[name] = table.left_out
    values: dict[str, Any] = {name: tables.get(name) for name in names}
    show_json(
        {"file": str(file), "name": tables["name"]}
        | values
        | {
            "reasons": {key: list(reasons) for key, reasons in why.items() if reasons},
            "left_out": left_out,
            "unused": spec.unused | spec.refused,
            "doubts": [asdict(doubt) for doubt in spec.doubts],
        }
    )
