"""Shows what a version is worth beside simple methods, on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionrec.cli.output import say

if TYPE_CHECKING:
    from fusionrec.registry import Artifact


def show_worth(artifact: Artifact) -> None:
    """A small table of model, parts and baselines, then the sentence; nothing for a version that
    does not know.
    """
    from fusionrec.registry.worth import (
        compared,
        measured_on,
    )  # loads NumPy, as not all commands do

    worth, found = artifact.worth, compared(artifact.manifest)
    if worth is None:
        return
    if found:
        say(f"{measured_on(worth)}:")
    width = max((len(row.name) for row in found), default=0)
    for row in found:
        say(f"  {row.kind:<8}  {row.name:<{width}}  {row.figure:.4f}")
    say(worth["sentence"])
