"""The Encoder: fitted on training rows alone, never out of range, the same in every process."""

from __future__ import annotations

import ast
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import LIBRARY, library, python, recipe, rewrite
from fusionrec.data.dataset import Dataset
from fusionrec.data.movielens import AGES, MOVIELENS
from fusionrec.data.schema import Field
from fusionrec.errors import ArtifactError, UsageError
from fusionrec.features.encoder import Encoder
from fusionrec.features.vocabulary import UNKNOWN, learn, one_hot_buckets, tokenize
from fusionrec.index import ExactIndex
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.registry.manifest import sha256
from fusionrec.workspace import Workspace
from source import FILES, name_of, nodes_of


def test_ids_words_and_numbers_of_other_rows_are_unknown(dataset):
    """Items 0..19 are in training rows, the others not."""
    columns = {"title": ["Lion"] * 20 + ["Zebra"] * 20, "year": [1990.0] * 20 + [1900.0] * 20}
    items = replace(dataset.items, columns={**dataset.items.columns, **columns})
    encoder = Encoder.fit(replace(dataset, items=items), np.flatnonzero(dataset.item < 20))
    encoded = encoder.encode_table("item", items)
    assert (encoded["movie_id"][20:] == UNKNOWN).all()
    seen = np.unique(dataset.item[dataset.item < 20])
    assert (encoded["movie_id"][seen] > UNKNOWN).all()
    assert len(set(encoded["movie_id"][seen])) == len(seen)
    assert encoder.vocabularies["title"].values == ("lion",)
    assert encoder.vocabularies["year"].mean == 1990.0


def test_unknown_values_have_the_row_of_the_unknown():
    given = {"town": ["?", None], "interests": [("?",), None]}
    user = FITTED.encode("user", ["nobody", None], given)
    assert user["reader"].tolist() == user["town"].tolist() == [UNKNOWN, UNKNOWN]
    assert user["interests"][0, UNKNOWN] == 1
    assert not user["interests"][1].any()
    assert user["born"].tolist() == [[0, 0], [0, 0]]
    item = FITTED.encode("item", ["?"], {"heading": ["წიგნი სულსხვა"]})
    assert item["heading"][0, 0] > 1  # a known word
    assert item["heading"][0, 1] == 1  # an unknown one
    assert not item["heading"][0, 2:].any()


TEXT = st.none() | st.text() | st.sampled_from(["თბ", "ისტორია", "წიგნი ზღვა 3"])
SEVERAL = st.none() | st.lists(st.text() | st.sampled_from(["ზღვა"]), max_size=4).map(tuple)
NUMBER = st.none() | st.floats() | st.integers(-(10**20), 10**20)
VALUES = {"id": TEXT, "category": TEXT, "text": TEXT, "categories": SEVERAL, "number": NUMBER}


@given(st.data())
def test_whatever_comes_every_row_lies_within_its_embedding(data):
    for side in ("user", "item"):
        drawn = {f.name: [data.draw(VALUES[f.kind])] for f in LIBRARY.side(side)}
        ids = drawn.pop(LIBRARY.id(side).name)
        encoded = FITTED.encode(side, ids, drawn)
        assert list(encoded) == [f.name for f in LIBRARY.side(side)]
        for field in LIBRARY.side(side):
            values = encoded[field.name]
            assert np.isfinite(values).all()
            if field.kind in ("id", "category", "text"):
                assert values.dtype == np.int64
                assert 0 <= values.min() <= values.max() < FITTED.width(field)
            elif field.kind == "categories":
                assert values.shape == (1, FITTED.vocabularies[field.name].size)
            else:
                assert abs(values[0, 0]) <= 5
                assert values[0, 1] in (0, 1)


FITTED = Encoder.fit(library(), np.arange(200))
FILMS = Encoder.empty(MOVIELENS)


def test_words_are_case_folded_runs_of_letters_and_digits_of_any_script():
    assert tokenize("Straße, l'été_12 Бег—წიგნი!") == ["strasse", "l", "été", "12", "бег", "წიგნი"]


def test_the_same_file_in_every_process_which_is_read_back_equal(tmp_path):
    code = (
        "import pathlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "from builders import library\n"
        "from fusionrec.features.encoder import Encoder\n"
        "import numpy as np\n"
        "Encoder.fit(library(), np.arange(200)).save(pathlib.Path(sys.argv[2]))\n"
    )
    tests, file, own = Path(__file__).parents[1], tmp_path / "a.json", tmp_path / "b.json"
    FITTED.save(own)
    for seed in ("1", "2"):
        python(code, tests, file, PYTHONHASHSEED=seed)
        assert file.read_bytes() == own.read_bytes()
    read = Encoder.load(file)
    assert (read.schema, read.vocabularies) == (FITTED.schema, FITTED.vocabularies)


def bucketed(*names: str) -> Dataset:
    """The library with some numbers read by bucket."""
    fields = tuple(replace(f, buckets=f.name in names) for f in LIBRARY.fields)
    return replace(library(volumes=90), schema=replace(LIBRARY, fields=fields))


def test_buckets_hold_about_as_many_numbers_each(tmp_path):
    data = bucketed("pages")
    encoder = Encoder.fit(data, np.arange(len(data)))
    edges = encoder.vocabularies["pages"].edges
    assert len(edges) == 16
    pages = np.array(data.items.columns["pages"])
    encoded = encoder.encode_table("item", data.items)["pages"]
    assert (encoded.shape, encoded.dtype) == ((90, 17), np.float32)
    assert (encoded.sum(axis=1) == 1).all()
    assert (encoded[:, 0] == np.isnan(pages)).all()
    sizes = encoded[:, 1:].sum(axis=0)
    assert sizes.max() - sizes.min() <= 2
    # Whatever lies outside counts in the first or the last; what is no number is not known.
    ids, far = [None] * 6, [-1e9, 1e9, edges[3], math.nan, None, math.inf]
    rows = encoder.encode("item", ids, {"pages": far})["pages"].argmax(axis=1)
    assert rows.tolist() == [1, 16, 4, 0, 0, 0]
    assert encoder.width(next(f for f in data.schema.fields if f.name == "pages")) == 17
    encoder.save(tmp_path / "encoder.json")
    assert Encoder.load(tmp_path / "encoder.json").vocabularies == encoder.vocabularies


@pytest.mark.parametrize(
    ("numbers", "edges"),
    [
        ([2.0] * 40, (2.0,)),
        ([1.0, 2.0] * 20, (1.0, 2.0)),
        ([1.0, 2.0, 3.0, 4.0], (1.0, 3.0)),
        ([math.nan, math.inf], ()),
        ([0.0] * 96 + [5.0, 6.0, 7.0, 8.0] * 8, (0.0, 5.0, 6.0, 7.0, 8.0)),
    ],
)
def test_fewer_buckets_where_there_are_fewer_numbers(numbers, edges):
    field = Field("n", "item", "number", buckets=True)
    vocabulary = learn(field, numbers)
    assert vocabulary.edges == edges
    made = one_hot_buckets(np.array([*numbers, math.nan]), vocabulary)
    assert made.shape == (len(numbers) + 1, len(edges) + 1)
    assert (made.sum(axis=1) == 1).all()


def test_an_encoder_from_before_there_were_buckets(tmp_path):
    FITTED.save(path := tmp_path / "encoder.json")
    value = json.loads(path.read_text(encoding="utf-8"))
    for vocabulary in value["vocabularies"].values():
        del vocabulary["edges"]
    path.write_text(json.dumps(value), encoding="utf-8")
    assert Encoder.load(path).vocabularies == FITTED.vocabularies


@pytest.mark.parametrize(
    "damage",
    [
        lambda value: value.update(format=2),
        lambda value: value.update(vocabularies=[]),
        lambda value: value.update(schema={"name": "x"}),
        lambda value: value["schema"]["fields"][0].update(kind="picture"),
        lambda value: value["schema"]["fields"].pop(0) and None,
        lambda value: value["vocabularies"].pop("heading") and None,
        lambda value: value.pop("schema") and None,
        lambda value: value["vocabularies"]["heading"].update(length="long"),
        lambda value: value["vocabularies"]["pages"].update(edges=[1.0, 1.0]),
        lambda value: value["vocabularies"]["pages"].update(edges=[1.0, math.nan, 3.0]),
        *(
            lambda _, text=text: text
            for text in (b"{", b"not json", b"\xff\xfe", b"null", b"[1, 2]")
        ),
    ],
)
def test_a_damaged_or_foreign_encoder_is_an_artifact_error(tmp_path, damage):
    path = tmp_path / "encoder.json"
    FITTED.save(path)
    value = json.loads(path.read_text(encoding="utf-8"))
    path.write_bytes(damage(value) or json.dumps(value).encode())
    with pytest.raises(ArtifactError, match=r"encoder\.json"):
        Encoder.load(path)


@pytest.mark.parametrize(
    ("values", "listed"),
    [({"gender": "X"}, "F, M"), ({"height": "180"}, "gender, age, occupation")],
)
def test_an_invalid_profile_lists_the_choices(values, listed):
    with pytest.raises(UsageError) as caught:
        FILMS.profile(values)
    assert listed in caught.value.message
    assert next(iter(values)) in caught.value.message


def test_a_profile_is_read_by_the_kinds_of_its_fields():
    given = {"town": "თბ", "interests": "ზღვა, ბაღი", "about": "ზღვა", "born": "1980"}
    read = FITTED.profile(given)
    assert read == {**given, "interests": ("ზღვა", "ბაღი"), "born": 1980.0}
    encoded = FITTED.encode("user", [None], {name: [value] for name, value in read.items()})
    assert encoded["interests"][0].sum() == 2
    assert encoded["interests"][0, UNKNOWN] == 0
    for wrong in ("old", "nan", "inf", ""):
        with pytest.raises(UsageError, match="born must be a number"):
            FITTED.profile({"born": wrong})


@pytest.mark.parametrize(
    ("age", "group"),
    [("34", "25"), ("34.5", "25"), ("35.0", "35"), ("7", "1"), ("99", "56"), ("025", "25")],
)
def test_a_number_counts_as_the_choice_whose_range_holds_it(age, group):
    given = {"age": age, "gender": "F"}
    assert FILMS.profile(given) == {"age": group, "gender": "F"}
    assert FILMS.range_notes(given) == (f"age {age} counts as {AGES[group]} ({group})",)


@pytest.mark.parametrize(
    ("choices", "bounds"),
    [
        ({"0": "0-9", "10": "10-19", "20": "20 and over"}, (0, 10, 20)),
        ({"0": "under 10", "10": "10 and over"}, (0, 10)),
        ({}, ()),  # as of every fusionrec.toml
        ({"1": "1 and over"}, ()),
        ({"0": "0-9", "10": "10-18", "20": "20 and over"}, ()),
        ({"0": "0-9", "10": "10-19", "20": "20-29"}, ()),
        ({"10": "10-19", "0": "0 and over"}, ()),
        ({"a": "0-9", "b": "10 and over"}, ()),
    ],
)
def test_choices_are_ranges_where_codes_and_labels_say_so(choices, bounds):
    field = Field("age", "user", "category", choices=choices)
    assert field.bounds == bounds
    assert field.range_of("10") == ("10" if bounds else None)


def test_what_names_a_choice_needs_no_note_and_other_codes_are_no_ranges():
    for values in ({"age": "25"}, {"age": "25-34"}, {"age": "Under 18"}, {"occupation": "12"}, {}):
        FILMS.profile(values)
        assert FILMS.range_notes(values) == ()
    for wrong in ("0", "-30", "30 ", "3e1", "٣٠", "nan", "inf", "9" * 400, "", "twenty"):
        with pytest.raises(UsageError, match="age must be one of 1, 18") as caught:
            FILMS.profile({"age": wrong})
        assert caught.value.hint.startswith("a number of 1 or more counts as its group: 1 = under")
    with pytest.raises(UsageError, match="occupation must be one of"):
        FILMS.profile({"occupation": "12.5"})


def test_answers_are_encoded_by_the_file_that_training_wrote(published, tmp_path):
    """Two rows of the artifact's encoder change places, and with them the answer."""
    shutil.copytree(published.folder, tmp_path / "v1")
    copy = Artifact.load(tmp_path / "v1")

    def vector(artifact: Artifact, **profile: str) -> np.ndarray:
        index = ExactIndex(artifact.schema, artifact.items, artifact.item_vectors)
        return Recommender(Catalog.of(artifact), index).people.find(Query(profile=profile)).vector

    def swap(value):
        values = value["vocabularies"]["gender"]["values"]
        values[0], values[1] = values[1], values[0]

    before = {gender: vector(copy, gender=gender) for gender in "FM"}
    assert not np.allclose(before["F"], before["M"], atol=1e-3)
    swapped = rewrite(copy, "encoder.json", swap)
    after = {gender: vector(swapped, gender=gender) for gender in "FM"}
    assert np.array_equal(before["F"], after["M"])
    assert np.array_equal(before["M"], after["F"])


def test_training_reads_the_encoder_that_it_saves(dataset, monkeypatch, tmp_path):
    """Training with an encoder that knows no genders gives towers that know none."""
    from fusionrec.training.train import train

    fit = Encoder.fit.__func__

    def blind(cls, *args, **options):
        fitted = fit(cls, *args, **options)
        gender = replace(fitted.vocabularies["gender"], values=("F", "?"))
        return cls(fitted.schema, {**fitted.vocabularies, "gender": gender})

    monkeypatch.setattr(Encoder, "fit", classmethod(blind))
    artifact = train(dataset, recipe(epochs=1), Workspace(tmp_path))
    assert artifact.encoder.vocabularies["gender"].values == ("F", "?")
    encode = Encoder.load(artifact.folder / "encoder.json").encode
    male, unknown = (
        artifact.user_tower.vectors(encode("user", [None], {"gender": [gender]}))
        for gender in ("M", None)
    )
    assert np.array_equal(male, unknown)


def test_no_other_code_turns_values_into_rows():
    """Values are hashed and looked up in features/encoder.py alone; features/vocabulary.py learns
    the vocabularies.
    """
    for path in FILES:
        own = ("features/encoder.py", "features/vocabulary.py", "recommend/item_words.py")
        if name_of(path) in own:
            continue  # a search cuts its words as titles are cut
        for node in nodes_of(path):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            assert not (called and node.func.id in ("hash", "tokenize", "Vocabulary")), path
            if isinstance(node, ast.ImportFrom):
                assert node.module != "fusionrec.features.vocabulary", path
            if isinstance(node, ast.ImportFrom) and node.module == "fusionrec.features.encoder":
                allowed = {"Encoder", "Features", "NEW"}
                assert {alias.name for alias in node.names} <= allowed, path


def test_the_manifest_names_the_vocabularies_by_their_hash(published):
    assert published.manifest["vocabularies"] == sha256(published.folder / "encoder.json")
