"""Time and memory of ``fusionrec init`` on folders that are large or meant to do harm.

    python benchmarks/init_time.py --folder /tmp/init

Makes the folders unless they are there: 60 tables of 100,000 rows and 12 columns; a CSV of 50,000
columns; a Parquet file of 63 million equal rows; arrays within arrays, 100,000 deep; 2 GB of text
in a small gzip file. Each ``init`` is a process of its own: its seconds from start to end, Python's
start included, its processor time, and the largest memory that it ever held. pandas reads the
first 100,000 rows of each of the 60 tables in another one, for comparison.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

TABLES, ROWS = 60, 100_000
PANDAS = """
import sys, pathlib, pandas
frames = [pandas.read_csv(path, nrows=100_000) for path in pathlib.Path(sys.argv[1]).iterdir()]
"""
MEASURED = """
import json, resource, subprocess, sys
ended = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
said = ended.stderr.strip().splitlines()
print(json.dumps({
    "exit": ended.returncode, "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
    "peak_mib": used.ru_maxrss // 1024, "said": said[0][:120] if said else "",
}))
"""


def many_tables(folder: Path) -> None:
    """Tables of ids, a number, a time and texts, of which no two have the same columns."""
    import pyarrow as pa
    from pyarrow import csv

    draw = np.random.default_rng(1)
    for table in range(TABLES):
        numbers = {"user_id": 20_000, "item_id": 5_000, f"rating_{table}": 6, "ts": 10**8}
        columns: dict[str, object] = {n: draw.integers(1, top, ROWS) for n, top in numbers.items()}
        for number in range(8):
            values = draw.integers(0, 10 ** (number % 5 + 1), ROWS)
            columns[f"text_{number}"] = [f"value {value}" for value in values]
        csv.write_csv(
            pa.table(columns), folder / f"{'abcdefghij'[table // 6]}{'uvwxyz'[table % 6]}.csv"
        )


def wide(folder: Path) -> None:
    """50,000 columns."""
    head = ",".join(f"c{number}" for number in range(50_000))
    row = ",".join("1" for _ in range(50_000))
    (folder / "wide.csv").write_text(f"{head}\n" + f"{row}\n" * 20)


def constant(folder: Path) -> None:
    """63 million rows in a few megabytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ones = pa.DictionaryArray.from_arrays(np.zeros(1_000_000, np.int32), pa.array(["1"]))
    part = pa.table({"user": ones, "item": ones, "rating": ones})
    with pq.ParquetWriter(folder / "rows.parquet", part.schema) as writer:
        for _ in range(63):
            writer.write_table(part)


def deep(folder: Path) -> None:
    """Arrays within arrays."""
    (folder / "deep.jsonl").write_text('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}\n")


def bomb(folder: Path) -> None:
    """2 GB of rows in a gzip file of a few megabytes."""
    block = b"user,item,rating\n" + b"1,1,5\n" * 1_000_000
    with gzip.open(folder / "rows.csv.gz", "wb", compresslevel=1) as file:
        file.write(block)
        for _ in range(330):
            file.write(block[17:])


MAKERS: dict[str, Callable[[Path], None]] = {
    "60 tables": many_tables, "50,000 columns": wide, "63 million equal rows": constant,
    "deep arrays": deep, "2 GB in a gzip file": bomb,
}  # fmt: skip


def measured(command: list[str]) -> dict[str, object]:
    """What a command takes, as a process of its own."""
    began = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, *command], stdout=subprocess.PIPE, check=True
    )
    return {"seconds": round(time.perf_counter() - began, 1), **json.loads(ran.stdout)}


def main() -> None:
    """Prints a line of JSON for each folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="for the files; about 750 MB")
    place: Path = parser.parse_args().folder
    for name, make in MAKERS.items():
        folder = place / name.replace(" ", "-").replace(",", "")
        if not folder.exists():
            folder.mkdir(parents=True)
            make(folder)
        init = [sys.executable, "-m", "fusionrec", "init", "--force", str(folder)]
        print(json.dumps({"folder": name, **measured(init)}), flush=True)
        if make is many_tables:
            (folder / "fusionrec.toml").unlink(missing_ok=True)
            read = measured([sys.executable, "-c", PANDAS, str(folder)])
            print(json.dumps({"folder": f"{name}, pandas", **read}), flush=True)


if __name__ == "__main__":
    main()
