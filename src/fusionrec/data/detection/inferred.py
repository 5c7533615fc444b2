"""The content of a ``fusionrec.toml`` as it was inferred, with the reasons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fusionrec.data.detection.attributes import Attribute
from fusionrec.data.detection.doubts import Doubt


@dataclass(frozen=True)
class InferredKey:
    """One key of the TOML: its value, and the reasons for it."""

    key: str
    value: Any
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class InferredTable:
    """The table ``[users]`` or ``[items]``.

    Attributes:
        keys: the keys of the table itself.
        fields: its fields, in the file's order.
        left_out: unused column -> why.
    """

    keys: tuple[InferredKey, ...]
    fields: tuple[Attribute, ...]
    left_out: dict[str, str]


@dataclass(frozen=True)
class InferredSpec:
    """The inferred content of a ``fusionrec.toml``.

    Attributes:
        name: of the data set.
        interactions: the keys of that table.
        left_out: unused column of the interactions -> why.
        users, items: the other tables; None if no file has their attributes.
        unused: readable file -> why it is not used.
        refused: file -> why it could not be read.
        doubts: what it is not sure of.
    """

    name: str
    interactions: tuple[InferredKey, ...]
    left_out: dict[str, str]
    users: InferredTable | None
    items: InferredTable | None
    unused: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    doubts: tuple[Doubt, ...] = ()
