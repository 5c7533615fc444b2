"""Commands and groups that take ``--home`` anywhere, and show examples in their help."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

import click

from fusionrec.cli.hints import hint_of
from fusionrec.errors import FusionrecError, UsageError
from fusionrec.workspace import Workspace

_HOME = "fusionrec.cli.home"  # in the contexts' meta: the option each time that it was given


class Command(click.Command):
    """A command with ``--home``, and with examples below its help.

    Args:
        examples: lines as people type them; ``tests/cli/test_help.py`` runs them.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = tuple(examples)
        self.params.append(
            click.Option(
                ["--home"],
                metavar="DIR",
                is_eager=True,  # what other options say names it
                expose_value=False,
                callback=_keep,
                help="The workspace: models, embedded Milvus, ledger, downloads. "
                "Default: FUSIONREC_HOME, else ./.fusionrec",
            )
        )

    def invoke(self, ctx: click.Context) -> Any:
        """Finds the workspace, and runs the command in it.

        Raises:
            UsageError: a ``--home`` cannot be a workspace, or two name different folders.
        """
        if not isinstance(self, click.Group):  # below which ``--help`` may yet be read
            homes = ctx.meta.get(_HOME) or [None]
            ctx.obj, *others = map(Workspace.find, homes)
            if any(other.home.resolve() != ctx.obj.home.resolve() for other in others):
                raise UsageError(
                    f"{' and '.join(f'--home {home}' for home in homes)} differ: give one of them"
                )
        return super().invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the examples."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


class Group(Command, click.Group):
    """A group of such commands, shown in sections if it has some."""

    command_class = Command

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._sections: dict[str, list[str]] = {}

    def add_section(self, title: str, *commands: click.Command) -> None:
        """Adds commands under a title, with the first example of the first one."""
        self._sections[title] = [str(command.name) for command in commands]
        for command in commands:
            self.add_command(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands with the first sentence of each one's help."""
        widest = max(map(len, self.commands))
        for title, names in (self._sections or {"Commands": self.list_commands(ctx)}).items():
            rows = [(n, self.commands[n].get_short_help_str(limit=1000)) for n in names]
            first = self.commands[names[0]]
            if self._sections and isinstance(first, Command) and first.examples:
                rows.append(("", f"e.g. {first.examples[0]}"))
            with formatter.section(title):
                formatter.write_dl([(name.ljust(widest), text) for name, text in rows])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; its error gets a hint whose commands keep ``--home``."""
        try:
            return super().invoke(ctx)
        except FusionrecError as error:
            hint = hint_of(error)
            error.hint = hint and with_home(hint)
            raise


def home_options() -> list[str]:
    """The words ``--home DIR`` if they were given on the command line."""
    context = click.get_current_context(silent=True)
    homes = context.meta.get(_HOME) if context else None
    return ["--home", homes[0]] if homes else []


def with_home(text: str) -> str:
    """The text, with ``--home`` in its commands if it was given on the command line."""
    words = home_options()
    if not words or "--home" in text:
        return text
    root = click.get_current_context().find_root().command
    names = "|".join(root.commands) if isinstance(root, click.Group) else ""
    command = re.compile(rf"(?<![\w./-])fusionrec (?=(?:{names})\b)")
    return command.sub(lambda _: f"fusionrec {shlex.join(words)} ", text)


def _keep(context: click.Context, _: click.Parameter, home: str | None) -> None:
    """Keeps the option for when the command runs: ``--help`` needs no workspace."""
    if home is not None:
        context.meta.setdefault(_HOME, []).append(home)
