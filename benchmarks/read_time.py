"""How long ml-1m takes to read to a Dataset, beside pandas reading the same ratings from a CSV.

    python benchmarks/read_time.py --data path/to/ml-1m.zip

The runs alternate, so that both meet the same machine; the best of each counts. pandas reads the
ratings alone, with its fast C parser, from a plain file of numbers and from the same file zipped.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from fusionrec.data.movielens.readers import read
from shared import take_turns


def main() -> None:
    """Prints seconds and ratios as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(measure(arguments.data, Path(place), arguments.rounds), indent=1))


def measure(archive: Path, place: Path, rounds: int) -> dict[str, float]:
    """Best seconds of each way to read, and the ratios."""
    with zipfile.ZipFile(archive) as whole:
        whole.extractall(place)
    dataset = read(archive)
    frame = pd.DataFrame({"user": dataset.user, "item": dataset.item})
    frame["rating"], frame["time"] = dataset.rating.astype(np.int64), dataset.time
    frame.to_csv(place / "ratings.csv", index=False)
    frame.to_csv(place / "ratings.zip", index=False)
    folder = next(path for path in place.iterdir() if path.is_dir())
    ways: dict[str, Callable[[int], object]] = {
        "pandas, plain CSV": lambda _: pd.read_csv(place / "ratings.csv"),
        "pandas, zipped CSV": lambda _: pd.read_csv(place / "ratings.zip"),
        "fusionrec, folder": lambda _: read(folder),
        "fusionrec, zip": lambda _: read(archive),
    }
    best = {name: float(taken[:, 0].min()) for name, taken in take_turns(ways, rounds).items()}
    ratios = {
        "folder / plain CSV": best["fusionrec, folder"] / best["pandas, plain CSV"],
        "zip / zipped CSV": best["fusionrec, zip"] / best["pandas, zipped CSV"],
        "zip / plain CSV": best["fusionrec, zip"] / best["pandas, plain CSV"],
    }
    return {name: round(value, 3) for name, value in (best | ratios).items()}


if __name__ == "__main__":
    main()
