"""Which objective suits events: ratings taken as things done, all of one weight, without stars.

    python benchmarks/events.py --data ml-1m --threads 1
    python benchmarks/events.py --data ml-1m --only quick full --test

Protocol next-item, asked for the validation items; ``--test`` asks for the test instead, beside the
baselines. Prints a line of JSON for each variant as it ends.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import Any

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import EVENTS
from fusionrec.models.presets import FUSION, Recipe
from shared import load_data, next_item, settings

ALONE = {f"training.{term}": "0" for term in ("squared", "ranking", "exposure")}
VARIANTS: dict[str, dict[str, str]] = {
    "ranking": {"training.ranking": "1"},
    "ranking and exposure": {"training.ranking": "1", "training.exposure": "1"},
    "temperature .05": {"training.ranking": "1", "training.temperature": "0.05"},
    "temperature .2": {"training.ranking": "1", "training.temperature": "0.2"},
}


def main() -> None:
    """Reads the arguments and trains every variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="ml-1m")
    parser.add_argument("--preset", default="quick", help="what the variants change")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="these variants, or presets, alone")
    parser.add_argument("--set", nargs="*", default=[], help="settings of all, as name=value")
    parser.add_argument("--test", action="store_true", help="ask for the test")
    arguments = parser.parse_args()
    dataset = as_events(load_data(arguments.data))
    common = settings(arguments.set) | {"training.threads": str(arguments.threads)}
    for name in arguments.only or VARIANTS:
        if name in FUSION:
            recipe = FUSION[name].change(common)
        else:
            alone = {**ALONE, "training.validation": "0", **VARIANTS[name], **common}
            recipe = FUSION[arguments.preset].change(alone)
        found = run(dataset, recipe, test=arguments.test)
        print(json.dumps({"variant": name, **found}), flush=True)


def as_events(dataset: Dataset) -> Dataset:
    """The data set as if it told only who took what and when."""
    schema = replace(dataset.schema, rating_range=EVENTS, like=0.0, events=True)
    return replace(dataset, schema=schema, rating=np.ones(len(dataset), np.float32))


def run(dataset: Dataset, recipe: Recipe, *, test: bool) -> dict[str, Any]:
    """Trains one variant and asks for the next items, beside the baselines where it is the test."""
    baselines = None if test else ("popular",)
    result = next_item(dataset, recipe, validation=not test, baselines=baselines)
    metrics = ("hr@10", "ndcg@10", "coverage@10")
    found: dict[str, Any] = {
        row.name: {metric: round(row.figure(metric), 4) for metric in metrics}
        for row in result.rows
    }
    return {**found, "seconds": round(result.row(recipe.name).seconds)}


if __name__ == "__main__":
    main()
