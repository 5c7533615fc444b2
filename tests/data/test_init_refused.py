"""What ``fusionrec init`` says of columns and files that it might have taken, and does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fusionrec.data.detection.attributes import Attribute, guess_attribute
from fusionrec.data.detection.column_stats import ColumnStats
from fusionrec.data.detection.infer import InferredSpec, infer_spec
from fusionrec.data.detection.toml_writer import toml_text
from fusionrec.data.tabular.convert import convert
from fusionrec.data.tabular.spec import read_spec
from fusionrec.workspace import Workspace

ROWS = 600


def taken(folder: Path, more: dict[str, list], form: str = "parquet") -> InferredSpec:
    """A guess of a file of users, items and what else is given."""
    draw = np.random.default_rng(3)
    frame = pd.DataFrame(
        {"user_id": draw.integers(40, size=ROWS), "item_id": draw.integers(1, 50, size=ROWS)}
        | {name: (values * ROWS)[:ROWS] for name, values in more.items()}
    )
    if form == "parquet":
        frame.to_parquet(folder / "taken.parquet", index=False)
    elif form == "jsonl":
        frame.to_json(folder / "taken.jsonl", orient="records", lines=True)
    else:
        frame.to_csv(folder / "taken.csv", index=False)
    return infer_spec(folder)


def said(guessed: InferredSpec) -> dict:
    return {line.key: line.value for line in guessed.interactions}


def init_stderr(folder: Path, fusionrec) -> str:
    ended = fusionrec(Workspace(folder / "home"), "init", str(folder), "--force")
    assert ended.code == 0
    return ended.err


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_true_and_false_are_thumbs(tmp_path, form):
    guessed = taken(tmp_path, {"liked": [True, False, False]}, form)
    assert (said(guessed)["rating"], said(guessed)["scale"]) == ("liked", [0.0, 1.0])
    assert "event" not in said(guessed)
    (tmp_path / "fusionrec.toml").write_text(toml_text(guessed))
    found = convert(read_spec(tmp_path))
    assert set(found.rating.tolist()) == {0.0, 1.0}


def test_true_and_false_of_what_was_done_is_an_event(tmp_path):
    guessed = taken(tmp_path, {"purchased": [True, False, False]})
    assert (said(guessed)["event"], said(guessed)["events"]) == ("purchased", {"true": 1.0})


@pytest.mark.parametrize(
    "name", ["书名", "标题", "名称", "片名", "题名", "商品名称", "曲名", "название"]
)
def test_titles_of_one_word_each_are_titles(name):
    found = guess_attribute(
        ColumnStats(name, [f"百年孤独{'甲乙丙丁'[n % 4]}{n}" for n in range(60)]), "item"
    )
    assert isinstance(found, Attribute)
    assert found.column.kind == "text"


ZONED = ["2024-04-15 10:00:00 +08:00"] + [f"2024-04-{n} 10:00:00" for n in range(11, 16)]


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        (
            "plays",
            [-1, *range(1, 20)],
            'a count: 30 of its 600 values are no whole numbers from 0 on, such as "-1"',
        ),
        ("plays", [1.5, *range(1, 20)], 'such as "1.5"'),
        ("Quantity", ["two", 1, 2, 3], 'such as "two"'),
        ("date", ZONED, "the time: 100 of its 600 values are no dates"),
        ("noted", ZONED, 'such as "2024-04-15 10:00:00 +08:00"'),
        ("date", ["15.04.2024", "16.04.2024"], "the time: dates such as"),
        ("ts", ["soon", *[1.7e9 + n / 2 for n in range(9)]], 'no numbers, such as "soon"'),
    ],
)
def test_init_says_why_a_column_is_no_count_or_time(tmp_path, fusionrec, name, values, why):
    guessed = taken(tmp_path, {name: values}, "csv")
    assert said(guessed).keys() <= {"files", "user", "item", "repeats"}
    err = init_stderr(tmp_path, fusionrec)
    assert f"warning: {name} is not taken for " in err
    assert why in err
    assert guessed.left_out[name] in err


@pytest.mark.parametrize(
    "more",
    [
        {"plays": [1]},
        {"plays": [-1, 1, 2], "rating": [1, 2, 3, 4, 5]},
        {"date": ["15.04.2024", "16.04.2024"], "time": [1_700_000_000 + n for n in range(60)]},
        {"remark": ["a", "b", "c"]},
    ],
)
def test_no_warning_where_nothing_is_lost(tmp_path, fusionrec, more):
    taken(tmp_path, more, "csv")
    assert "warning:" not in init_stderr(tmp_path, fusionrec)


def items() -> pd.DataFrame:
    return pd.DataFrame({"item_id": range(1, 50), "genre": (["a", "b", "c"] * 49)[:49]})


def test_init_warns_of_an_index_that_was_not_written(tmp_path, fusionrec):
    made = items()
    made = made.set_index(pd.RangeIndex(1, 50, name="item_id")).drop(columns="item_id")
    made.to_parquet(tmp_path / "items.parquet")
    guessed = taken(tmp_path, {"rating": [1, 2, 3, 4, 5]})
    why = guessed.unused["items.parquet"]
    assert why.startswith("none of its columns names the users or items of taken.parquet; its")
    assert 'its index, "item_id", was not written as a column: call reset_index()' in why
    assert 'warning: items.parquet is not used: its index, "item_id"' in init_stderr(
        tmp_path, fusionrec
    )


def test_an_index_that_was_written_is_read(tmp_path, fusionrec):
    made = items().set_index("item_id")
    made.index = pd.Index(list(made.index)[::-1], name="item_id")
    made.to_parquet(tmp_path / "items.parquet")
    guessed = taken(tmp_path, {"rating": [1, 2, 3, 4, 5]})
    assert guessed.items is not None
    assert "warning:" not in init_stderr(tmp_path, fusionrec)
