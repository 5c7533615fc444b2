"""Grave doubts of ``fusionrec init`` in the file it writes, and limits of that file."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

import export_folders
import fusionrec
from fusionrec.data.detection.doubts import Doubt
from fusionrec.data.detection.infer import infer_spec
from fusionrec.data.detection.toml_writer import toml_text
from fusionrec.data.tabular.spec import read_spec
from fusionrec.errors import ConfigError, DataError

HOSTILE = 'two columns "a\\b" or \x1b[31m sum = "" could be it'
MILD = Doubt("left_out", "price is not taken")
DEEP = ".".join(["a"] * 490)
GRAVE = (Doubt("two_ratings", HOSTILE, 'rating = "b"', grave=True), Doubt("ids", "no", grave=True))


def written(folder: Path, *doubts: Doubt) -> Path:
    """The file that ``init`` writes for a folder of films with these doubts."""
    export_folders.movielens(folder)
    file = folder / "fusionrec.toml"
    text = toml_text(replace(infer_spec(folder), doubts=doubts))
    file.write_text(text, encoding="utf-8")
    return file


def test_grave_doubts_stand_in_the_file_and_others_do_not(tmp_path: Path):
    assert "[review]" not in written(tmp_path, MILD).read_text(encoding="utf-8")
    assert read_spec(tmp_path).unreviewed == ()
    written(tmp_path, MILD, *GRAVE)
    assert read_spec(tmp_path).unreviewed == tuple(map(str, GRAVE))


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("[0.5, 5.0]", "[0, 5]"),
        lambda text: text.replace("# Written", "# Read"),
        lambda text: text + "\n",
        lambda text: text.replace("\n  ", "\n"),
        lambda text: text.replace('sum = "', 'sum = "0'),
        lambda text: text[: text.index("[review]")] + text[text.index("[interactions]") :],
    ],
)
def test_any_edit_counts_as_a_look(tmp_path: Path, edit):
    file = written(tmp_path, *GRAVE)
    before = file.read_text(encoding="utf-8")
    file.write_text(edit(before), encoding="utf-8")
    assert file.read_text(encoding="utf-8") != before
    assert read_spec(tmp_path).unreviewed == ()
    assert len(fusionrec.read_data(tmp_path, tmp_path / "home")) > 0


def test_a_file_that_was_only_saved_again_was_not_looked_at(tmp_path: Path):
    file = written(tmp_path, *GRAVE)
    text = file.read_text(encoding="utf-8")
    file.write_text("\ufeff" + text.replace("\n", "\r\n"), encoding="utf-8", newline="")
    assert len(read_spec(tmp_path).unreviewed) == 2


def test_data_in_doubt_is_refused_until_it_is_accepted(tmp_path: Path):
    file = written(tmp_path, *GRAVE)
    for path in (file, tmp_path):
        with pytest.raises(DataError) as error:
            fusionrec.read_data(path, tmp_path / "home")
        assert str(GRAVE[0]) in error.value.message
        assert "accept=True" in str(error.value.hint)
        assert error.value.code == "unreviewed"
    assert not (tmp_path / "home").exists(), "it is refused before anything is converted"
    assert len(fusionrec.read_data(tmp_path, tmp_path / "home", accept=True)) == 900


def test_reasons_for_thousands_of_columns_are_listed_in_part(tmp_path: Path):
    written(tmp_path)
    many = dict.fromkeys((f"c{n}" for n in range(50_000)), "every row says the same " * 4)
    text = toml_text(replace(infer_spec(tmp_path), left_out=many))
    assert "#   and 49,800 more" in text
    (tmp_path / "fusionrec.toml").write_text(text, encoding="utf-8")
    assert read_spec(tmp_path).name == tmp_path.name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (".".join(["a"] * 20_000) + " = 1", "too long"),
        ("[" + ".".join(['"a"'] * 20_000) + "]", "too long"),
        ("[interactions]\nfiles = { " + ".".join(["'a b'"] * 20_000) + " = 1 }", "too long"),
        (f"[{DEEP}]\n{DEEP} = 1", "unknown table"),
        ("[interactions.files." + ".".join(["a"] * 490) + "]", "interactions.files must be text"),
        (f"[interactions.files.{DEEP}]\n{DEEP} = 1", "too deep"),
        ("a = " + "[" * 100_000, "too deep"),
        ("a = " + '{"b" = ' * 100_000, "too deep"),
        ("# " + "x" * 50_000_000, "larger than 1,048,576 bytes"),
        ("[interactions]\n" + "a" * 900_000 + " = 1", "unknown setting"),
        ("x = '" + "\\\"" * 400_000, "cannot be read as TOML"),
        ("review = 1\n[interactions]", "review must be a table"),
        ("[review]\ndoubts = 1", "review.doubts must be a list"),
    ],
)  # fmt: skip
def test_a_hostile_file_is_refused_soon_and_clearly(tmp_path: Path, text, words):
    (tmp_path / "fusionrec.toml").write_text(text + "\n", encoding="utf-8")
    started = time.monotonic()
    with pytest.raises(ConfigError) as error:
        read_spec(tmp_path)
    assert words in error.value.message
    assert len(error.value.message) < 2000
    assert time.monotonic() - started < 5


def test_dots_within_texts_are_no_key(tmp_path: Path):
    written(tmp_path)
    names = ", ".join(f'"v1.{n}"' for n in range(2000))
    text = f'[interactions]\nfiles = "ratings.csv"\nuser = "u"\nitem = "i"\nnames = [{names}]\n'
    (tmp_path / "fusionrec.toml").write_text(text, encoding="utf-8")
    assert len(read_spec(tmp_path).interactions.names) == 2000
