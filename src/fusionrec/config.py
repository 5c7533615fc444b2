"""Frozen settings, and the workspace's places. An unknown key is an error; TOML in and out."""

from __future__ import annotations

import difflib
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Self, get_origin, get_type_hints

from fusionrec.errors import ConfigError


@dataclass(frozen=True)
class Settings:
    """Base of all settings: checked values that read from and write to plain dictionaries."""

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values; ``from_dict`` reads them back equal."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "") -> Self:
        """Settings from a dictionary; what is left out keeps its default.

        Args:
            values: setting -> value; nested settings are dictionaries themselves.
            where: the outer setting's name, for messages.

        Raises:
            ConfigError: a name is unknown (the nearest known one is the hint), or a
                value's type is wrong.
        """
        kinds = get_type_hints(cls)
        given: dict[str, Any] = {}
        for name, value in values.items():
            path = f"{where}{name}"
            if name not in kinds:
                inner = [f"{n}.{name}" for n, k in kinds.items() if name in _settings_of(k)]
                near = inner or difflib.get_close_matches(name, kinds, n=1, cutoff=0.4)
                raise ConfigError(
                    f"unknown setting {path!r}; known here: {', '.join(kinds)}",
                    hint=f"did you mean {where}{near[0]}?" if near else None,
                )
            kind = kinds[name]
            if issubclass(get_origin(kind) or kind, Settings) and isinstance(value, Mapping):
                given[name] = kind.from_dict(value, f"{path}.")
            else:
                given[name] = _of_kind(path, value, kind)
        return cls(**given)

    def change(self, assignments: Mapping[str, str]) -> Self:
        """A copy with some settings changed, as the command line's ``--set a.b=value`` gives them.

        Raises:
            ConfigError: as in ``from_dict``, or a value is not TOML.
        """
        nested: dict[str, Any] = self.to_dict()
        for path, text in assignments.items():
            *outer, last = path.split(".")
            place = nested
            for name in outer:
                place.setdefault(name, {})  # from_dict knows what to say of an unknown name
                if not isinstance(place[name], dict):
                    raise ConfigError(f"unknown setting {path!r}: {name!r} holds no settings")
                place = place[name]
            place[last] = _toml_value(path, text)
        return self.from_dict(nested)


def _settings_of(kind: Any) -> list[str]:
    return [f.name for f in fields(kind)] if is_dataclass(kind) else []


def _toml_value(path: str, text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if text.replace("_", "").replace("-", "").isalnum():
            return text  # a bare word needs no quotes on the command line
        raise ConfigError(f"{path}: {text!r} is not a number, word or list") from None


def _of_kind(path: str, value: Any, kind: Any) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list | tuple) and getattr(kind, "__origin__", None) is tuple:
        inner = kind.__args__[0]
        return tuple(_of_kind(path, one, inner) for one in value)
    if getattr(kind, "__origin__", None) is tuple:
        raise ConfigError(f"{path} must be a list such as [3, 5], got {value!r}")
    if isinstance(kind, type) and type(value) is not kind:
        raise ConfigError(f"{path} must be {kind.__name__}, got {value!r}")
    return value


def check(ok: bool, message: str) -> None:
    """Raises ConfigError with the message unless ``ok``."""
    if not ok:
        raise ConfigError(message)


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
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, int):
                check(1 <= value <= 8192, f"model.{f.name} must be 1 to 8192, got {value}")
        check(
            bool(self.windows) and all(1 <= w <= 16 for w in self.windows),
            f"model.windows must be one or more numbers of 1 to 16, got {self.windows}",
        )
        check(self.activation in ("tanh", "relu"), f"model.activation: {self.activation!r}?")
        check(0 <= self.dropout < 1, f"model.dropout must be 0 to below 1, got {self.dropout}")


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
        id_dropout: share of users and items whose id is withheld in each minibatch, so that a
            profile or a content alone has a sound vector.
        attribute_dropout: share of the values of a user's category that are withheld likewise.
        ranking: weight of the ranking term (softmax over items) beside the squared error; 0 leaves
            the article's squared error alone.
        temperature: of the ranking term's softmax over cosines.
        exposure: weight of a term that guesses which items a user rates at all; it trains what the
            towers read, through a head that is dropped after training.
        validation: share of the rows held out to choose the best epoch; 0 trains on every row.
        patience: epochs without a better validation error after which training stops.
        seed: of everything random.
        threads: math threads; 0 for one per core, two at most.
        checkpoint_seconds: time between checkpoints; one is also kept at every epoch's end.
    """

    epochs: int = 20
    batch: int = 8192
    learning_rate: float = 4e-3
    weight_decay: float = 1.0
    id_dropout: float = 0.1
    attribute_dropout: float = 0.02
    ranking: float = 0.2
    temperature: float = 0.1
    exposure: float = 8.0
    validation: float = 0.02
    patience: int = 3
    seed: int = 0
    threads: int = 0
    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        whole = (("epochs", 1), ("batch", 1), ("patience", 1), ("seed", 0), ("threads", 0))
        for name, low in whole:
            value = getattr(self, name)
            check(value >= low, f"training.{name} must be {low} or more, got {value}")
        for name in ("id_dropout", "attribute_dropout", "validation"):
            value = getattr(self, name)
            check(0 <= value < 1, f"training.{name} must be 0 to below 1, got {value}")
        for name in ("learning_rate", "temperature", "checkpoint_seconds"):
            value = getattr(self, name)
            check(0 < value < math.inf, f"training.{name} must be above 0, got {value}")
        for name in ("weight_decay", "ranking", "exposure"):
            value = getattr(self, name)
            check(0 <= value < math.inf, f"training.{name} must not be negative, got {value}")


@dataclass(frozen=True)
class Recipe(Settings):
    """A model and its training: all that `fusionrec train` can be told.

    Attributes:
        model: widths of the fusion model.
        training: how it is trained.
    """

    model: FusionSettings = field(default_factory=FusionSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)


PROFILES = {
    "quick": Recipe(
        training=TrainingSettings(epochs=5, learning_rate=3e-3, ranking=0.3, exposure=2.0)
    ),
    "full": Recipe(),
}


@dataclass(frozen=True)
class Workspace:
    """The folder that holds a project's models, embedded Milvus, ledger and downloads.

    Attributes:
        home: the folder; made when something is written.
    """

    home: Path

    @classmethod
    def find(cls, home: str | Path | None = None) -> Workspace:
        """The workspace at ``home``, else at ``FUSIONREC_HOME``, else at ``./.fusionrec``."""
        return cls(Path(home or os.environ.get("FUSIONREC_HOME") or ".fusionrec"))

    @property
    def models(self) -> Path:
        """One folder per published version."""
        return self.home / "models"

    @property
    def data(self) -> Path:
        """Downloaded data sets."""
        return self.home / "data"

    @property
    def checkpoints(self) -> Path:
        """One folder per training that has not ended."""
        return self.home / "checkpoints"

    @property
    def ledger(self) -> Path:
        """The SQLite file of what must not be lost."""
        return self.home / "ledger.sqlite"

    @property
    def milvus(self) -> str:
        """The embedded Milvus, the default place of the index."""
        return str(self.home / "milvus.db")
