"""The command line: thin commands, data to stdout, talk to stderr."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import click

from fusionrec._version import __version__
from fusionrec.cli import (
    check,
    doctor,
    evaluate,
    export,
    fetch,
    index,
    init,
    items,
    keys,
    models,
    quickstart,
    recommend,
    report,
    sample,
    search,
    serve,
    similar,
    train,
    user,
)
from fusionrec.cli.command import Group
from fusionrec.cli.hints import hint_of
from fusionrec.cli.output import say
from fusionrec.errors import FusionrecError, check_stdout, keep_stderr, system_words


@click.group(
    cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="fusionrec")
def cli() -> None:
    """Train a two-tower recommender, index its items in Milvus, and ask it what is next."""


cli.add_section("Start", quickstart.quickstart)
cli.add_section("Data", init.init, check.check, sample.sample, fetch.fetch)
cli.add_section("Train", train.train, index.index)
cli.add_section("Ask", recommend.recommend, similar.similar, search.search, user.user)
cli.add_section("Evaluate", evaluate.evaluate, report.report)
cli.add_section("Items", items.items, export.export)
cli.add_section("Serve", serve.serve, keys.keys)
cli.add_section("Look after", models.models, doctor.doctor)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits: 0, 2 for wrong use, 3 where a fusionrec.toml must be looked
    at first, 1 for the rest, 130 after Ctrl-C.
    """
    sys.exit(run(lambda: cli.main(arguments, standalone_mode=False)))


def entry() -> None:
    """The command ``fusionrec``: ``main``, without waiting half a second for the threads of Paddle
    and gRPC to end; stores are closed and files flushed by then.
    """
    keep_stderr()
    check_stdout()
    code = run(lambda: cli.main(standalone_mode=False))
    with contextlib.suppress(Exception):  # reported by ``run``
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run(command: Callable[[], Any]) -> int:
    """Runs a command and turns what it raises into a message on stderr and an exit code."""
    if not logging.root.handlers:
        # Else Paddle adds a handler that prints the messages of every library.
        logging.root.addHandler(logging.NullHandler())
    stdout = sys.stdout
    try:
        code = command()  # click gives back the code of what ended early, such as --help
        sys.stdout.flush()  # while a failure can still be reported
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return 130
    except FusionrecError as error:
        say(f"error: {error.message}")
        if hint := hint_of(error):
            say(f"hint: {hint}")
        return error.exit_code
    except (BrokenPipeError, SystemExit) as error:
        # Click turns a broken pipe into a SystemExit, after it replaced stdout.
        if isinstance(error, SystemExit) and sys.stdout is stdout:
            raise
        # The reader has enough; what is still buffered must not raise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("FUSIONREC_DEBUG"):
            raise
        text = f"{type(error).__name__}: {error}"
        hint = "this is a defect; FUSIONREC_DEBUG=1 shows where it happened"
        if isinstance(error, OSError):  # what the system refuses is none
            text, hint = system_words(error)
        say(f"error: {text[:500]}")
        say(f"hint: {hint}")
        return 1
