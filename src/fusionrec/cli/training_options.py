"""Options of the commands that train: which model, how long, on which part of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fusionrec.cli.options import Option, pairs, together
from fusionrec.cli.output import say
from fusionrec.errors import UsageError
from fusionrec.evaluation import PROTOCOLS
from fusionrec.models.presets import (
    PRESETS,
    AnyRecipe,
    AutoRecipe,
    LinearRecipe,
    preset_recipe,
    saved_recipe,
)

if TYPE_CHECKING:
    from fusionrec.registry import Artifact

share = click.option(
    "--share", type=float,
    help="Of the ratings or items that is hidden.  [default: 0.1; random-holdout: 0.2]",
)  # fmt: skip


def preset(names: Sequence[str], text: str) -> Option[Any]:
    """``--preset``, and its old name ``--profile``, which is not shown."""

    def use_old(context: click.Context, _: click.Parameter, old: str | None) -> None:
        if old is None:
            return
        new, source = context.params["preset"], context.get_parameter_source("preset")
        if source is ParameterSource.COMMANDLINE and old != new:
            raise UsageError(f"--preset {new} and --profile {old} differ: give --preset alone")
        say("note: --profile is now --preset")
        context.params["preset"] = old
        context.set_parameter_source("preset", ParameterSource.COMMANDLINE)

    return together(
        click.option(  # eager: read before --profile, wherever it stands
            "--preset", metavar=f"[{'|'.join(names)}]", is_eager=True, help=text
        ),
        click.option("--profile", "old", hidden=True, expose_value=False, callback=use_old),
    )


# How a model is trained: ``model``, ``preset``, ``minutes``, ``passes`` and ``settings``, for
# ``read_recipe``.
recipe = together(
    click.option(
        "--model", type=click.Choice(list(PRESETS)), default="auto", show_default=True,
        help="auto joins parts that read histories and profiles, as far as each is of use; fusion "
        "reads ids and profiles, sequence and linear a person's history and profile.",
    ),
    preset(
        list(dict.fromkeys(name for presets in PRESETS.values() for name in presets)),
        "Named settings. Of auto quick takes about a minute, default 30 minutes, full has no "
        "limit; of the others quick is soon done and full the most accurate.  "
        "[default: default of auto, full of the others]",
    ),
    click.option(
        "--minutes", type=click.FloatRange(0), metavar="N",
        help="Of auto: how long the whole training takes, about; 0 for no limit.",
    ),
    click.option(
        "--passes", type=click.IntRange(0), metavar="N",
        help="Of auto: the network's passes over the data, instead of as many as time allows.",
    ),
    click.option(
        "--set", "settings", multiple=True, metavar="NAME=VALUE",
        help="Any setting, such as training.epochs=5 or model.dim=128.",
    ),
)  # fmt: skip


def protocol(required: bool) -> Option[Any]:
    """``--protocol``; if it is not required, it names the split whose training rows are used."""
    text = "The question." if required else "Train on this protocol's training rows alone."
    return click.option("--protocol", type=click.Choice(PROTOCOLS), required=required, help=text)


def _named_model() -> bool:
    source = click.get_current_context().get_parameter_source("model")
    return source is not ParameterSource.DEFAULT


def read_settings(given: Sequence[str]) -> dict[str, str]:
    """The ``--set name=value`` of a command."""
    return dict(pairs("--set", given))


def read_recipe(
    model: str,
    preset: str | None,
    settings: Sequence[str],
    *,
    seed: int | None = None,
    minutes: float | None = None,
    passes: int | None = None,
    device: str | None = None,
    start: Artifact | None = None,
) -> AnyRecipe:
    """The settings in a command's options; ``--seed``, ``--minutes``, ``--passes`` and ``--device``
    win over ``--set``. Where neither model nor preset is named, those of the version that the
    training begins with hold, if there is one.

    Raises:
        UsageError: a ``--set`` without an equals sign, or the model has no such preset or option.
        ConfigError: a setting is unknown or out of its range.
    """
    if start is not None and preset is None and not _named_model():
        made = saved_recipe(start.manifest)
        model = made.name
    else:
        made = preset_recipe(model, preset)
    if device is not None and isinstance(made, LinearRecipe):
        raise UsageError("model linear trains without PaddlePaddle", "leave --device out")
    given = {"seed": seed, "minutes": minutes, "passes": passes, "device": device}
    chosen = {name: value for name, value in given.items() if value is not None}
    if not isinstance(made, AutoRecipe) and (wrong := chosen.keys() - {"seed", "device"}):
        by_epochs = hasattr(made.training, "epochs")
        raise UsageError(
            f"--{min(wrong)} is for model auto, got model {model}",
            "say how many epochs: --set training.epochs=N" if by_epochs else "leave it out",
        )
    own = {f"training.{name}": str(value) for name, value in chosen.items()}
    return made.change({**read_settings(settings), **own})
