"""What `fusionrec train` can be told: each model's widths, its training, and named presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fusionrec.errors import ConfigError, UsageError
from fusionrec.models.fusion_settings import FUSION, FusionSettings, Recipe, TrainingSettings
from fusionrec.models.linear_settings import AUTO, LINEAR, AutoRecipe, LinearRecipe
from fusionrec.models.sequence_settings import (
    SEQUENCE,
    SequenceRecipe,
    SequenceSettings,
    SequenceTraining,
)

AnyRecipe = Recipe | SequenceRecipe | LinearRecipe | AutoRecipe

# Model -> preset -> recipe.
PRESETS: Mapping[str, Mapping[str, AnyRecipe]] = {
    "auto": AUTO,
    "fusion": FUSION,
    "sequence": SEQUENCE,
    "linear": LINEAR,
}


def preset_recipe(model: str, preset: str | None = None) -> AnyRecipe:
    """The recipe of a model's preset; by default ``default`` where it has one, else ``full``.

    Raises:
        UsageError: there is no such model, or it has no preset of this name.
    """
    if model not in PRESETS:
        raise UsageError(f"the models are {', '.join(PRESETS)}, got {model!r}")
    presets = PRESETS[model]
    if preset is None:
        preset = "default" if "default" in presets else "full"
    if preset not in presets:
        others = [name for name, known in PRESETS.items() if preset in known]
        hint = f"{preset} is a preset of model {' and '.join(others)}" if others else None
        if preset in ("stars", "strangers"):  # of fusion, until 0.2.0
            hint = f"{preset} is gone: any preset of auto, the default model, does what it did"
        raise UsageError(
            f"model {model} has the presets {', '.join(presets)}, got {preset!r}", hint
        )
    return presets[preset]


def saved_recipe(manifest: Mapping[str, Any]) -> AnyRecipe:
    """The settings that a version was trained with.

    Raises:
        UsageError: its vectors came in a file, or it is of a fusionrec with other settings.
    """
    kinds = {name: type(presets["quick"]) for name, presets in PRESETS.items()}
    model = manifest["model"]
    if model not in kinds:
        raise UsageError(
            "a version whose vectors came in a file has no settings of a training",
            "name a version that was trained here",
        )
    try:
        return kinds[model].from_dict(manifest["recipe"])
    except ConfigError as error:
        raise UsageError(
            f"the version was trained by an earlier fusionrec, with other settings: {error}",
            f"say which ones to use: --model {model} --preset NAME",
        ) from error


def with_goals(recipe: AnyRecipe, goals: tuple[str, ...], stars: bool) -> AnyRecipe:
    """The recipe with some goals alone, its own the first, and with or without stars, where its
    parts are weighed by goals and its own is ``auto``; any other recipe as it is.
    """
    if isinstance(recipe, LinearRecipe | AutoRecipe) and recipe.model.goal == "auto":
        return replace(recipe, model=replace(recipe.model, goal=goals[0], goals=goals, stars=stars))
    return recipe


__all__ = [
    "AUTO",
    "FUSION",
    "LINEAR",
    "PRESETS",
    "SEQUENCE",
    "AnyRecipe",
    "AutoRecipe",
    "FusionSettings",
    "LinearRecipe",
    "Recipe",
    "SequenceRecipe",
    "SequenceSettings",
    "SequenceTraining",
    "TrainingSettings",
    "preset_recipe",
    "saved_recipe",
    "with_goals",
]
