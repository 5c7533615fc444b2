"""How well the map keeps what goes together near: the two main directions beside t-SNE.

python benchmarks/item_map.py WORKSPACE [--field genres]

Of each item's ten nearest by the version's vectors, the share that is among its ten nearest on the
map; and the share of its ten nearest on the map with which it shares a category.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from fusionrec.deploy.item_map import MOST, _neighbours, _unit, embedded
from fusionrec.registry.versions import load, newest
from fusionrec.workspace import Workspace

_K = 10


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("workspace")
    parser.add_argument("--field", default="genres")
    asked = parser.parse_args()
    workspace = Workspace.find(asked.workspace)
    artifact = load(workspace, newest(workspace))
    counts = artifact.item_counts
    rows = np.lexsort((np.arange(len(counts)), -counts))[:MOST]
    vectors = artifact.likeness(artifact.item_vectors[rows])
    unit = _unit(vectors)
    nearest, _ = _neighbours(unit, _K)
    held = [set(artifact.items.columns[asked.field][row] or ()) for row in rows.tolist()]
    spread = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(spread.T @ spread)
    began = time.process_time()
    made = {"two main directions": spread @ directions[:, ::-1][:, :2]}
    made["neighbourhoods"] = embedded(unit)
    print(f"{len(rows):,} items; embedded in {time.process_time() - began:.1f} s of one processor")
    chance = np.random.default_rng(0).permutation(len(rows))[:_K]
    print(f"share a category by chance: {_shared(held, np.tile(chance, (len(rows), 1))):.3f}")
    for name, places in made.items():
        far = ((places[:, None] - places[None]) ** 2).sum(axis=2)
        np.fill_diagonal(far, np.inf)
        near = np.argpartition(far, _K, axis=1)[:, :_K]
        kept = np.mean([len(np.intersect1d(*two)) / _K for two in zip(near, nearest, strict=True)])
        print(f"{name}: {kept:.3f} of the ten nearest kept, {_shared(held, near):.3f} share one")


def _shared(held: list[set[str]], near: np.ndarray) -> float:
    found = [bool(held[row] & held[one]) for row, some in enumerate(near) for one in some.tolist()]
    return float(np.mean(found))


if __name__ == "__main__":
    main()
