"""The command check."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from fusionrec.cli import options
from fusionrec.cli.command import Command
from fusionrec.cli.output import ProgressLines, say, show_json, show_rows
from fusionrec.errors import DataError
from fusionrec.workspace import Workspace, found_path

if TYPE_CHECKING:
    from fusionrec.data.tabular.report import DatasetReport

_KINDS = 20  # of events that are listed


@click.command(cls=Command, examples=["fusionrec check shop"])
@click.argument("data", metavar="[PATH]", default=".")
@options.allow_remote
@options.engine
@options.as_json
@click.pass_obj
def check(workspace: Workspace, data: str, allow_remote: bool, engine: str, as_json: bool) -> None:
    """Say what a data set holds, and what was left out and why.

    PATH is a fusionrec.toml, its folder, or anything else that --data takes. Ends with 0 if it can
    be trained on. What it has read of a fusionrec.toml is kept in the workspace for other commands;
    with --engine ray many files are read side by side.
    """
    from fusionrec.data.catalog import load
    from fusionrec.data.tabular.cache import cached_tables
    from fusionrec.data.tabular.report import report_on_dataset, report_on_tables
    from fusionrec.data.tabular.spec import has_spec

    path, progress = found_path(data), ProgressLines(data)
    if path and has_spec(path):
        tables = cached_tables(path, workspace.data, progress, allow_remote, engine)
        found = report_on_tables(tables)
    else:
        found = report_on_dataset(load(data, workspace.data, progress))
    if as_json:
        show_json(asdict(found))
    else:
        _show(found)
    say_what_is_lacking(found, data)
    if found.unreviewed:
        say(f"train on it when its fusionrec.toml was looked at and edited, or take it as it is: "
            f"fusionrec train --data {data} --accept")  # fmt: skip
    else:
        say(f"train on it with: fusionrec train --data {data}")


def say_what_is_lacking(found: DatasetReport, data: str) -> None:
    """Says what a data set lacks that would be of use.

    Raises:
        DataError: it cannot be trained on.
    """
    if found.unlocks:
        gains = "; ".join(f"with {what}: {gain}" for what, gain in found.unlocks.items())
        say(f"more would help: {gains}")
    if found.obstacle:
        raise DataError(f"{data} cannot be trained on: {found.obstacle}")


def _show(found: DatasetReport) -> None:
    show_rows(("What", "Value"), _facts(found), found.name)
    rows = []
    for field in found.fields:
        often = ", ".join(f"{value[:40]} {count:g}" for value, count in field.often.items())
        counts = (f"{count:,}" for count in (field.known, field.missing, field.distinct))
        rows.append((field.name, field.side, field.kind, *counts, often))
    if rows:
        show_rows(("Field", "Of", "Kind", "Known", "Missing", "Distinct", "Most often"), rows)
    for doubt in found.unreviewed:
        say(f"warning: {doubt}")
    for finding in found.findings:
        word = "warning" if finding.warning else "note"
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
