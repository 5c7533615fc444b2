"""Options that several commands share; those of profile and filters come from MovieLens' schema."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from fusionrec.data.movielens import MOVIELENS
from fusionrec.engine import NAMES as ENGINES
from fusionrec.errors import UsageError
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.data.schema import Field
    from fusionrec.index import Place

F = TypeVar("F", bound=Callable[..., Any])
Option = Callable[[F], F]


def together(*options: Option[Any]) -> Option[Any]:
    """Several options as one, in the order of the help."""
    return lambda command: functools.reduce(lambda c, option: option(c), reversed(options), command)


engine = click.option(
    "--engine", type=click.Choice(ENGINES), default="process", show_default=True,
    help="What works: this process, or Ray's workers, of the cluster that RAY_ADDRESS names or "
    "else of one that is started here.",
)  # fmt: skip
version = click.option("--version", metavar="vN", help="Default: the active version.")
newest = click.option("--version", metavar="vN", help="Default: the newest version.")
count = click.option(
    "-k", "k", type=click.IntRange(1), default=10, show_default=True, help="Items wanted."
)
as_json = click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
copy = click.option(
    "--copy/--no-copy", default=True,
    help="Whether a copy in memory may answer for an embedded Milvus that is known to be whole."
    "  [default: copy]",
)  # fmt: skip
accept = click.option(
    "--accept", is_flag=True, help="Take a fusionrec.toml as it is, whatever init was in doubt of."
)
allow_remote = click.option(
    "--allow-remote", is_flag=True,
    help="Also read URLs and files outside the folder that a fusionrec.toml names.",
)  # fmt: skip
data = together(
    click.option(
        "--data", default="ml-1m", show_default=True, help="ml-1m, ml-100k, synthetic, or a path."
    ),
    accept,
    allow_remote,
)


def lists(group: F) -> F:
    """Makes a group without a subcommand do what its subcommand ``list`` does."""

    @functools.wraps(group)
    def bare(context: click.Context, as_json: bool) -> None:
        if context.invoked_subcommand is None:
            command = context.command
            assert isinstance(command, click.Group)
            shown = ["--json"] if as_json else []
            with command.commands["list"].make_context("list", shown, context) as listing:
                listing.command.invoke(listing)
        elif as_json:
            path = f"{context.command_path} {context.invoked_subcommand}"
            raise UsageError("--json stands after the subcommand", f"{path} --help")

    return cast(F, as_json(click.pass_context(bare)))


def one_thread(command: F) -> F:
    """Makes NumPy compute in the thread that asks: eight answers at once that each use several
    threads wait for each other, and take up to a hundred times as long. NumPy reads this only when
    it is loaded, so this must run before what else wraps the command.
    """

    @functools.wraps(command)
    def with_one_thread(*args: Any, **given: Any) -> Any:
        for library in ("OMP", "OPENBLAS", "MKL"):
            os.environ.setdefault(f"{library}_NUM_THREADS", "1")
        return command(*args, **given)

    return cast(F, with_one_thread)


def place(command: F) -> F:
    """Which Milvus, and how it is reached: ``place``."""

    @functools.wraps(command)
    def with_place(*args: Any, uri: str, token: str, connect: Sequence[str], **given: Any) -> Any:
        workspace = click.get_current_context().find_object(Workspace)
        return command(*args, place=read_place(workspace, uri, token, connect), **given)

    options = together(
        click.option(
            "--milvus", "uri", default="", metavar="URI",
            help="A path (embedded Milvus) or http(s)://host:port. Default: FUSIONREC_MILVUS, else "
            "where the active version is, else in the workspace.",
        ),
        click.option(
            "--token", default="", help="For a Milvus server. Default: FUSIONREC_MILVUS_TOKEN."
        ),
        click.option(
            "--connect", multiple=True, metavar="NAME=VALUE",
            help="How a Milvus server is reached: user, password, database, ca, server_name, "
            "timeout. Default: FUSIONREC_MILVUS_USER and so on.",
        ),
    )  # fmt: skip
    return cast(F, options(with_place))


def read_place(workspace: Workspace | None, uri: str, token: str, connect: Sequence[str]) -> Place:
    """The place in a command's options, the environment and the workspace's settings.

    Raises:
        UsageError: a ``--connect`` is no setting, or the URI is of no known form.
        ConfigError: a setting is out of its range.
    """
    from fusionrec.index import place_from

    given = dict(pairs("--connect", connect, shown=False))
    given |= {name: value for name, value in (("uri", uri), ("token", token)) if value}
    return place_from(given, file=workspace.settings if workspace else None)


store = together(place, version)


def _attribute(field: Field) -> Option[Any]:
    """An attribute of a person. Not click.Choice: other schemas may have other choices."""
    some = ", ".join(f"{code} {label}" for code, label in list(field.choices.items())[:3])
    some += " and so on" if len(field.choices) > 3 else ""
    if field.bounds:
        some = f"a number, which counts as its group: {', '.join(field.choices.values())}"
    text = f"For a model of {MOVIELENS.name}: {some}."
    return click.option(f"--{field.flag}", f"profile_{field.name}", help=text)


def _condition(field: Field) -> Option[Any]:
    """A condition on an attribute of items."""
    metavar, end = (
        ("LOW..HIGH", ".") if field.kind == "number" else ("VALUE", "; several mean any.")
    )
    return click.option(
        f"--{field.flag}", f"where_{field.name}", multiple=True, metavar=metavar,
        help=f"Only items of this {field.flag}{end}",
    )  # fmt: skip


# What is known of a person: ``--profile name=value`` and MovieLens' names for it.
profile = together(
    click.option(
        "--profile", multiple=True, metavar="NAME=VALUE", help="What is known of the person."
    ),
    *map(_attribute, MOVIELENS.attributes("user")),
)

# Conditions on items: ``--where``, MovieLens' names for it, ``--only`` and ``--without``.
filters = together(
    click.option(
        "--where", multiple=True, metavar="CONDITION",
        help="Only items for which this is so. NAME=VALUE: any of the values given so; "
        "NAME+=VALUE: all of them; NAME!=VALUE: none of them; NAME=LOW..HIGH: a range.",
    ),
    *map(_condition, MOVIELENS.filters()),
    click.option("--only", multiple=True, metavar="ID", help="Only items with one of these ids."),
    click.option("--without", multiple=True, metavar="ID", help="Not the item with this id."),
)  # fmt: skip

# Who is asked: ``user``, ``profile`` and MovieLens' names for it, ``liked``, ``rated``.
person = together(
    click.option("--user", metavar="ID", help="A user of the training data."),
    profile,
    click.option(
        "--liked", multiple=True, metavar="ITEM",
        help="An item that the person likes, by id or title; may be repeated.",
    ),
    click.option(
        "--rated", multiple=True, metavar="ITEM=RATING",
        help="An item, by id or title, with the person's rating of it.",
    ),
)  # fmt: skip


goal = click.option(
    "--goal", metavar="GOAL",
    help="What the list is for: later (all that people take after now), next (their next item) or "
    "taste (what else they like); of a version of model auto or linear.",
)  # fmt: skip


def seen(default: bool) -> Option[Any]:
    """Whether items that the person has rated may be in the answer: ``seen``."""
    return click.option(
        "--seen/--unseen", default=default, show_default=True,
        help="Whether items that the person has rated may be in the answer.",
    )  # fmt: skip


def read_question(options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``Recommender``'s methods, from the options ``person`` and ``filters``.

    Raises:
        UsageError: a ``--profile`` is no NAME=VALUE, or a ``--rated`` no item and number.
    """
    asked = {n: v for n, v in options.items() if not n.startswith(("where_", "profile_"))}
    asked |= read_filters(options)
    if "rated" not in options:
        return asked
    names = [field.name for field in MOVIELENS.attributes("user")]
    profile = {n: value for n in names if (value := options[f"profile_{n}"]) is not None}
    for name, value in pairs("--profile", options["profile"]):
        if profile.setdefault(name, value) != value:
            raise UsageError(f"{name} is given twice, as {profile[name]!r} and as {value!r}")
    return asked | {"profile": profile, "rated": list(map(_rated, options["rated"]))}


def _rated(text: str) -> tuple[str, float]:
    item, _, rating = text.rpartition("=")  # an id is taken as it is, "=" and spaces too
    try:
        if item:
            return item, float(rating)
    except ValueError:
        pass
    raise UsageError(
        f"--rated is ITEM=RATING, with a number for the rating, got {text!r}",
        "such as: --rated 1721=4",
    )


def read_filters(options: dict[str, Any]) -> dict[str, Any]:
    """The conditions in a command's options: ``where``, ``only`` and ``without``."""
    where = list(options["where"])
    for name, values in options.items():
        if name.startswith("where_"):
            where += [f"{name.removeprefix('where_')}={value}" for value in values]
    return {"where": where, "only": options["only"], "without": options["without"]}


def pairs(option: str, given: Sequence[str], *, shown: bool = True) -> list[tuple[str, str]]:
    """The ``NAME=VALUE`` of an option.

    Args:
        option: its name, for messages.
        given: what was given.
        shown: whether a message may show a wrong one, which may hold a password.

    Raises:
        UsageError: one has no name or no equals sign.
    """
    found = []
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            came = f", got {text!r}" if shown else ""
            raise UsageError(f"{option} is name=value{came}")
        found.append((name.strip(), value.strip()))
    return found
