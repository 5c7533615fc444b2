"""What ``fusionrec init`` makes of files that are not quite as they should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import export_folders
from fusionrec.data.detection.infer import InferredSpec, infer_spec
from fusionrec.data.detection.rating_scale import guess_scale
from fusionrec.data.detection.toml_writer import toml_text
from fusionrec.data.tabular.convert import convert
from fusionrec.data.tabular.spec import read_spec
from fusionrec.errors import DataError
from fusionrec.workspace import Workspace

FEW = [0.0] * 11 + [11.0] * 14


def ratings(folder: Path, more: dict[str, list], rows: int = 400) -> InferredSpec:
    """A guess of a file of users, items and what else is given."""
    draw = np.random.default_rng(3)
    taken = {"user": draw.integers(40, size=rows), "item": draw.integers(30, size=rows)}
    columns = {name: [f"{name}{n}" for n in numbers] for name, numbers in taken.items()} | more
    export_folders.write_csv(
        folder / "ratings.csv", list(columns), zip(*columns.values(), strict=True)
    )
    return infer_spec(folder)


def line(guessed: InferredSpec, key: str):
    return next(one for one in guessed.interactions if one.key == key)


def keys(guessed: InferredSpec) -> set[str]:
    return {one.key for one in guessed.interactions}


def many(low: int, high: int, rows: int = 15_514) -> np.ndarray:
    return np.resize(np.arange(low, high + 1, dtype=np.float64), rows)


@pytest.mark.parametrize(
    ("name", "numbers", "scale", "outside"),
    [
        ("Rating (1-10)", [*many(1, 10), *FEW], (1, 10), 25),
        ("Rating", [*many(1, 10), *FEW], (1, 10), 25),
        ("stars", [*many(1, 5, 4_000), 11, 11, 11], (1, 5), 3),
        ("stars", [*many(1, 5, 4_000), -99], (1, 5), 1),
        ("rating 0..10", many(1, 8), (0, 10), 0),
        ("rating 1 to 7", many(1, 6, 90), (1, 7), 0),
        ("rating 1-5", many(1, 10), (1, 10), 0),
        ("rating 2020-2024", many(1, 5), (1, 5), 0),
        ("rating", [*many(1, 5), 0.0], (0, 5), 0),  # a rare zero is a rating
        ("rating", [*many(1, 9), 10.0], (1, 10), 0),  # and so is a rare ten
        ("rating", [1, 2, 3, 4, 5, 100], (0, 100), 0),  # too few to tell
    ],
)
def test_a_few_stray_numbers_do_not_widen_the_scale(name, numbers, scale, outside):
    low, high, notes = guess_scale(name, np.array(numbers, dtype=np.float64))
    assert (low, high) == scale
    assert [f"{outside} of" in note for note in notes if "outside" in note] == [True] * (
        outside > 0
    )


def test_an_unreadable_file_is_reported_with_its_line(tmp_path, fusionrec):
    ratings(tmp_path, {"rating": [n % 5 + 1 for n in range(400)]})
    rows = [f'{{"item": "item{n}", "title": "Song of {n}"}}' for n in range(30)]
    rows[7] = '{"item": "item7", "title": "Song'
    (tmp_path / "tracks.jsonl").write_text("\n".join(rows))
    ended = fusionrec(Workspace(tmp_path / "home"), "init", str(tmp_path))
    assert ended.code == 0
    assert "warning: tracks.jsonl is not used: line 8: not JSON" in ended.err
    assert "run init with --force" in ended.err
    assert '"tracks.jsonl": line 8: not JSON' in (tmp_path / "fusionrec.toml").read_text()


@pytest.mark.parametrize("made", [lambda n: f"2024-03-{n % 28 + 1:02d}", lambda n: 1.7e9 + n])
@pytest.mark.parametrize(("lacking", "taken"), [(0, True), (20, True), (200, False)])
def test_times_that_many_rows_lack_are_left_out(tmp_path, made, lacking, taken):
    stars = [n % 5 + 1 for n in range(400)]
    dates = ["" if n < lacking else made(n) for n in range(400)]
    guessed = ratings(tmp_path, {"rating": stars, "Date": dates})
    assert ("time" in keys(guessed)) == taken
    says = " ".join(line(guessed, "time").why) if taken else guessed.left_out["Date"]
    assert (f"{lacking} of the 400 rows read have none" in says) == (lacking > 0)


def test_rows_without_a_time_are_kept_where_times_are_left_out(tmp_path):
    guessed = ratings(tmp_path, {"rating": [1, 2, 3, 4] * 100, "Date": ["", "2024-03-01"] * 200})
    (tmp_path / "fusionrec.toml").write_text(toml_text(guessed))
    found = convert(read_spec(tmp_path)).findings
    assert not [one for one in found if one.name == "time_empty"]


def test_decimal_commas_are_read_and_reported(tmp_path):
    guessed = ratings(tmp_path, {"rating": ["3,5", "4", "0,5", "5,0"] * 100})
    assert (line(guessed, "rating").value, line(guessed, "scale").value) == ("rating", [0.5, 5.0])
    assert "in 300 rows with a decimal comma" in " ".join(line(guessed, "rating").why)
    (tmp_path / "fusionrec.toml").write_text(toml_text(guessed))
    found = convert(read_spec(tmp_path))
    assert set(found.rating.tolist()) <= {3.5, 4.0, 0.5, 5.0}
    findings = {one.name: one for one in found.findings}
    assert (findings["rating_comma"].count, findings["rating_comma"].left_out) == (300, False)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (["5"], "every rating is 5"),
        (["4", "3", "2/5"], '33% of its values are no numbers, such as "2/5"'),
    ],
)
def test_init_says_why_a_column_of_that_name_is_no_rating(tmp_path, fusionrec, values, why):
    guessed = ratings(tmp_path, {"rating": (values * 400)[:400]})
    assert "rating" not in keys(guessed)
    assert why in guessed.left_out["rating"]
    ended = fusionrec(Workspace(tmp_path / "home"), "init", str(tmp_path))
    assert f"warning: rating is not taken for a rating: {guessed.left_out['rating']}" in ended.err


def test_dates_that_are_said_to_be_numbers_hint_at_the_unit(tmp_path):
    ratings(tmp_path, {"rating": [1, 2] * 200, "Date": ["2024-03-01 10:00:00"] * 400})
    said = 'files = "ratings.csv"\nuser = "user"\nitem = "item"\ntime = "Date"'
    (tmp_path / "fusionrec.toml").write_text(f"[interactions]\n{said}\n")
    with pytest.raises(DataError, match="400 of 400 times are dates") as error:
        convert(read_spec(tmp_path))
    assert error.value.hint == 'set time_unit = "text"'
