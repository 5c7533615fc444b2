"""Numbers beyond what is kept of them: such a row is left out and counted, or its value is not
known; the others stay, and nothing overflows.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from export_folders import write_csv, write_lines
from fusionrec.data.catalog import load
from fusionrec.data.dataframes import read_frames
from fusionrec.data.schema import Field
from fusionrec.errors import ConfigError, DataError
from fusionrec.features.vocabulary import learn, standardise

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

BEYOND = ("1e39", "1e308", "-1e39", "9" * 400, "1e400", "inf", "-inf", "nan")
TOML = """name = "plays"
[interactions]
files = "log.{ending}"
user = "user"
item = "item"
{value}
"""
RATED = 'rating = "value"\nscale = [1, 5]'


def folder(base: Path, values: list, value: str, ending: str = "csv") -> Path:
    """Who took what, with these values; each row another pair."""
    rows = [(f"u{n % 4}", f"i{n}", one) for n, one in enumerate(values)]
    if ending == "csv":
        write_csv(base / "log.csv", ["user", "item", "value"], rows)
    else:
        write_lines(
            base / "log.jsonl",
            (dict(zip(("user", "item", "value"), row, strict=True)) for row in rows),
        )
    (base / "fusionrec.toml").write_text(TOML.format(ending=ending, value=value))
    return base


@pytest.mark.parametrize("value", ['count = "value"', RATED])
@pytest.mark.parametrize("odd", BEYOND)
def test_a_row_with_a_value_beyond_all_is_left_out(tmp_path, value, odd):
    base = folder(tmp_path / "data", [1, 2, 3, odd, 4, 5], value)
    data = load(str(base), tmp_path / "home")
    assert data.items.ids == ["i0", "i1", "i2", "i4", "i5"]
    [said] = [one for one in data.repairs if "left out" in one]
    assert "row 4" in said or "no count" in said or "no rating" in said
    assert ": 1" in said


@pytest.mark.parametrize("odd", [1e39, 1e308, -1e39, 10**30 * 10**20, 10**400])
def test_the_same_in_json(tmp_path, odd):
    base = folder(tmp_path / "data", [1, 2, 3, odd, 4, 5], 'count = "value"', "jsonl")
    data = load(str(base), tmp_path / "home")
    assert data.items.ids == ["i0", "i1", "i2", "i4", "i5"]


@pytest.mark.parametrize("odd", [1e39, 1e308, -1e308, math.inf, -math.inf])
@pytest.mark.parametrize("column", ["count", "rating"])
def test_the_same_in_frames(column, odd):
    rows = pd.DataFrame({"user": list("aabbc"), "item": list("vwxyz"), "n": [1, 2, 3, odd, 4.0]})
    data = read_frames(rows, **{column: "n"})
    assert data.items.ids == list("vwxz")
    assert data.schema.rating_range == ((1, 4) if column == "rating" else data.schema.rating_range)
    assert any("left out" in one for one in data.repairs)
    assert np.isfinite(data.rating).all()


def test_whole_numbers_beyond_64_bits_in_a_frame_are_refused():
    rows = pd.DataFrame({"user": list("ab"), "item": list("vw"), "n": [1, 10**30]})
    with pytest.raises(DataError, match="interactions cannot be read as a data frame"):
        read_frames(rows, count="n")


def test_a_scale_beyond_what_is_kept_is_refused(tmp_path):
    base = folder(tmp_path / "data", [1, 2, 3], 'rating = "value"\nscale = [1, 1e39]')
    with pytest.raises(ConfigError, match="scale must be"):
        load(str(base), tmp_path / "home")


def test_a_time_beyond_all_is_none(tmp_path):
    base = tmp_path / "data"
    times = [1_700_000_000, "1e39", "9" * 400, "-1e308", "inf", 1_700_000_060]
    rows = [(f"u{n % 2}", f"i{n}", time) for n, time in enumerate(times)]
    write_csv(base / "log.csv", ["user", "item", "value"], rows)
    (base / "fusionrec.toml").write_text(TOML.format(ending="csv", value='time = "value"'))
    data = load(str(base), tmp_path / "home")
    assert data.time.tolist() == [1_700_000_000, 1_700_000_060]
    assert any("left out for a time that is none" in one and ": 4" in one for one in data.repairs)


def test_a_large_number_of_an_item_stays_a_float(tmp_path):
    base = folder(tmp_path / "data", [1, 2, 3, 4], 'count = "value"')
    prices = ["1e20", "100000000000000000000", "18446744073709551616", "9" * 400]
    write_csv(base / "items.csv", ["item", "price"], [(f"i{n}", p) for n, p in enumerate(prices)])
    with (base / "fusionrec.toml").open("a") as file:
        file.write('[items]\nfiles = "items.csv"\nid = "item"\n')
        file.write('[items.fields.price]\nkind = "number"\n')
    data = load(str(base), tmp_path / "home")
    assert list(data.items.columns["price"][:3]) == [1e20, 1e20, 2.0**64]
    assert math.isnan(data.items.columns["price"][3])
    assert json.loads(json.dumps(data.items.columns["price"][0])) == 1e20


@pytest.mark.parametrize(
    "column", [[1e308, -1e308, 5.0], [1e308, 1e308], [1e200, 1.0], [1e20, 3.0]]
)
def test_what_a_large_number_is_read_as_is_finite(column):
    vocabulary = learn(Field("price", "item", "number"), column)
    assert math.isfinite(vocabulary.mean)
    assert 0 < vocabulary.std < math.inf
    read = standardise(np.array([*column, -1e308, 1e308, math.nan]), vocabulary)
    assert np.isfinite(read).all()
    assert np.abs(read).max() <= 5
