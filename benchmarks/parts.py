"""What single choices of the parts without a network are worth, on what was held out.

    python benchmarks/parts.py --data ml-100k

Prints NDCG@10 of *next* and *taste* cut to widths, with and without popularity's scale; of other
weights of the weakest interactions, at several penalties; of the next item given the one before it
alone; and how many rows of an answer must be read for ten unseen ones. All of the training
rows of ``next-item``.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np

from fusionrec.baselines import ItemKNN
from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import leave_any_out, leave_last_out
from fusionrec.metrics import ItemSets
from fusionrec.models.linear_settings import LINEAR
from fusionrec.recommend.similar import PRIOR
from fusionrec.regression import fold_in
from fusionrec.regression.item_weights import item_weights
from fusionrec.regression.sequences import HistoryChoice, Sequences, regression
from fusionrec.training.holdouts import Holdout
from fusionrec.training.job import Job
from fusionrec.training.parts import FittedPart, history_part
from fusionrec.training.train import train
from fusionrec.workspace import Workspace
from own_data import read

WIDTHS = (64, 128, 256)
PENALTIES = (30.0, 100.0, 300.0)
USERS = 1_000  # whose answers are read


def main() -> None:
    """Prints all of it for each data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", action="append", help="a name or a path; ml-100k")
    parser.add_argument("--seed", type=int, default=0, help="of what is held out")
    given = parser.parse_args()
    full = LINEAR["full"]
    recipe = replace(full, training=replace(full.training, seed=given.seed))
    for name in given.data or ["ml-100k"]:
        dataset = read(name)
        if dataset is None:
            continue
        timed = dataset.time is not None
        rows = (leave_last_out(dataset) if timed else leave_any_out(dataset, given.seed)).train
        job = Job.of(dataset, rows, recipe, lambda _: None)
        print(f"{dataset.name}, NDCG@10 held out")
        for goal in ("next", "taste") if job.histories.ordered else ("taste",):
            [held] = job.holdouts(goal)
            cuts(job, goal, held)
        one_item(job)
        read_rows(dataset, rows)


def choice_of(goal: str, width: int, weakest: float = 1.0) -> HistoryChoice:
    """A middling choice: halving every 2 items, penalty 300."""
    decay, window = (0.5**0.5, 12) if goal == "next" else (1.0, 0)
    return HistoryChoice(goal == "next", decay, window, weakest, 300.0, width)


def fitted(job: Job, goal: str, held: Holdout, choice: HistoryChoice, scaled: bool) -> FittedPart:
    """The part, with columns over the root of their popularity or not."""

    def scale(sequences: Sequences, _: HistoryChoice) -> np.ndarray:
        counts = np.bincount(sequences.item, minlength=sequences.size) + 1
        return np.asarray(counts ** (-0.5 * scaled), dtype=np.float32)

    schema = job.dataset.schema
    with patch.object(fold_in, "popularity_scale", scale):
        return history_part(goal, job.histories, job.columns, held.visible, schema, choice, seed=0)


def cuts(job: Job, goal: str, held: Holdout) -> None:
    """The whole matrix, its cuts, and the whole matrix with other weights of weak interactions."""
    learned = np.flatnonzero(job.columns >= 0)
    sequences = Sequences(job.histories, job.columns, held.visible, job.dataset.schema)
    differ = len(np.unique(sequences.strength)) > 1
    for weakest in (1.0, 0.5, 0.0) if differ else (1.0,):
        choice, found = choice_of(goal, 0, weakest), []
        gram, targets = regression(sequences, choice)
        read = sequences.histories(choice)[held.users]
        for penalty in PENALTIES:
            weights = item_weights(choice.ordered, gram, targets, penalty)
            found.append(held.ndcg(weights.scores(read), learned).mean())
        said = ", ".join(f"{p:g}: {x:.4f}" for p, x in zip(PENALTIES, found, strict=True))
        print(f"  {goal}, whole, the weakest interactions weigh {weakest:g}, penalty {said}")
    for scaled in (False, True):
        found = []
        for width in WIDTHS:
            part = fitted(job, goal, held, choice_of(goal, width), scaled)
            found.append(held.ndcg(part.vectors(held.users) @ part.items.T).mean())
        said = ", ".join(f"{w}: {x:.4f}" for w, x in zip(WIDTHS, found, strict=True))
        print(f"  {goal}, {'over the root of popularity' if scaled else 'as it is'}, cut to {said}")


def one_item(job: Job) -> None:
    """The last item of each user's history alone asks for the next one."""
    if not job.histories.ordered:
        return
    [held] = job.holdouts("next")
    counts = np.bincount(job.histories.item[held.visible], minlength=job.items)
    last = np.array(
        [
            job.histories.item[begin:end][held.visible[begin:end]][-1]
            for begin, end in zip(
                job.histories.offsets[held.users],
                job.histories.offsets[held.users + 1],
                strict=True,
            )
        ]
    )
    knn = ItemKNN().fit(job.dataset, np.sort(job.order[held.visible]))
    history = ItemSets.of(held.users, last, len(job.dataset.users))
    part = fitted(job, "next", held, choice_of("next", 448), scaled=True)
    says = part.user["history"][last] @ part.items.T
    prior = PRIOR * max(counts.mean(), 1.0)
    ways: dict[str, Callable[[], np.ndarray]] = {
        "item kNN": lambda: np.array(knn.scores(held.users, history), dtype=np.float32),
        "next": says.copy,
        "next over the root of popularity": lambda: says / np.sqrt(counts + prior),
    }
    for name, scores in ways.items():
        print(f"  given one item, {name}: {held.ndcg(scores()).mean():.4f}")


def read_rows(dataset: Dataset, rows: np.ndarray) -> None:
    """How many rows hold ten that a user has not seen, by goal."""
    recipe = LINEAR["quick"]
    recipe = replace(recipe, model=replace(recipe.model, stars=False))
    with tempfile.TemporaryDirectory() as home:
        artifact = train(dataset, recipe, Workspace(Path(home)), rows=rows)
        users = np.random.default_rng(0).permutation(len(dataset.users))[:USERS]
        histories = [artifact.histories.of(int(user)) for user in users]
        lengths = np.array([len(history) for history in histories])
        for goal in artifact.goals:
            vectors = artifact.vectors_of([None] * len(users), {}, histories, goal=goal)
            read = []
            for vector, history in zip(vectors, histories, strict=True):
                order = np.argsort(-(artifact.item_vectors @ vector), kind="stable")
                read.append(np.flatnonzero(~np.isin(order, history.items))[9] + 1)
            enough = np.mean(np.array(read) <= 10 + 3 * np.sqrt(lengths))
            middle, most = np.percentile(read, (50, 95))
            print(
                f"  rows for ten unseen, goal {goal}: median {middle:.0f}, 95th percentile "
                f"{most:.0f}; three roots suffice for {enough:.0%}"
            )


if __name__ == "__main__":
    main()
