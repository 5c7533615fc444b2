"""Tables of one's own, from ``own/*.zip`` in the folder FUSIONREC_DATA, as data sets."""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path

from fusionrec.data.dataset import Dataset
from fusionrec.data.detection.infer import infer_spec
from fusionrec.data.detection.toml_writer import toml_text
from fusionrec.data.tabular.spec import SPEC_NAME
from shared import load_data

AGAIN, COUNTED = "retail, taken again", "retail, counted"
# How the tables are read; retail as ``fusionrec init`` makes it, again with all purchases of what
# someone bought several times, and as quantities by customer and product, without times.
OWN = {
    "retail": "",
    AGAIN: "",
    COUNTED: """name = "retail, counted"
[interactions]
files = "counted.csv"
user = "CustomerID"
item = "StockCode"
count = "Quantity_sum"
""",
    "groceries": """name = "groceries"
[interactions]
files = "purchases.csv"
user = "Member_number"
item = "itemDescription"
time = "Date"
time_unit = "text"
repeats = "keep"
""",
    "books": """name = "books"
[interactions]
files = "book.csv"
user = "user"
item = "item"
rating = "rating"
scale = [1, 10]
""",
}


@cache
def read(name: str) -> Dataset | None:
    """A data set; None, and stderr says why, where the tables of one's own are not there."""
    if name not in OWN:
        return load_data(name)
    base = name.partition(",")[0]
    archive = Path(os.environ.get("FUSIONREC_DATA", "")) / "own" / f"{base}.zip"
    if not archive.is_file():
        print(f"{name}: no {archive}; FUSIONREC_DATA names the folder", file=sys.stderr)
        return None
    with tempfile.TemporaryDirectory() as home, zipfile.ZipFile(archive) as packed:
        packed.extractall(home)
        folder = Path(home) / base
        text = OWN[name] or toml_text(infer_spec(folder))
        if name == AGAIN:
            text = text.replace('repeats = "last"', 'repeats = "keep"')
        if name == COUNTED:
            _count(folder)
        (folder / SPEC_NAME).write_text(text, "utf-8")
        return load_data(str(folder))


def _count(folder: Path) -> None:
    """Sums what each customer bought of each product, without what was returned."""
    import pyarrow.compute as pc
    from pyarrow import csv

    rows = csv.read_csv(folder / "invoices.csv")
    rows = rows.filter(pc.and_(pc.greater(rows["Quantity"], 0), pc.is_valid(rows["CustomerID"])))
    keys = ["CustomerID", "StockCode"]
    counted = (
        rows.group_by(keys)
        .aggregate([("Quantity", "sum")])
        .sort_by([(k, "ascending") for k in keys])
    )
    csv.write_csv(counted, folder / "counted.csv")
