"""How long peers train on the data that ``large_data.py`` makes, and with how much memory.

    python -m venv /tmp/peers && /tmp/peers/bin/pip install implicit lenskit pyarrow
    python benchmarks/large_data.py --folder /tmp/large20 --rows 20000000 --users 140000 \
        --items 27000 --only prepare read
    /tmp/peers/bin/python benchmarks/peers.py --folder /tmp/large20

Runs in an environment of its own, without fusionrec: implicit's ALS (Hu, Koren and Volinsky, 2008)
and LensKit's ImplicitMF, 64 factors, 15 rounds each, on all processors. Reading the files is told
apart. One line of JSON for each, in a process of its own; ``--only`` takes some.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FACTORS, ROUNDS = 64, 15


def main() -> None:
    """Prints a line for each peer, or trains one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=tuple(PEERS), default=tuple(PEERS))
    parser.add_argument("--here", action="store_true", help="in this process")
    given = parser.parse_args()
    if given.here:
        [name] = given.only
        print(json.dumps({"peer": name, **trained(name, given.folder)}))
        return
    for name in given.only:
        command = [sys.executable, __file__, "--folder", str(given.folder), "--only", name]
        # As implicit asks: its own threads, not those of the matrix products.
        alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        subprocess.run([*command, "--here"], check=True, env=alone)


def trained(name: str, folder: Path) -> dict[str, float]:
    """Seconds to read and to train, and the largest memory in GiB."""
    began = time.monotonic()
    rows = read(folder)
    read_s = time.monotonic() - began
    train_s = PEERS[name](rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    told = {"read_s": round(read_s, 1), "train_s": round(train_s, 1), "peak_gib": round(peak, 2)}
    return {"rows": len(rows["user"]), **told}


def read(folder: Path) -> dict[str, Any]:
    """Users and items as numbers from 0, int32 [n] each, and ratings, float32 [n]."""
    import pyarrow as pa
    from pyarrow import csv

    kinds = {"user": pa.dictionary(pa.int32(), pa.string())}
    kinds["item"] = kinds["user"]
    options = csv.ConvertOptions(include_columns=["user", "item", "rating"], column_types=kinds)
    table = csv.read_csv(folder / "ratings.csv", convert_options=options).unify_dictionaries()
    codes = {side: table[side].combine_chunks().indices.to_numpy() for side in ("user", "item")}
    return {**codes, "rating": table["rating"].to_numpy().astype("float32")}


def implicit_als(rows: dict[str, Any]) -> float:
    """ALS of the package implicit."""
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    matrix = csr_matrix((rows["rating"], (rows["user"], rows["item"])))
    model = AlternatingLeastSquares(factors=FACTORS, iterations=ROUNDS, random_state=0)
    began = time.monotonic()
    model.fit(matrix, show_progress=False)
    return time.monotonic() - began


def lenskit_als(rows: dict[str, Any]) -> float:
    """ImplicitMF of the package LensKit."""
    import pandas as pd
    from lenskit.als import ImplicitMFScorer
    from lenskit.data import from_interactions_df
    from lenskit.training import TrainingOptions

    frame = pd.DataFrame({"user_id": rows["user"], "item_id": rows["item"]})
    dataset = from_interactions_df(frame.drop_duplicates())
    model = ImplicitMFScorer(embedding_size=FACTORS, epochs=ROUNDS)
    began = time.monotonic()
    model.train(dataset, TrainingOptions())
    return time.monotonic() - began


PEERS = {"implicit ALS": implicit_als, "LensKit ImplicitMF": lenskit_als}

if __name__ == "__main__":
    main()
