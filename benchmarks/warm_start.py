"""What learning on from a version costs and reaches, beside training afresh on all.

    python benchmarks/warm_start.py --data ml-1m --models fusion sequence

The data is cut by time: a version is trained on all but the newest interactions, learns on with a
"day" of them, and is measured on what came after, as is a training afresh on both. Seconds are of
the processor, in this process alone; publishing costs the same either way, and stands apart.
NDCG@10 is of the users who were known by then, among items they had not taken; RMSE, of fusion, in
stars of all that came after.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shared import load_data, settings

if TYPE_CHECKING:
    from fusionrec.data.dataset import Dataset
    from fusionrec.models.presets import Recipe, SequenceRecipe
    from fusionrec.registry import Artifact


@dataclass(frozen=True)
class Cut:
    """Interactions by time: what a version knew, with the day after, and what came then."""

    before: np.ndarray
    with_day: np.ndarray
    later: np.ndarray


def main() -> None:
    """Prints one JSON line for each training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="ml-1m")
    parser.add_argument("--models", nargs="+", default=["fusion", "sequence"])
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--day", type=float, default=0.015, help="share of the interactions")
    parser.add_argument("--later", type=float, default=0.015, help="share that measures")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", nargs="*", default=[], help="settings of all trainings")
    given = parser.parse_args()
    dataset = load_data(given.data)
    assert dataset.time is not None, "interactions are cut by time"
    order = np.argsort(dataset.time, kind="stable")
    ends = [round(len(order) * (1 - given.later - day)) for day in (given.day, 0.0)]
    cut = Cut(np.sort(order[: ends[0]]), np.sort(order[: ends[1]]), order[ends[1] :])
    from fusionrec.models.presets import PRESETS

    for model in given.models:
        for seed in given.seeds:
            fixed = {"training.seed": str(seed), "training.threads": "1", **settings(given.set)}
            measure(dataset, cut, PRESETS[model][given.preset].change(fixed))


def measure(dataset: Dataset, cut: Cut, recipe: Any) -> None:
    """Trains before the day, on from there, and afresh."""
    from fusionrec.training.warm_start import WarmStart

    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        former = trained("before", dataset, cut.before, recipe, folder, cut)
        began = time.process_time()
        start = WarmStart.of(former, dataset, cut.with_day, recipe)
        trained("learned on", dataset, cut.with_day, recipe, folder, cut, start, began)
        trained("afresh", dataset, cut.with_day, recipe, folder, cut)


def trained(
    what: str,
    dataset: Dataset,
    rows: np.ndarray,
    recipe: Recipe | SequenceRecipe,
    folder: Path,
    cut: Cut,
    start: Any = None,
    began: float | None = None,
) -> Artifact:
    """A version, whose cost and figures are printed; ``began`` is when work for it began."""
    from fusionrec.registry.publish import publish
    from fusionrec.training.fusion_trainer import FusionTrainer
    from fusionrec.training.network_train import manifest_of
    from fusionrec.training.sequence_trainer import SequenceTrainer

    began = time.process_time() if began is None else began
    kind = FusionTrainer if recipe.name == "fusion" else SequenceTrainer
    trainer: Any = kind(dataset, rows, recipe, start=start)
    state = trainer.fit(lambda _: None)
    done = time.process_time()
    made = publish(
        folder, dataset, rows, trainer.encoder, trainer.towers, manifest_of(trainer, None)
    )
    seconds = {"train": done - began, "publish": time.process_time() - done}
    line = {
        "model": recipe.name,
        "seed": recipe.training.seed,
        "training": what,
        "interactions": len(rows),
        "passes": len(state.epochs),
        "minibatches": state.steps * len(state.epochs),
        **{f"{name}_processor_s": round(value, 1) for name, value in seconds.items()},
        **figures(made, dataset, cut),
    }
    print(json.dumps(line), flush=True)
    return made


def figures(made: Artifact, dataset: Dataset, cut: Cut) -> dict[str, float]:
    """NDCG@10 with its standard error and, of a model that rates, RMSE on what came later."""
    from fusionrec.evaluation.model_source import ModelRanker, ModelRater
    from fusionrec.training.holdouts import ndcg

    known = np.bincount(dataset.user[cut.with_day], minlength=len(dataset.users)) > 0
    user, item = dataset.user[cut.later], dataset.item[cut.later]
    users = np.unique(user[known[user]])
    relevant = np.zeros((len(dataset.users), len(dataset.items)), dtype=bool)
    relevant[user, item] = True
    seen = np.zeros_like(relevant)
    seen[dataset.user[cut.with_day], dataset.item[cut.with_day]] = True
    never = ~seen.any(axis=0)
    ranker, found = ModelRanker(made, dataset, history_rows=cut.with_day), []
    for begin in range(0, len(users), 256):
        some = users[begin : begin + 256]
        scores = ranker.scores(some)
        scores[seen[some] | never] = -np.inf
        counts = relevant[some].sum(axis=1)
        found.append(ndcg(scores, relevant[some], counts))
    values = np.concatenate(found)
    told = {
        "users": len(users),
        "ndcg@10": round(float(values.mean()), 4),
        "standard_error": round(float(values.std() / len(values) ** 0.5), 4),
    }
    if made.predicts_ratings:
        error = ModelRater(made, dataset).predict(user, item) - dataset.rating[cut.later]
        told["rmse"] = round(float(np.sqrt(np.square(error).mean())), 4)
    return told


if __name__ == "__main__":
    main()
