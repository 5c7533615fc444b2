"""Settings of the sequence model and its training, and the named ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from fusionrec.config import Settings, check
from fusionrec.data.schema import Schema
from fusionrec.models.fusion_settings import FusionSettings, check_all, check_device


@dataclass(frozen=True)
class SequenceSettings(Settings):
    """Widths of the sequence model.

    Attributes:
        tower: of the item tower, which is the fusion model's; its ``dim`` is that of all tokens
            and vectors, its widths of categories, numbers and text also hold for the profile.
        blocks: of the transformer.
        heads: of attention in each block; must divide ``tower.dim``.
        feed_forward: how many times wider than ``tower.dim`` the layer between two blocks is.
        history: items of a history that are read, the newest ones.
        dropout: share of the tokens' entries dropped in training, before the first block and
            after each part of every block.
        gaps: whether attention reads how much time lies between two items of a history.
        clock: whether the time of the request is read: how long after the newest item it is, and
            its date.
    """

    tower: FusionSettings = field(
        default_factory=lambda: FusionSettings(id_width=128, dim=128, dropout=0.0)
    )
    blocks: int = 2
    heads: int = 2
    feed_forward: int = 4
    history: int = 200
    dropout: float = 0.2
    gaps: bool = False
    clock: bool = False

    @property
    def dim(self) -> int:
        """Length of all vectors."""
        return self.tower.dim

    def __post_init__(self) -> None:
        for name, high in (("blocks", 32), ("heads", 64), ("feed_forward", 16), ("history", 4096)):
            value = getattr(self, name)
            check(1 <= value <= high, f"model.{name} must be 1 to {high}, got {value}")
        check(
            self.tower.dim % self.heads == 0,
            f"model.heads must divide model.tower.dim, got {self.heads} and {self.tower.dim}",
        )
        check_all(self, "model", {"0 to below 1": "dropout"})


@dataclass(frozen=True)
class SequenceTraining(Settings):
    """How a sequence model is trained.

    Attributes:
        epochs: passes over all users' histories, at most.
        batch: items of histories in a minibatch, at most (padding included).
        learning_rate: of Adam at its highest; it rises and falls as the fusion model's does.
        temperature: of the softmax over cosines, 0.02 or more.
        negatives: items that a minibatch draws by popularity to stand for the whole catalog in
            the softmax; 0 draws from catalogs of more than 20,000 items alone, and a number as
            large as the catalog ranks each target against every item.
        id_dropout: share of items whose id is hidden in each minibatch, so that a new item's
            content alone gives a good vector.
        attribute_dropout: share of a profile's values that are hidden.
        rating_dropout: share of a history's ratings that are hidden.
        time_dropout: share of the histories whose times are hidden, where any are read.
        profile_items: items drawn from all that a user rated, as targets of the profile alone, each
            time that the history is read; more serve users without history better and all others
            worse.
        validation: share of the users whose latest item is the holdout that chooses the best epoch.
        patience: epochs without a better NDCG@10 on the holdout after which training stops.
        seed: of everything random.
        threads: math threads; 0 tries a few minibatches and takes as many as pay, up to all cores,
            or two where the training is short. Another number rounds sums otherwise: the one that
            a version's manifest tells repeats its training bit for bit.
        device: ``cpu``, ``gpu``, or ``auto`` for a GPU where PaddlePaddle can use one.
        checkpoint_seconds: time between checkpoints; one is also kept at every epoch's end.
    """

    epochs: int = 36
    batch: int = 2048
    learning_rate: float = 1.5e-3
    temperature: float = 0.05
    negatives: int = 0
    id_dropout: float = 0.02
    attribute_dropout: float = 0.1
    rating_dropout: float = 0.1
    time_dropout: float = 0.1
    profile_items: int = 1
    validation: float = 0.2
    patience: int = 10
    seed: int = 0
    threads: int = 0
    device: str = "auto"
    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        names = {
            "1 or more": "epochs batch patience profile_items",
            "0 or more": "seed threads negatives",
            "above 0": "learning_rate checkpoint_seconds",
            "0 to 1": "rating_dropout",
            "0 to below 1": "id_dropout attribute_dropout time_dropout validation",
        }
        check_all(self, "training", names)
        check_device(self.device)
        check(
            0.02 <= self.temperature < math.inf,  # below, the softmax leaves float32's range
            f"training.temperature must be 0.02 or more, got {self.temperature}",
        )


@dataclass(frozen=True)
class SequenceRecipe(Settings):
    """A sequence model and its training."""

    model: SequenceSettings = field(default_factory=SequenceSettings)
    training: SequenceTraining = field(default_factory=SequenceTraining)

    name, rates = "sequence", False  # no settings: the model's name, and that it only ranks

    def for_schema(self, schema: Schema, rows: int) -> SequenceRecipe:  # noqa: ARG002
        """The recipe as it is trained on data of a schema: the same for ratings and events."""
        return self


SEQUENCE = {
    "quick": SequenceRecipe(
        SequenceSettings(FusionSettings(id_width=64, dim=64, dropout=0.0)),
        SequenceTraining(epochs=6, learning_rate=2e-3),
    ),
    # As it was measured: benchmarks/RESULTS.md.
    "full": SequenceRecipe(SequenceSettings(gaps=True), SequenceTraining(epochs=28, batch=1024)),
}
