"""Everybody's answers by a local Spark, compared row for row with ``fusionrec recommend --all``.

    python -m venv spark && spark/bin/pip install pyspark fusionrec
    OPENBLAS_NUM_THREADS=1 spark/bin/python benchmarks/spark_all.py --home .fusionrec --version v1

Needs Java, a trained version, and pyspark in an environment with fusionrec. The function is that of
``docs/spark.md``. Scores are compared exactly.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.dataset as ds

import fusionrec

Frames = Iterator[pd.DataFrame]
SCHEMA = "user string, item string, rank int, score double"


def answers(home: str, version: str, k: int, now: float) -> Callable[[Frames], Frames]:
    """What ``mapInPandas`` calls: frames with a column ``user`` to frames of answers."""

    def of_frames(frames: Frames) -> Frames:
        with fusionrec.Recommender(home, version=version) as recommender:
            batch = recommender.batch(k=k, now=now)
            for frame in frames:
                yield batch.table(frame["user"]).to_pandas()[["user", "item", "rank", "score"]]

    return of_frames


def main() -> None:
    """Prints one JSON object: seconds of each way, and whether their rows are the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", default=".fusionrec")
    parser.add_argument("--version", default="v1")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    home, version, k = str(Path(arguments.home).absolute()), arguments.version, arguments.k
    with tempfile.TemporaryDirectory() as folder, fusionrec.Recommender(home) as recommender:
        began = time.monotonic()
        recommender.write_all(f"{folder}/here", shards=arguments.workers, k=k)
        here, now = time.monotonic() - began, recommender.begun(f"{folder}/here")
        assert now is not None
        users = list(recommender.batch(k=k).recommender.artifact.users.ids)
        told = by_spark(users, answers(home, version, k, now), f"{folder}/there", arguments.workers)
        rows = [_rows(f"{folder}/{name}") for name in ("here", "there")]
    told |= {"users": len(users), "rows": len(rows[0]), "one process, seconds": round(here, 2)}
    print(json.dumps({"same rows": rows[0].equals(rows[1]), **told}, indent=1))


def by_spark(
    users: list[str], function: Callable[[Frames], Frames], folder: str, workers: int
) -> dict[str, Any]:
    """Writes the answers by Spark; its versions and the seconds that it took."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    began = time.monotonic()
    spark = (
        SparkSession.builder.master(f"local[{workers}]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    started = time.monotonic()
    asked = spark.createDataFrame([(user,) for user in users], "user string").repartition(workers)
    asked.mapInPandas(function, SCHEMA).write.parquet(folder)
    ended = time.monotonic()
    told = {
        "pyspark": spark.version,
        "Java": spark.sparkContext._jvm.java.lang.System.getProperty("java.version"),
        "start, seconds": round(started - began, 2),
        "Spark, seconds": round(ended - started, 2),
    }
    spark.stop()
    return told


def _rows(folder: str) -> pd.DataFrame:
    frame = ds.dataset(folder).to_table(columns=["user", "item", "rank", "score"]).to_pandas()
    frame = frame.astype({"user": str, "item": str})
    return frame.sort_values(["user", "rank"], ignore_index=True)


if __name__ == "__main__":
    main()
