"""Settings of the fusion model and its training, and the named ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from fusionrec.config import Settings, check
from fusionrec.data.schema import Schema

MIN_STEPS, MIN_BATCH = 100, 100  # of an epoch over events; see Recipe.for_schema


_RULES: Mapping[str, Callable[[Any], bool]] = {
    "1 or more": lambda v: v >= 1,
    "0 or more": lambda v: 0 <= v < math.inf,
    "above 0": lambda v: 0 < v < math.inf,
    "0 to 1": lambda v: 0 <= v <= 1,
    "0 to below 1": lambda v: 0 <= v < 1,
    "1 to 8192": lambda v: 1 <= v <= 8192,
}


def check_all(settings: Settings, table: str, names: Mapping[str, str]) -> None:
    """Raises a ConfigError for the first setting that breaks the rule that it is listed under."""
    for rule, ruled in names.items():
        for name in ruled.split():
            value = getattr(settings, name)
            check(_RULES[rule](value), f"{table}.{name} must be {rule}, got {value}")


DEVICES = ("auto", "cpu", "gpu")


def check_device(name: str) -> None:
    """Raises a ConfigError for a device that there is not."""
    known = ", ".join(DEVICES)
    check(name in DEVICES, f"training.device must be one of {known}, got {name!r}")


@dataclass(frozen=True)
class FusionSettings(Settings):
    """Widths of the fusion model's two towers.

    Attributes:
        id_width: of an id's embedding and of the fully connected layer behind it.
        category_width: of a category's embedding and of the layer behind it.
        categories_width: of the layer that reads several categories as a vector.
        number_width: of the layer that reads a number.
        word_width: of a word's embedding.
        windows: words that each of the text's convolutions spans.
        filters: outputs of each convolution.
        dim: length of both towers' vectors.
        activation: ``tanh`` or ``relu``, after every layer but the last.
        dropout: share of the id layer's outputs that is dropped in training.
    """

    id_width: int = 256
    category_width: int = 16
    categories_width: int = 32
    number_width: int = 8
    word_width: int = 32
    windows: tuple[int, ...] = (3,)
    filters: int = 32
    dim: int = 200
    activation: str = "tanh"
    dropout: float = 0.2

    def __post_init__(self) -> None:
        whole = " ".join(f.name for f in fields(self) if isinstance(getattr(self, f.name), int))
        check_all(self, "model", {"1 to 8192": whole, "0 to below 1": "dropout"})
        check(
            bool(self.windows) and all(1 <= w <= 16 for w in self.windows),
            f"model.windows must be one or more numbers of 1 to 16, got {self.windows}",
        )
        check(self.activation in ("tanh", "relu"), f"model.activation: {self.activation!r}?")


@dataclass(frozen=True)
class TrainingSettings(Settings):
    """How a model is trained.

    Attributes:
        epochs: passes over the training rows, at most.
        batch: ratings in a minibatch, on average.
        learning_rate: of Adam at its highest, after warming up over the first tenth of the steps;
            it then falls along a cosine to a hundredth.
        weight_decay: decoupled decay (AdamW) of every embedding, per step and unit of
            learning rate.
        user_id_dropout: share of users whose id is hidden in each minibatch, so that a profile
            alone gives a good vector.
        item_id_dropout: share of items whose id is hidden, so that content alone gives one.
        attribute_dropout: share of the values of a user's category that are hidden.
        squared: weight of the article's squared error; 0 for a model that predicts no ratings.
        ranking: weight of the ranking term (softmax over items); 0 leaves it out.
        temperature: of the ranking term's softmax over cosines.
        exposure: weight of a term that predicts which items a user rates at all; it trains the
            towers' branches through a head that is dropped after training.
        validation: share of the rows in the holdout that chooses the best epoch; 0 trains on all
            rows.
        patience: epochs without a better validation error after which training stops.
        seed: of everything random.
        threads: math threads; 0 tries a few minibatches and takes as many as pay, up to all cores,
            or two where the training is short. Another number rounds sums otherwise: the one that
            a version's manifest tells repeats its training bit for bit.
        device: ``cpu``, ``gpu``, or ``auto`` for a GPU where PaddlePaddle can use one.
        checkpoint_seconds: time between checkpoints; one is also kept at every epoch's end.
    """

    epochs: int = 20
    batch: int = 8192
    learning_rate: float = 4e-3
    weight_decay: float = 1.0
    user_id_dropout: float = 0.1
    item_id_dropout: float = 0.1
    attribute_dropout: float = 0.02
    squared: float = 1.0
    ranking: float = 0.2
    temperature: float = 0.1
    exposure: float = 8.0
    validation: float = 0.02
    patience: int = 3
    seed: int = 0
    threads: int = 0
    device: str = "auto"
    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        names = {
            "1 or more": "epochs batch patience",
            "0 or more": "seed threads weight_decay squared ranking exposure",
            "above 0": "learning_rate temperature checkpoint_seconds",
            "0 to below 1": "user_id_dropout item_id_dropout attribute_dropout validation",
        }
        check_all(self, "training", names)
        check_device(self.device)
        check(
            self.squared + self.ranking + self.exposure > 0,
            "training.squared, ranking and exposure are all 0: there is nothing to learn",
        )
        check(
            self.squared > 0 or self.validation == 0,
            "training.validation chooses the best epoch by its error in stars, which "
            f"training.squared=0 does not teach: set it to 0 too, got {self.validation}",
        )


@dataclass(frozen=True)
class Recipe(Settings):
    """A fusion model and its training: all settings of `fusionrec train`."""

    model: FusionSettings = field(default_factory=FusionSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)

    name = "fusion"  # of the model; no setting

    @property
    def rates(self) -> bool:
        """Whether the model predicts ratings; else it only ranks."""
        return self.training.squared > 0

    def for_schema(self, schema: Schema, rows: int) -> Recipe:
        """The recipe as it is trained on so many rows of data of a schema.

        Events have no ratings: a recipe that predicts ratings is trained on the ranking term alone,
        which was measured to serve events best (``benchmarks/RESULTS.md``). With few events
        minibatches are smaller, so that an epoch has enough steps. A recipe without
        ``training.squared`` is not changed.
        """
        if not (schema.events and self.rates):
            return self
        batch = min(self.training.batch, max(MIN_BATCH, rows // MIN_STEPS))
        off: dict[str, Any] = dict.fromkeys(("squared", "exposure", "validation"), 0.0)
        return replace(self, training=replace(self.training, batch=batch, ranking=1.0, **off))


FUSION = {
    "quick": Recipe(
        training=TrainingSettings(epochs=5, learning_rate=3e-3, ranking=0.3, exposure=2.0)
    ),
    "full": Recipe(),
}
