"""The default model beside the best baselines, as one Markdown table for RESULTS.md.

    python benchmarks/default_model.py --data ml-100k --data ~/retail --results results.jsonl

A line is what ``fusionrec evaluate`` measures with seed 0: ml-1m's next item by the preset
``default`` (30 minutes), all else with ``--minutes 5``; new-user is fold 0 alone. What a data set
cannot serve is left out, and stderr says why. What is in --results is not measured again, unless
the settings or the sources of the model changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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

PROTOCOLS = ("next-item", "random-holdout", "global-time", "new-user", "new-item", "rating")
SOURCES = ("training", "regression", "models", "registry/inference")
HEADER = "data|protocol|model|NDCG@10|best baseline|its NDCG@10|difference|verdict|chosen|seconds"


def main() -> None:
    """Measures what is not in the results yet, and prints the table of all that was asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", action="append", help="a name or a path; ml-100k and ml-1m")
    parser.add_argument("--protocol", action="append", choices=PROTOCOLS, help="all by default")
    parser.add_argument("--model", default="auto", choices=["auto", "linear"])
    parser.add_argument("--preset", help="by default as the module says")
    parser.add_argument("--minutes", type=float, default=5.0, help="5 by default")
    parser.add_argument("--goal", help="of the lists, instead of the protocol's own")
    parser.add_argument("--set", action="append", default=[], help="a setting, as name=value")
    parser.add_argument("--results", type=Path, required=True, help="a file of JSON lines")
    arguments = parser.parse_args()
    text = arguments.results.read_text("utf-8") if arguments.results.exists() else ""
    known: dict[str, Any] = {one["key"]: one for one in map(json.loads, text.splitlines())}
    asked = list[str]()
    for name in arguments.data or ["ml-100k", "ml-1m"]:
        dataset = load_data(name)
        for protocol in arguments.protocol or PROTOCOLS:
            recipe, label = chosen(dataset, protocol, arguments)
            asked.append(key := key_of(recipe, dataset, protocol, arguments.goal))
            if key in known:
                continue
            known[key] = {"key": key, "model": " ".join([label, *arguments.set])}
            known[key] |= measure(dataset, protocol, recipe, arguments.goal)
            print(dataset.name, protocol, label, known[key].get("refused", ""), file=sys.stderr)
            with arguments.results.open("a", encoding="utf-8") as file:
                print(json.dumps(known[key]), file=file)
    print(table(HEADER.split("|"), [line(known[key]) for key in asked if "figures" in known[key]]))


def chosen(dataset: Dataset, protocol: str, arguments: argparse.Namespace) -> tuple[AnyRecipe, str]:
    """The recipe of a line, and its name in the table."""
    given = settings(arguments.set)
    if arguments.preset or arguments.model == "linear":
        preset = arguments.preset or "full"
        return preset_recipe(arguments.model, preset).change(given), f"{arguments.model} {preset}"
    label = "auto"
    if (dataset.name, protocol) != ("ml-1m", "next-item"):
        given = {"training.minutes": str(arguments.minutes)} | given
        label = f"auto, {arguments.minutes:g} minutes"
    return preset_recipe("auto", "default").change(given), label


@contextmanager
def timed(seconds: list[float]) -> Iterator[OnProgress]:
    """Appends how long a training took."""
    began = time.monotonic()
    yield lambda _: None
    seconds.append(time.monotonic() - began)


def key_of(recipe: AnyRecipe, dataset: Dataset, protocol: str, goal: str | None) -> str:
    """Settings, data, question and the model's sources as one hash."""
    folder = Path(fusionrec.__file__).parent
    parts = [json.dumps(recipe.to_dict(), sort_keys=True), dataset.name, protocol, goal or ""]
    for source in SOURCES:
        parts += [path.read_text("utf-8") for path in sorted((folder / source).glob("*.py"))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def measure(dataset: Dataset, protocol: str, recipe: AnyRecipe, goal: str | None) -> dict[str, Any]:
    """A line of the results; ``refused`` instead of figures where the data cannot serve it."""
    said, seconds = list[str](), list[float]()
    source = TrainOnSplit(recipe, log=said.append, show=lambda: timed(seconds))
    folds = (0,) if protocol == "new-user" else None
    options = ProtocolOptions(folds=folds, goal=goal)
    about: dict[str, Any] = {"data": dataset.name, "protocol": protocol, "goal": goal}
    try:
        result = evaluate(dataset, named(protocol), options, source, through_index=0)
    except UsageError as error:
        return about | {"refused": error.message}
    metrics = {}
    for compared in result.comparisons:  # each with the best baseline
        figures = {row.name: round(row.figure(compared.metric), 5) for row in result.rows}
        metrics[compared.metric] = {
            "best": compared.baseline,
            "difference": [compared.difference, compared.low, compared.high],
            "mark": compared.mark,
            "figures": figures,
        }
    first = "rmse" if protocol == "rating" else "ndcg@10"
    weighed = [one for one in said if "held out)" in one or "stars" in one]
    return {
        **about,
        **metrics[first],
        "metrics": metrics,
        "chosen": weighed,
        "said": said,
        "seconds": [round(one, 1) for one in seconds],
    }


def line(found: dict[str, Any]) -> list[str]:
    """A line of the table; several trainings are parted by ``;`` and by ``,``."""
    figures, mark = found["figures"], found["mark"]
    protocol = found["protocol"] + (f", goal {found['goal']}" if found["goal"] else "")
    own = next(iter(figures))
    return [
        *(found["data"], protocol, found["model"], f"{figures[own]:.4f}"),
        *(found["best"], f"{figures[found['best']]:.4f}"),
        "{:+.4f} [{:+.4f}, {:+.4f}]".format(*found["difference"]),
        "no difference" if mark == "unclear" else mark,
        "; ".join(found["chosen"]),
        ", ".join(f"{seconds:.0f}" for seconds in found["seconds"]),
    ]


if __name__ == "__main__":
    main()
