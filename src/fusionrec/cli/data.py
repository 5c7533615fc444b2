"""The commands init, check, sample and fetch: data sets before a training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusionrec.cli import options
from fusionrec.cli.command import Command
from fusionrec.cli.output import ProgressLines, describe, say, show_json, show_rows
from fusionrec.errors import DataError, UsageError
from fusionrec.workspace import Workspace, write_text

if TYPE_CHECKING:
    from fusionrec.data.detection.infer import InferredSpec
    from fusionrec.data.tabular.report import DatasetReport

_KINDS = 20  # of events that are listed


@click.command(cls=Command, examples=["fusionrec init shop"])
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite an existing fusionrec.toml.")
@click.option("--name", default="", help="What the data set is called.  [default: the folder's]")
def init(folder: Path, force: bool, name: str) -> None:
    """Guess what the files in a folder hold, and write fusionrec.toml.

    The file is written to DIR; `fusionrec train --data DIR` reads it.

    Reads CSV, TSV, JSON Lines and Parquet, also packed by gzip or Zstandard. The file gives the
    reason for each guess; change what is wrong.
    """
    from fusionrec.data.detection.infer import infer_spec
    from fusionrec.data.detection.toml_writer import toml_text
    from fusionrec.data.tabular.spec import SPEC_NAME, read_spec

    file = folder / SPEC_NAME
    if file.exists() and not force:
        raise UsageError(f"{file} is there already", "change it by hand, or write it anew: --force")
    spec = infer_spec(folder, name)
    write_text(file, toml_text(spec))
    read_spec(file)
    _summary(spec)
    say(f"look through it, then: fusionrec check {folder}, and fusionrec train --data {folder}")
    click.echo(file)


def _summary(spec: InferredSpec) -> None:
    """Says what was found, a line for each table."""
    from fusionrec.data.detection.name_hints import RATING, has

    columns = {line.key: str(line.value) for line in spec.interactions}
    beside = [key for key in ("rating", "count", "event", "time") if key in columns]
    says = "".join(f", {key} {columns[key]}" for key in beside)
    say(f"who took what: {columns['files']} (user {columns['user']}, item {columns['item']}{says})")
    if "rating" not in columns:
        for column, why in spec.left_out.items():
            if has(column, RATING):
                say(_plain(f"warning: {column} is not taken for a rating: {why}"))
    for doubt in spec.doubts:
        say(_plain(f"warning: {doubt}"))
    for side, table in (("users", spec.users), ("items", spec.items)):
        if table is None:
            say(f"{side}: no file tells of them; they are known by id alone")
            continue
        names = ", ".join(f"{a.name} ({a.column.kind})" for a in table.attributes.kept)
        say(f"{side}: {table.keys[0].value} by {table.keys[1].value}: {names or 'the id alone'}")
        if table.attributes.left_out:
            say(f"  left out: {', '.join(table.attributes.left_out)}")
    if spec.unused:
        say(f"not used: {', '.join(spec.unused)}")
    for file, why in spec.refused.items():
        says = f"warning: {file} is not used: {why}; when it is mended, run init with --force"
        say(_plain(says))


def _plain(text: str) -> str:
    """A text of a file, harmless on a terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


@click.command(cls=Command, examples=["fusionrec check shop"])
@click.argument("data", metavar="[PATH]", default=".")
@options.as_json
@click.pass_obj
def check(workspace: Workspace, data: str, as_json: bool) -> None:
    """Say what a data set holds, and what was left out and why.

    PATH is a fusionrec.toml, its folder, or anything else that --data takes. Ends with 0 if it can
    be trained on.
    """
    from fusionrec.data.catalog import load
    from fusionrec.data.tabular.cache import cached_tables
    from fusionrec.data.tabular.load import has_spec
    from fusionrec.data.tabular.report import report_on_dataset, report_on_tables

    path, progress = Path(data).expanduser(), ProgressLines(data)
    if has_spec(path):
        found = report_on_tables(cached_tables(path, workspace.data, progress))
    else:
        found = report_on_dataset(load(data, workspace.data, progress))
    if as_json:
        show_json(found.to_json())
    else:
        _show(found)
    if found.obstacle:
        raise DataError(f"{data} cannot be trained on: {found.obstacle}")
    say(f"train on it with: fusionrec train --data {data}")


def _show(found: DatasetReport) -> None:
    show_rows(("What", "Value"), _facts(found), found.name)
    rows = []
    for field in found.fields:
        often = ", ".join(f"{value[:40]} {count:g}" for value, count in field.often.items())
        counts = (f"{count:,}" for count in (field.known, field.missing, field.distinct))
        rows.append((field.name, field.side, field.kind, *counts, often))
    if rows:
        show_rows(("Field", "Of", "Kind", "Known", "Missing", "Distinct", "Most often"), rows)
    for finding in found.findings:
        word = "warning" if finding.name.endswith("_unmatched") else "note"
        say(f"{word}: {finding if found.rows is not None else finding.says}")


def _facts(found: DatasetReport) -> list[tuple[str, str]]:
    def counted(count: int, silent: int) -> str:
        return f"{count:,}" + (f", {silent:,} of them without an interaction" if silent else "")

    def spread(quantiles: dict[str, float]) -> str:
        return ", ".join(f"{name.replace('_', ' ')} {n:g}" for name, n in quantiles.items())

    left = "" if found.rows is None else f" of {found.rows:,} rows"
    facts = [
        ("interactions", f"{found.interactions:,}{left}"),
        ("users", counted(found.users, found.silent_users)),
        ("items", counted(found.items, found.silent_items)),
        ("density", f"{found.density:.4%}"),
        ("interactions of a user", spread(found.per_user)),
        ("interactions of an item", spread(found.per_item)),
    ]
    if found.first:
        facts.append(("time", f"{found.first} to {found.last}"))
    for kind, about in list(found.events.items())[:_KINDS]:
        weighs = f"weighs {about['weight']:g}" if about["weight"] else "left out"
        shown = kind if kind.isprintable() else repr(kind)
        facts.append((f"event {shown}", f"{about['rows']:,} rows, {weighs}"))
    if len(found.events) > _KINDS:
        facts.append(("other events", f"{len(found.events) - _KINDS:,} kinds"))
    most = max(found.ratings.values())
    what = "weight" if found.weighed else "rating"
    for rating, count in found.ratings.items():
        bar = "█" * round(20 * count / most)
        facts.append((f"{what} {rating}", f"{count:>12,} {bar}".rstrip()))
    return facts


@click.command(cls=Command, examples=["fusionrec sample shop"])
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def sample(folder: Path, seed: int) -> None:
    """Write the files of a made-up shop to try things on.

    Customers, products, and what customers did, to try out how your own files are read. The tastes
    in them are planted, so no figure on them says anything about people.
    """
    from fusionrec.data.samples.shop import write_shop

    write_shop(folder, seed)
    say(f"a made-up shop is in {folder}; see what init makes of it: fusionrec init {folder}")
    click.echo(folder)


@click.command(cls=Command, examples=["fusionrec fetch ml-1m"])
@click.argument("name")
@click.pass_obj
def fetch(workspace: Workspace, name: str) -> None:
    """Find or download a data set (ml-1m, ml-100k, a path), and check it."""
    from fusionrec.data.catalog import SYNTHETIC, find
    from fusionrec.data.load import read

    if name == SYNTHETIC:
        raise UsageError(
            f"{name} is made up when it is used: there are no files to fetch",
            f"use it at once: fusionrec train --data {name}",
        )
    found = find(name, workspace.data, ProgressLines(name))
    describe(read(found.path, workspace_data=workspace.data), found.source)
    click.echo(found.path)
