"""What `fusionrec train` can be told: each model's widths, its training, and named recipes."""

from __future__ import annotations

from collections.abc import Mapping

from fusionrec.errors import UsageError
from fusionrec.models.fusion_settings import (
    FUSION,
    FusionSettings,
    RatingSettings,
    Recipe,
    TrainingSettings,
)
from fusionrec.models.sequence_settings import (
    SEQUENCE,
    SequenceRecipe,
    SequenceSettings,
    SequenceTraining,
)

AnyRecipe = Recipe | SequenceRecipe

# Model -> profile -> recipe.
RECIPES: Mapping[str, Mapping[str, AnyRecipe]] = {"fusion": FUSION, "sequence": SEQUENCE}


def recipe_named(model: str, profile: str) -> AnyRecipe:
    """The recipe of a model that has a name.

    Raises:
        UsageError: there is no such model, or it has no recipe of this name.
    """
    if model not in RECIPES:
        raise UsageError(f"the models are {', '.join(RECIPES)}, got {model!r}")
    if profile not in RECIPES[model]:
        raise UsageError(
            f"model {model} has the profiles {', '.join(RECIPES[model])}, got {profile!r}"
        )
    return RECIPES[model][profile]


__all__ = [
    "FUSION",
    "RECIPES",
    "SEQUENCE",
    "AnyRecipe",
    "FusionSettings",
    "RatingSettings",
    "Recipe",
    "SequenceRecipe",
    "SequenceSettings",
    "SequenceTraining",
    "TrainingSettings",
    "recipe_named",
]
