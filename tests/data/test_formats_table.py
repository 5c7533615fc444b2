"""Every row of the table in docs/own-data.md that says which formats and shapes are read."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
import sqlite3
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.feather as pf
import pyarrow.parquet as pq
import pytest
from test_readers_formats import ods, workbook

from fusionrec.data.detection.infer import infer_spec
from fusionrec.data.detection.toml_writer import toml_text
from fusionrec.data.tabular.convert import convert
from fusionrec.data.tabular.spec import read_spec

TESTS = Path(__file__).parent
PAGE = TESTS.parents[1] / "docs" / "own-data.md"
draw = random.Random(3)
PAIRS = [(f"u{u:02d}", f"i{i:02d}") for u in range(30) for i in draw.sample(range(15), 6)]
ROWS = [(user, item, draw.randint(1, 5)) for user, item in PAIRS]
COLUMNS = ("user", "item", "rating")
TABLE = pa.table(dict(zip(COLUMNS, zip(*ROWS, strict=True), strict=True)))
ITEMS = sorted({item for _, item in PAIRS})
BY_USER = {u: [row[1:] for row in ROWS if row[0] == u] for u, _ in PAIRS}
DAYS = range(19_400, 19_400 + 2 * len(ROWS), 2)  # since 1970, of all months


def text(separator: str = ",", head: str = "user,item,rating", rows: list = ROWS) -> str:
    """Lines of values; the separator replaces the commas of the head."""
    lines = [separator.join(map(str, row)) for row in rows]
    return "\n".join([*([head.replace(",", separator)] if head else []), *lines, ""])


def database(connect: Callable) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        connection = connect(str(path))
        connection.execute("CREATE TABLE ratings (user_id VARCHAR, item_id VARCHAR, rating INT)")
        connection.executemany("INSERT INTO ratings VALUES (?, ?, ?)", ROWS)
        connection.commit()
        connection.close()

    return make


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ratings.csv", text())


def dated(form: str) -> str:
    """Rows with the times of DAYS."""
    times = [datetime.fromtimestamp(86_400 * day + 34_200, UTC) for day in DAYS]
    rows = [(*row, time.strftime(form)) for row, time in zip(ROWS, times, strict=True)]
    return text(";", "user,item,rating,date", rows)


def history(cell: str, between: str) -> str:
    rows = [(u, f'"{cell % between.join(i for i, _ in rows)}"') for u, rows in BY_USER.items()]
    return text(head="user,history", rows=rows)


OBJECTS = TABLE.to_pylist()
NESTED = [
    {"user": {"id": user, "town": "X"}, "items": [{"sku": i, "stars": r} for i, r in rows]}
    for user, rows in BY_USER.items()
]
WIDE = [(u, *(dict(rows).get(item, "") for item in ITEMS)) for u, rows in BY_USER.items()]
RAGGED = [(u, *(i for i, _ in rows[n % 3 :])) for n, (u, rows) in enumerate(BY_USER.items())]
LINES = [(f"o{n // 3}", item) for n, (_, item) in enumerate(PAIRS)]
ORDERS = sorted({(f"o{n // 3}", user) for n, (user, _) in enumerate(PAIRS)})
GENRES = [(i, genre) for n, i in enumerate(ITEMS) for genre in (f"g{n % 3}", f"h{n % 4}")]
RETURNS = [*ROWS, *((user, item, -rating) for user, item, rating in ROWS[:18])]
HALVES = [(user, item, f"{min(rating, 4)},5") for user, item, rating in ROWS]
PLAYS = [(user, item, f"{rating},{rating}00") for user, item, rating in ROWS]
CSV, TYPED = text().encode(), "user_id:token,item_id:token,rating:float"

# Interactions, users, items, and the mean of ratings or weights; of counts, weighed by their
# logarithm, it is not compared.
RATED = (180, 30, 15, sum(rating for *_, rating in ROWS) / 180)
HALF_STARS = (180, 30, 15, sum(min(rating, 4) + 0.5 for *_, rating in ROWS) / 180)
TAKEN, SHORT, COUNTED = (180, 30, 15, 1.0), (150, 30, 15, 1.0), (180, 30, 15, None)
# Row of the table -> folders, each with what is in it: name of a file -> its content.
FORMATS: dict[str, list[tuple[dict, tuple]]] = {
    "CSV with a header": [({"r.csv": CSV}, RATED)],
    "CSV without a header": [({"r.csv": text(head="")}, RATED)],
    "`;`, bars, tabs or `::` between values": [
        ({"ratings.dat": text(separator)}, RATED) for separator in (";", "|", "\t", "::")
    ],
    "runs of spaces between values": [({"ratings": text("   ")}, RATED)],
    "a line before the header": [
        ({"r.csv": begin + text(";")}, RATED) for begin in ("sep=;\n", "exported on Monday\n")
    ],
    "typed headers (RecBole's atomic files)": [({"x.inter": text("\t", TYPED)}, RATED)],
    "JSON Lines": [({"r.jsonl": "\n".join(map(json.dumps, OBJECTS))}, RATED)],
    "a JSON array": [({"r.json": json.dumps(OBJECTS)}, RATED)],
    "objects and lists in JSON": [({"orders.json": json.dumps(NESTED)}, RATED)],
    "Parquet": [({"r.parquet": lambda path: pq.write_table(TABLE, path)}, RATED)],
    "Parquet shards, also in subfolders": [
        ({f"data/{n}/train-{n:05d}-of-00003.parquet":
          lambda path, n=n: pq.write_table(TABLE.slice(60 * n, 60), path) for n in range(3)}, RATED)
    ],
    "Feather": [({"r.feather": lambda path: pf.write_feather(TABLE, path)}, RATED)],
    "Excel": [({"r.xlsx": lambda path: workbook(path, ratings=[COLUMNS, *ROWS])}, RATED)],
    "OpenDocument": [({"r.ods": lambda path: ods(path, [COLUMNS, *ROWS])}, RATED)],
    "SQLite": [({"shop.db": database(sqlite3.connect)}, RATED)],
    "DuckDB": [({"shop.duckdb": database(duckdb.connect)}, RATED)],
    "UTF-16, Latin-1, GBK": [
        ({"r.csv": text().encode("utf-16")}, RATED),
        ({"r.csv": text().replace("i0", "Käse 0").encode("latin-1")}, RATED),
        ({"r.csv": text(head="用户,商品,评分").replace("i0", "商品0").encode("gbk")}, RATED),
    ],
    "gzip, Zstandard, bzip2, xz, zip": [
        ({"r.csv.gz": gzip.compress(CSV)}, RATED),
        ({"r.csv.zst": pa.compress(CSV, "zstd", asbytes=True)}, RATED),
        ({"r.csv.bz2": bz2.compress(CSV)}, RATED),
        ({"r.csv.xz": lzma.compress(CSV)}, RATED),
        ({"r.zip": zipped}, RATED),
    ],
    "a wide table: a row per user, a column per item": [
        ({"matrix.csv": text(head=",".join(["user", *ITEMS]), rows=WIDE)}, RATED)
    ],
    "a basket or history in one cell": [
        ({"h.csv": history(*form)}, TAKEN)
        for form in (("%s", " "), ("%s", ","), ("%s", "|"), ("[%s]", ", "))
    ],
    "lines of a user and its items (LightGCN)": [({"train.txt": text(" ", "", RAGGED)}, SHORT)],
    "a file per user": [
        ({f"{u}.csv": text(head="item,rating", rows=rows) for u, rows in BY_USER.items()}, RATED)
    ],
    "order lines, with the people in another table": [
        ({"lines.csv": text(head="order_id,product_id", rows=LINES),
          "orders.csv": text(head="order_id,customer_id", rows=ORDERS)}, TAKEN)
    ],
    "a row per item and category": [
        ({"r.csv": text(head="user,item_id,rating"),
          "items.csv": text(head="item_id,genre", rows=GENRES)}, RATED)
    ],
    "returns, as quantities below zero": [
        ({"o.csv": text(head="customer,product,quantity", rows=RETURNS)}, (162, 27, 15, None))
    ],
    "decimal commas, and signs between thousands": [
        ({"r.csv": text(";", rows=HALVES)}, HALF_STARS),
        ({"p.csv": text(";", "user,artist,plays", PLAYS)}, COUNTED),
    ],
    "dates in other forms": [
        ({"r.csv": dated(form)}, RATED)
        for form in ("%d.%m.%Y", "%m/%d/%Y %I:%M %p", "%d %b %Y", "%Y%m%d%H%M%S")
    ],
}  # fmt: skip
# Rows that need a server, and the test of each.
SERVED = {
    "PostgreSQL": "test_databases.py: test_a_table_of_postgresql_is_trained_on_and_never_stale",
    "`https://`": "test_remote_files.py: test_a_file_is_fetched_once_and_again_when_it_has_changed",
    "`s3://`": "test_remote_files.py: test_objects_of_s3_by_name_and_pattern",
}
CASES = [pytest.param(*case, id=row) for row, cases in FORMATS.items() for case in cases]


@pytest.mark.parametrize(("files", "holds"), CASES)
def test_what_the_table_says_is_read(tmp_path, files, holds):
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    found = infer_spec(tmp_path)
    assert [doubt for doubt in found.doubts if doubt.grave] == []
    (tmp_path / "fusionrec.toml").write_text(toml_text(found), encoding="utf-8")
    made = convert(read_spec(tmp_path))
    *counts, mean = holds
    assert [len(made.user), len(np.unique(made.user)), len(np.unique(made.item))] == counts
    assert mean is None or made.rating.mean() == pytest.approx(mean)
    assert (made.time is not None) == ("date" in str(files))
    assert made.time is None or np.array_equal(made.time // 86_400, DAYS)
    genres = made.items.columns.get("genre", [])
    assert [len(several) for several in genres] == [2] * len(genres)


def test_the_table_has_the_rows_that_are_tested():
    table = PAGE.read_text(encoding="utf-8").split("\n| format or shape |")[1].split("\n\n")[0]
    assert [line.split(" | ")[0][2:] for line in table.splitlines()[2:]] == [*FORMATS, *SERVED]
    for name, test in (told.split(": ") for told in SERVED.values()):
        assert f"def {test}(" in (TESTS / name).read_text(encoding="utf-8")
