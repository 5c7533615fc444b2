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
from tabular_files import describe, finding, write

from fusionrec.data.dataframes import read_frames
from fusionrec.data.schema import Field
from fusionrec.data.tabular.convert import Converted, convert
from fusionrec.data.tabular.spec import read_spec
from fusionrec.errors import ConfigError, DataError
from fusionrec.features.vocabulary import learn, standardise

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

BEYOND = ("1e39", "1e308", "-1e39", "9" * 400, "1e400", "inf", "-inf", "nan")
COUNT, RATING = {"count": "n"}, {"rating": "n", "scale": [1, 5]}


def converted(folder: Path, values: list, keys: dict, name: str = "log.csv", tables: str = ""):
    """Each row is of another item; ``keys`` say what the values are."""
    items = [f"i{n}" for n in range(len(values))]
    write(folder / name, {"u": ["a", *items[1:]], "i": items, "n": values})
    return convert(read_spec(describe(folder, name, user="u", item="i", tables=tables, **keys)))


@pytest.mark.parametrize(
    ("odd", "keys", "name"),
    [
        *((odd, keys, "log.csv") for odd in BEYOND for keys in (COUNT, RATING)),
        *((odd, COUNT, "log.jsonl") for odd in (1e39, 1e308, -1e39, 10**50, 10**400)),
    ],
)
def test_a_row_with_a_value_beyond_all_is_left_out(tmp_path, odd, keys, name):
    made: Converted = converted(tmp_path, [1, 2, 3, odd, 4, 5], keys, name)
    assert made.items.ids == ["i0", "i1", "i2", "i4", "i5"]
    [one] = [one for one in made.findings if one.left_out]
    assert (one.count, one.name) in ((1, "rating_unfit"), (1, "rating_empty"))
    assert "row 4" in one.example


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
    with pytest.raises(ConfigError, match="scale must be"):
        converted(tmp_path, [1, 2, 3], RATING | {"scale": [1, 1e39]})


def test_a_time_beyond_all_is_none(tmp_path):
    times = [1_700_000_000, "1e39", "9" * 400, "-1e308", "inf", 1_700_000_060]
    made = converted(tmp_path, times, {"time": "n"})
    assert made.time.tolist() == [1_700_000_000, 1_700_000_060]
    assert finding(made, "time_unfit").count == 4


def test_a_large_number_of_an_item_stays_a_float(tmp_path):
    prices = ["1e20", "100000000000000000000", "18446744073709551616", "9" * 400]
    write(tmp_path / "items.csv", {"i": ["i0", "i1", "i2", "i3"], "price": prices})
    table = '[items]\nfiles = "items.csv"\nid = "i"\n[items.fields.price]\nkind = "number"'
    [*known, last] = converted(tmp_path, [1] * 4, COUNT, tables=table).items.columns["price"]
    assert known == [1e20, 1e20, 2.0**64]
    assert math.isnan(last)
    assert json.loads(json.dumps(known[0])) == 1e20


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
