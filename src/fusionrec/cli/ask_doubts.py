"""Asks on the terminal what ``init`` is in doubt of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from fusionrec.cli.output import say

if TYPE_CHECKING:
    from fusionrec.data.detection.doubts import Doubt
    from fusionrec.data.detection.inferred import InferredSpec


def ask_doubts(infer: Callable[..., InferredSpec]) -> InferredSpec:
    """Infers, asks about each doubt that has choices, and infers again from the answers, until
    there is nothing left to ask. What was answered is no longer a doubt.

    Args:
        infer: ``infer_spec`` of something; takes the answers as ``told``.

    Raises:
        click.Abort: the terminal was closed, or Ctrl-C.
    """
    told: dict[str, str] = {}
    spec = infer()
    while asked := [doubt for doubt in spec.doubts if doubt.choices and doubt.key not in told]:
        told |= {doubt.key: _choose(doubt) for doubt in asked}
        spec = infer(told=told)
    return replace(spec, doubts=tuple(doubt for doubt in spec.doubts if doubt.key not in told))


def _choose(doubt: Doubt) -> str:
    """The value that someone chooses for ``doubt.key``."""
    say(plain(doubt.says))
    for number, choice in enumerate(doubt.choices, start=1):
        say(plain(f"  {number}  {choice or 'none'}"))
    kind = click.IntRange(1, len(doubt.choices))
    number = click.prompt(f"{doubt.key} is", type=kind, default=1, err=True)
    return doubt.choices[number - 1]


def plain(text: str) -> str:
    """A text of a file, harmless on a terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
