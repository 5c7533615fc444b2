"""The linear model beside the best baselines, as one Markdown table for RESULTS.md.

    python benchmarks/linear.py --data ml-100k --data ~/retail --results results.jsonl

A line is what ``fusionrec evaluate --model linear`` measures with seed 0; new-user is fold 0 alone.
What a data set cannot serve is left out, and stderr says why. What is in --results is not measured
again, unless the settings or the source of ``training/linear*.py`` changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import fusionrec
from evaluate_all import table
from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.evaluation.model_source import TrainOnSplit
from fusionrec.evaluation.protocols import ProtocolOptions, named
from fusionrec.evaluation.run import evaluate
from fusionrec.models.presets import AnyRecipe, preset_recipe
from fusionrec.training.progress import OnProgress
from shared import load_data, settings

PROTOCOLS = ("next-item", "random-holdout", "global-time", "new-user", "new-item")
METRIC = "ndcg@10"
HEADER = "data|protocol|preset|NDCG@10|best baseline|its NDCG@10|difference|verdict|chosen|seconds"


def main() -> None:
    """Measures what is not in the results yet, and prints the table of all that was asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", action="append", help="a name or a path; ml-100k and ml-1m")
    parser.add_argument("--protocol", action="append", choices=PROTOCOLS, help="all by default")
    parser.add_argument("--preset", action="append", help="full and quick by default")
    parser.add_argument("--set", action="append", default=[], help="a setting, as name=value")
    parser.add_argument("--results", type=Path, required=True, help="a file of JSON lines")
    arguments = parser.parse_args()
    text = arguments.results.read_text("utf-8") if arguments.results.exists() else ""
    known: dict[str, Any] = {one["key"]: one for one in map(json.loads, text.splitlines())}
    asked, presets = list[str](), arguments.preset or ["full", "quick"]
    for name in arguments.data or ["ml-100k", "ml-1m"]:
        dataset = load_data(name)
        for protocol, preset in product(arguments.protocol or PROTOCOLS, presets):
            recipe = preset_recipe("linear", preset).change(settings(arguments.set))
            asked.append(key := key_of(recipe, dataset, protocol))
            if key in known:
                continue
            known[key] = {"key": key, "preset": " ".join([preset, *arguments.set])}
            known[key] |= measure(dataset, protocol, recipe)
            print(dataset.name, protocol, preset, known[key].get("refused", ""), file=sys.stderr)
            with arguments.results.open("a", encoding="utf-8") as file:
                print(json.dumps(known[key]), file=file)
    print(table(HEADER.split("|"), [line(known[key]) for key in asked if "figures" in known[key]]))


@contextmanager
def timed(seconds: list[float]) -> Iterator[OnProgress]:
    """Appends how long a training took."""
    began = time.monotonic()
    yield lambda _: None
    seconds.append(time.monotonic() - began)


def key_of(recipe: AnyRecipe, dataset: Dataset, protocol: str) -> str:
    """Settings, data, protocol and the model's source as one hash."""
    sources = sorted((Path(fusionrec.__file__).parent / "training").glob("linear*.py"))
    parts = [json.dumps(recipe.to_dict(), sort_keys=True), dataset.name, protocol]
    parts += [path.read_text("utf-8") for path in sources]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def measure(dataset: Dataset, protocol: str, recipe: AnyRecipe) -> dict[str, Any]:
    """A line of the results; ``refused`` instead of figures where the data cannot serve it."""
    chosen, seconds = list[str](), list[float]()
    source = TrainOnSplit(recipe, log=chosen.append, show=lambda: timed(seconds))
    options = ProtocolOptions(folds=(0,) if protocol == "new-user" else None)
    about: dict[str, Any] = {"data": dataset.name, "protocol": protocol}
    try:
        result = evaluate(dataset, named(protocol), options, source, through_index=0)
    except UsageError as error:
        return about | {"refused": error.message}
    compared = next(c for c in result.comparisons if c.metric == METRIC)  # with the best
    return {
        **about,
        "figures": {row.name: round(row.figure(METRIC), 5) for row in result.rows},
        "hr@10": round(result.row("linear").figure("hr@10"), 5),
        "best": compared.baseline,
        "difference": [compared.difference, compared.low, compared.high],
        "mark": compared.mark,
        "chosen": chosen,
        "seconds": [round(one, 1) for one in seconds],
    }


def line(found: dict[str, Any]) -> list[str]:
    """A line of the table; several trainings are parted by ``;`` and by ``,``."""
    figures, mark = found["figures"], found["mark"]
    return [
        *(found["data"], found["protocol"], found["preset"], f"{figures['linear']:.4f}"),
        *(found["best"], f"{figures[found['best']]:.4f}"),
        "{:+.4f} [{:+.4f}, {:+.4f}]".format(*found["difference"]),
        "no difference" if mark == "unclear" else mark,
        "; ".join(one.removeprefix("linear for ") for one in found["chosen"]),
        ", ".join(f"{seconds:.0f}" for seconds in found["seconds"]),
    ]


if __name__ == "__main__":
    main()
