"""Commands and groups that take ``--home`` anywhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click

from fusionrec.errors import FusionrecError, UsageError
from fusionrec.workspace import Workspace

_HOME = "fusionrec.cli.home"  # in the contexts' meta: the option as it was given


class Command(click.Command):
    """A command with ``--home``."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params.append(
            click.Option(
                ["--home"],
                metavar="DIR",
                is_eager=True,  # other options read the workspace's settings
                expose_value=False,
                callback=_find_workspace,
                help="The workspace: models, embedded Milvus, ledger, downloads. "
                "Default: FUSIONREC_HOME, else ./.fusionrec",
            )
        )


class Group(Command, click.Group):
    """A group of such commands."""

    command_class = Command

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; commands in the hint of its error keep ``--home``."""
        try:
            return super().invoke(ctx)
        except FusionrecError as error:
            error.hint = error.hint and with_home(error.hint)
            raise


def home_options() -> list[str]:
    """The words ``--home DIR`` where they were given on the command line; else none."""
    context = click.get_current_context(silent=True)
    home = context.meta.get(_HOME) if context else None
    return ["--home", home] if home else []


def with_home(text: str) -> str:
    """The text, with ``--home`` in each command of it where it was given on the command line."""
    words = home_options()
    if not words or "--home" in text:
        return text
    root = click.get_current_context().find_root().command
    names = "|".join(root.commands) if isinstance(root, click.Group) else ""
    command = re.compile(rf"(?<![\w./-])fusionrec (?=(?:{names})\b)")
    return command.sub(lambda _: f"fusionrec {shlex.join(words)} ", text)


def _find_workspace(context: click.Context, _: click.Parameter, home: str | None) -> None:
    """Finds the workspace that the command works in.

    Raises:
        UsageError: ``--home`` names another folder than it did before.
    """
    before = context.meta.get(_HOME)
    if home and before and Path(home).resolve() != Path(before).resolve():
        raise UsageError(f"--home {before} and --home {home} differ: give one of them")
    if home:
        context.meta[_HOME] = home
    if home or context.obj is None:
        context.obj = Workspace.find(home)
