"""What several benchmarks share: data, settings, vectors, and times."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # Paddle reads the number of threads when it is imported
    from fusionrec.data.dataset import Dataset
    from fusionrec.evaluation.result import Result
    from fusionrec.models.presets import AnyRecipe
    from fusionrec.registry import Artifact


def load_data(name: str) -> Dataset:
    """A data set by its name, read anew in a folder of its own."""
    from fusionrec.data.catalog import load
    from fusionrec.workspace import Workspace

    with tempfile.TemporaryDirectory() as home:
        return load(name, Workspace(Path(home)).data)


def settings(texts: Iterable[str]) -> dict[str, str]:
    """Settings given as ``name=value``."""
    return dict(text.split("=", 1) for text in texts)


def next_item(dataset: Dataset, recipe: AnyRecipe, **options: Any) -> Result:
    """Trains for protocol next-item and measures; ``options`` are those of the protocol."""
    from fusionrec.evaluation.model_source import TrainOnSplit
    from fusionrec.evaluation.protocols import ProtocolOptions, named
    from fusionrec.evaluation.run import evaluate

    asked = ProtocolOptions(**options)
    return evaluate(dataset, named("next-item"), asked, TrainOnSplit(recipe), through_index=0)


def unit_vectors(random: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Random vectors of length 1, float32 [n, d]."""
    vectors = random.normal(size=(n, d)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def take_turns(
    ways: Mapping[str, Callable[[int], object]], runs: int, warm: int = 0, pause: float = 0.0
) -> dict[str, np.ndarray]:
    """Times several ways in turn, so that all meet the same machine.

    Args:
        ways: called with the number of the run.
        runs: how many are timed, after ``warm`` that are not.
        pause: seconds of rest before each.

    Returns:
        Seconds by the clock and of this process' processor time, float64 [runs, 2] each.
    """
    spans: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for run in range(warm + runs):
        for name, way in ways.items():
            time.sleep(pause)
            began, used = time.perf_counter(), time.process_time()
            way(run)
            spans[name].append((time.perf_counter() - began, time.process_time() - used))
    return {name: np.array(taken[warm:]) for name, taken in spans.items()}


def peak_mib() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def asked(artifact: Artifact, goal: str, number: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """What answers for a goal search by, for some known users drawn at random.

    Returns:
        Their vectors, float32 [n, dim], and the rows that each of them took, rising.
    """
    from fusionrec.recommend.catalog import Catalog
    from fusionrec.recommend.query import Query
    from fusionrec.recommend.user_vector import UserVectors

    people, ids = UserVectors(Catalog.of(artifact)), artifact.users.ids
    drawn = np.random.default_rng(0).permutation(len(ids))[:number]
    found = [people.find(Query(user=ids[user], goal=goal)) for user in drawn]
    known = [(one.vector, one.rated) for one in found if one.vector is not None]
    return np.stack([vector for vector, _ in known]), [rated for _, rated in known]
