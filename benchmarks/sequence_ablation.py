"""Which parts of the sequence model earn their place: variants at a fixed number of passes.

    python benchmarks/sequence_ablation.py --data ml-1m --epochs 6 --threads 1

Protocol next-item, asked for the validation items: the test is not looked at. Each variant changes
one thing of the first line. Prints a line of JSON for each as it ends.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import Any

from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.schema import Side
from fusionrec.models.presets import SequenceRecipe
from shared import load_data, next_item, settings

VARIANTS: dict[str, dict[str, str]] = {
    "base": {},
    "without ratings": {"training.rating_dropout": "1.0"},
    "without profiles": {},
    "without content": {},
    "one block": {"model.blocks": "1"},
    "three blocks": {"model.blocks": "3"},
    "one head": {"model.heads": "1"},
    "histories of 50": {"model.history": "50"},
    "128 wide": {"model.tower.dim": "128", "model.tower.id_width": "128"},
    "gaps": {"model.gaps": "true"},
    "clock": {"model.clock": "true"},
    "gaps and clock": {"model.gaps": "true", "model.clock": "true"},
    "8 items of the profile": {"training.profile_items": "8"},
    "dropout .1": {"model.dropout": "0.1"},
    "dropout .3": {"model.dropout": "0.3"},
    "temperature .03": {"training.temperature": "0.03"},
    "temperature .07": {"training.temperature": "0.07"},
    "temperature .1": {"training.temperature": "0.1"},
    "batch 8,192": {"training.batch": "8192"},
    "batch 1,024": {"training.batch": "1024"},
    "256 negatives": {"training.negatives": "256"},
    "1,024 negatives": {"training.negatives": "1024"},
}


def main() -> None:
    """Reads the arguments and trains every variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="ml-1m")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="these variants alone")
    parser.add_argument(
        "--set", nargs="*", default=["model.tower.dim=64", "model.tower.id_width=64"],
        help="settings of all, as name=value",
    )  # fmt: skip
    arguments = parser.parse_args()
    dataset = load_data(arguments.data)
    common = settings(arguments.set) | {
        "training.epochs": str(arguments.epochs),
        "training.threads": str(arguments.threads),
        "training.validation": "0.0",  # the last pass counts, so that all have the same
    }
    for name in arguments.only or VARIANTS:
        recipe = SequenceRecipe().change({**common, **VARIANTS[name]})
        print(json.dumps({"variant": name, **run(_seen_by(dataset, name), recipe)}), flush=True)


def run(dataset: Dataset, recipe: SequenceRecipe) -> dict[str, Any]:
    """Trains one variant and asks for the validation items."""
    result = next_item(dataset, recipe, validation=True, baselines=("popular",))
    row = result.row(recipe.name)
    figures = {metric: round(row.figure(metric), 4) for metric in ("hr@10", "ndcg@10")}
    return {**figures, "seconds": round(row.seconds)}


def _seen_by(dataset: Dataset, variant: str) -> Dataset:
    """The data set as a variant sees it."""
    if variant == "without profiles":
        return _stripped(dataset, "user")
    if variant == "without content":
        return _stripped(dataset, "item")
    return dataset


def _stripped(dataset: Dataset, side: Side) -> Dataset:
    """The data set without the attributes of a side."""
    fields = tuple(f for f in dataset.schema.fields if f.side != side or f.kind == "id")
    title = dataset.schema.title if side == "user" else ""
    schema = replace(dataset.schema, fields=fields, title=title)
    if side == "user":
        return replace(dataset, schema=schema, users=Table(dataset.users.ids, {}))
    return replace(dataset, schema=schema, items=Table(dataset.items.ids, {}))


if __name__ == "__main__":
    main()
