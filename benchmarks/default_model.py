"""The default model beside the best baselines: the table of RESULTS.md, by one command.

    python benchmarks/default_model.py --results results.jsonl
    python benchmarks/default_model.py --results results.jsonl --data retail --protocol next-item

A line is what ``fusionrec evaluate`` measures with seed 0; new-user is fold 0 alone. The cheap
lines come first, ml-1m's next item, with 30 minutes of training, last: about two hours in all on 2
cores, and ``--full`` adds hours. Each line is written to --results as soon as it is measured, and
not measured again unless its settings or the model's sources changed: a run that was ended goes on
where it was. Retail, groceries and books are read from ``own/*.zip`` in the folder FUSIONREC_DATA;
stderr says which of them are not there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fusionrec
from evaluate_all import table
from fusionrec.data.dataset import Dataset
from fusionrec.evaluation.model_source import TrainOnSplit
from fusionrec.evaluation.protocols import ProtocolOptions, named
from fusionrec.evaluation.run import evaluate
from fusionrec.models.presets import AnyRecipe, preset_recipe
from fusionrec.training.progress import OnProgress
from own_data import AGAIN, COUNTED, OWN, read

SOURCES = ("training", "regression", "models", "registry/inference")
HEADER = "data|protocol|NDCG@10, or RMSE|best baseline|its figure|difference|verdict|chosen|seconds"
DATA = ("ml-1m", "ml-100k", *(name for name in OWN if name != COUNTED))


@dataclass(frozen=True)
class Line:
    """A line of the table: what is trained, and what it is asked.

    Attributes:
        minutes: of the training; None for the preset's.
        goal: of the lists, instead of the protocol's; ``default`` asks without one.
    """

    data: str
    protocol: str
    model: str = "auto"
    preset: str = "default"
    minutes: float | None = 5.0
    goal: str | None = None

    @property
    def recipe(self) -> AnyRecipe:
        given = {} if self.minutes is None else {"training.minutes": str(self.minutes)}
        return preset_recipe(self.model, self.preset).change(given)

    @property
    def label(self) -> str:
        """Protocol and whatever differs from ``auto`` by its default preset."""
        more = [self.model] * (self.model != "auto")
        more += [f"preset {self.preset}"] * (self.preset != "default")
        more += [f"goal {self.goal}"] * (self.goal is not None)
        return ", ".join([self.protocol, *more])

    @property
    def key(self) -> str:
        """Settings, data, question and the model's sources as one hash."""
        folder = Path(fusionrec.__file__).parent
        recipe = json.dumps(self.recipe.to_dict(), sort_keys=True)
        parts = [recipe, self.data, self.protocol, self.goal or ""]
        for source in SOURCES:
            parts += [path.read_text("utf-8") for path in sorted((folder / source).glob("*.py"))]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


# In the order of what they take, as measured; new-item and new-user need content and profiles.
LINES = (
    Line("groceries", "random-holdout"),
    Line("ml-100k", "random-holdout"),
    Line("ml-100k", "new-item"),
    Line("retail", "random-holdout"),
    Line(AGAIN, "random-holdout"),
    Line("groceries", "next-item"),
    Line("ml-100k", "global-time"),
    Line("ml-100k", "rating"),
    Line("ml-1m", "next-item", preset="quick", minutes=None),
    Line("retail", "global-time"),
    Line(AGAIN, "global-time"),
    Line(AGAIN, "next-item"),
    Line("ml-1m", "new-user"),
    Line("books", "rating"),
    Line("ml-1m", "next-item", "linear", "full", minutes=None, goal="default"),
    Line("ml-1m", "next-item", "linear", "full", minutes=None, goal="later"),
    Line("ml-1m", "rating"),
    Line("books", "random-holdout"),
    Line("retail", "next-item"),
    Line("books", "next-item"),
    Line("ml-1m", "random-holdout"),
    Line("ml-1m", "new-item"),
    Line("ml-100k", "next-item"),
    Line("ml-1m", "global-time"),
    Line("ml-100k", "new-user"),
    Line("ml-1m", "next-item", minutes=None),
)
FULL = Line("ml-1m", "next-item", preset="full", minutes=None)


def main() -> None:
    """Measures what is not in the results yet, and prints the table of all that was asked."""
    lines = (*LINES, FULL)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", action="append", choices=DATA, help="all by default")
    parser.add_argument(
        "--protocol", action="append", choices=sorted({one.protocol for one in lines})
    )
    parser.add_argument("--full", action="store_true", help="ml-1m's next item by preset full too")
    parser.add_argument("--results", type=Path, required=True, help="a file of JSON lines")
    given = parser.parse_args()
    text = given.results.read_text("utf-8") if given.results.exists() else ""
    known: dict[str, Any] = {one["key"]: one for one in map(json.loads, text.splitlines())}
    asked = [one for one in lines if given.full or one is not FULL]
    asked = [one for one in asked if one.data in (given.data or DATA)]
    asked = [one for one in asked if one.protocol in (given.protocol or [one.protocol])]
    for number, one in enumerate(asked, start=1):
        about = f"{number} of {len(asked)}: {one.data}, {one.label}"
        if one.key in known:
            print(f"{about}: in {given.results} already", file=sys.stderr)
        elif (dataset := read(one.data)) is None:
            print(f"{about}: skipped, without its data", file=sys.stderr)
        else:
            print(about, file=sys.stderr)
            known[one.key] = {"key": one.key} | measure(one, dataset)
            with given.results.open("a", encoding="utf-8") as file:
                print(json.dumps(known[one.key]), file=file)
    asked.sort(key=lambda one: DATA.index(one.data))
    print(table(HEADER.split("|"), [row(one, known[one.key]) for one in asked if one.key in known]))


@contextmanager
def timed(seconds: list[float]) -> Iterator[OnProgress]:
    """Appends how long a training took."""
    began = time.monotonic()
    yield lambda _: None
    seconds.append(time.monotonic() - began)


def measure(line: Line, dataset: Dataset) -> dict[str, Any]:
    """What is kept of a line: each metric's figures, best baseline and difference from it."""
    said, seconds = list[str](), list[float]()
    source = TrainOnSplit(line.recipe, log=said.append, show=lambda: timed(seconds))
    folds = (0,) if line.protocol == "new-user" else None
    options = ProtocolOptions(folds=folds, goal=line.goal)
    result = evaluate(dataset, named(line.protocol), options, source, through_index=0)
    metrics = {}
    for compared in result.comparisons:  # each with the best baseline
        figures = {one.name: round(one.figure(compared.metric), 5) for one in result.rows}
        metrics[compared.metric] = {
            "best": compared.baseline,
            "difference": [compared.difference, compared.low, compared.high],
            "mark": compared.mark,
            "figures": figures,
        }
    about = {"data": line.data, "protocol": line.label, "metrics": metrics, "said": said}
    return {**about, "seconds": [round(one, 1) for one in seconds]}


def row(line: Line, found: dict[str, Any]) -> list[str]:
    """A line's cells; ``/`` parts any items from liked ones, ``;`` and ``,`` several trainings."""
    first = "rmse" if line.protocol == "rating" else "ndcg@10"
    shown = [one for name, one in found["metrics"].items() if name in (first, f"{first} liked")]
    cells = [
        (
            f"{next(iter(one['figures'].values())):.4f}",
            one["best"],
            f"{one['figures'][one['best']]:.4f}",
            "{:+.4f} [{:+.4f}, {:+.4f}]".format(*one["difference"]),
            "no difference" if one["mark"] == "unclear" else one["mark"],
        )
        for one in shown
    ]
    chosen = [one for one in found["said"] if "held out)" in one or "stars" in one]
    seconds = ", ".join(f"{one:.0f}" for one in found["seconds"])
    joined = [" / ".join(cell) for cell in zip(*cells, strict=True)]
    return [line.data, line.label, *joined, "; ".join(chosen), seconds]


if __name__ == "__main__":
    main()
