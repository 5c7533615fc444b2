"""Artifacts: saved whole or not at all, read back equal, and what is wrong with one is said."""

from __future__ import annotations

import ast
import errno
import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from builders import recipe, tree
from fusionrec.data.dataset import Dataset
from fusionrec.errors import ArtifactError
from fusionrec.features.encoder import Encoder
from fusionrec.models.export import tower_vectors
from fusionrec.models.fusion import Tower
from fusionrec.registry import Artifact, publish, tables, version_numbers, writer
from fusionrec.registry.manifest import FORMAT
from fusionrec.registry.weights import write_weights
from fusionrec.training.fusion_trainer import FusionTrainer
from fusionrec.training.train import train
from fusionrec.workspace import Workspace
from source import FILES, name_of, nodes_of


@pytest.fixture
def copy(published: Artifact, tmp_path: Path) -> Path:
    """A folder with the artifact, to be damaged."""
    return Path(shutil.copytree(published.folder, tmp_path / "models" / "v1"))


def edit_manifest(folder: Path, **changes: object) -> None:
    """Sets parts of the manifest; None removes one."""
    path = folder / "manifest.json"
    value = json.loads(path.read_text(encoding="utf-8")) | changes
    kept = {name: part for name, part in value.items() if part is not None}
    path.write_text(json.dumps(kept), encoding="utf-8")


def test_it_needs_no_training_files(published, dataset):
    loaded = Artifact.load(published.folder)
    assert loaded.items.ids == list(dataset.items.ids)
    assert loaded.users.ids == list(dataset.users.ids)
    assert [tuple(names) for names in loaded.items.columns["genres"]] == (
        dataset.items.columns["genres"]
    )
    assert loaded.schema == dataset.schema
    stored = loaded.histories.of(5)
    items, ratings = stored.items, stored.ratings
    mine = (dataset.user == 5) & (dataset.item > 1)
    assert dict(zip(items.tolist(), ratings.tolist(), strict=True)) == dict(
        zip(dataset.item[mine].tolist(), dataset.rating[mine].tolist(), strict=True)
    )
    assert (np.diff(dataset.time[mine]) >= 0).all()
    assert items.tolist() == dataset.item[mine].tolist()
    trained = dataset.item[(dataset.user > 2) & (dataset.item > 1)]
    assert loaded.item_counts.tolist() == np.bincount(trained, minlength=40).tolist()


def test_the_manifest_says_what_it_is(published, dataset):
    m = published.manifest
    assert (m["kind"], m["metric"], m["dim"]) == ("fusionrec", "IP", 16)
    assert (m["users"], m["items"], m["data"]) == (60, 40, "synthetic sample")
    assert m["user_inputs"] == ["user_id", "gender", "age", "occupation"]
    assert m["score"]["kind"] == "rating"
    rows = np.flatnonzero((dataset.user > 2) & (dataset.item > 1))
    assert m["rows"] == dataset.fingerprint(rows)
    assert m["interactions"] == len(rows)
    assert m["recipe"] == json.loads(json.dumps(recipe(epochs=4).to_dict()))


def test_every_file_stands_in_the_manifest_with_its_sha256(published):
    found = tree(published.folder)
    del found["manifest.json"]
    said = published.manifest["files"]
    assert {name: hashlib.sha256(content).hexdigest() for name, content in found.items()} == said


def test_the_item_vectors_are_those_of_the_weights_in_paddle(published):
    """The file holds all of the tower, by names that Paddle knows."""
    tower = Tower(published.encoder, "item", recipe().model)
    weights = load_file(published.folder / "item_tower.safetensors")
    missing, unexpected = tower.set_state_dict(weights)
    assert not missing
    assert not unexpected
    features = published.encoder.encode_table("item", published.items)
    vectors = tower_vectors(tower, list(features.values()))
    assert np.abs(vectors - published.item_vectors).max() < 1e-5
    assert np.allclose(np.linalg.norm(published.item_vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("row", [-1, 10**6])
@pytest.mark.parametrize("field", ["user_id", "gender"])
def test_a_row_out_of_range_is_refused(published, field, row):
    features = published.encoder.encode("user", ["9"], {})
    features[field] = np.array([row])
    with pytest.raises(ArtifactError, match=f"{field}: a row number lies outside"):
        published.user_tower.vectors(features)


def test_a_flipped_bit_in_any_file_is_noticed(copy):
    for path in copy.iterdir():
        if path.name == "manifest.json":
            continue
        content = path.read_bytes()
        path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
        with pytest.raises(ArtifactError, match=f"damaged: {path.name} is not what was saved"):
            Artifact.load(copy)
        path.write_bytes(content)
    Artifact.load(copy)


def test_a_missing_file_is_named(copy):
    (copy / "user_tower.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"incomplete: user_tower\.safetensors is missing"):
        Artifact.load(copy, thorough=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "another"}, "is of 'another', not of fusionrec"),
        ({"kind": None}, "is not a manifest of fusionrec"),
        ({"format": None}, "is not a manifest of fusionrec"),
        ({"format": "1"}, "not of fusionrec"),
        ({"format": FORMAT - 1}, "an older fusionrec"),
        ({"format": FORMAT + 1}, "a newer fusionrec"),
        ({"files": None}, "lacks files"),
        ({"dim": None, "score": None}, "lacks dim, score"),
        ({"recipe": None}, "lacks recipe"),
        ({"files": ["encoder.json"]}, "does not list encoder.json, item_tower.safetensors"),
        ({"files": {}}, "does not list encoder.json, item_tower.safetensors, item_vectors.npy"),
    ],
)
def test_a_foreign_or_older_manifest_is_distinguished_from_a_damaged_one(copy, change, words):
    edit_manifest(copy, **change)
    with pytest.raises(ArtifactError, match=words) as caught:
        Artifact.load(copy)
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"null", b"\xff\xfe\x00"])
def test_a_garbled_manifest_is_an_artifact_error(copy, content):
    (copy / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match="is not a manifest of fusionrec"):
        Artifact.load(copy)


def test_a_folder_without_a_manifest_holds_no_model(tmp_path):
    with pytest.raises(ArtifactError, match="holds no model"):
        Artifact.load(tmp_path)


FULL = OSError(errno.ENOSPC, "No space left on device")
POINTS = {
    "the encoder": (Encoder, "save"),
    "a table": (writer, "write_table"),
    "the histories": (writer, "write_histories"),
    "an array": (tables.np, "save"),
    "a tower": (publish, "write_weights"),
    "the manifest": (publish, "write_manifest"),
    "the move": (Path, "rename"),
    "the flush": (os, "fsync"),
}


@pytest.fixture
def saved(dataset: Dataset, tmp_path: Path):
    """One version in a folder, and a function that saves the next."""
    rows = np.arange(len(dataset))
    trained = FusionTrainer(dataset, rows, recipe(epochs=1))
    trained.fit(lambda _: None)
    models = tmp_path / "models"
    about = {"model": "fusion", "recipe": recipe().to_dict(), "training": {"epochs": []}}

    def save() -> Artifact:
        return publish.publish(models, dataset, rows, trained.encoder, trained.towers, about)

    save()
    return models, save


@pytest.mark.parametrize("point", POINTS)
def test_a_disk_that_fills_leaves_the_versions_before_and_nothing_half(saved, monkeypatch, point):
    models, save = saved
    before = tree(models)

    def full(*_args, **_options):
        raise FULL

    with monkeypatch.context() as patched:
        patched.setattr(*POINTS[point], full)
        with pytest.raises(ArtifactError, match="No space left") as caught:
            save()
    assert "resume" in caught.value.hint
    assert tree(models) == before
    assert version_numbers(models) == [1]
    assert [path.name for path in models.iterdir()] == ["v1"]
    assert save().version == "v2"


@pytest.mark.parametrize("name", ["user", "item"])
@pytest.mark.parametrize("kept", [0, 5, 100, -7])
def test_a_tower_that_was_written_short_is_not_published(saved, monkeypatch, name, kept):
    models, save = saved

    def cut(folder, side, arrays):
        write_weights(folder, side, arrays)
        path = folder / f"{name}_tower.safetensors"
        if side == name:
            path.write_bytes(path.read_bytes()[:kept])

    monkeypatch.setattr(publish, "write_weights", cut)
    with pytest.raises(ArtifactError, match=f"the {name} tower's file cannot be read back"):
        save()
    assert [path.name for path in models.iterdir()] == ["v1"]


@pytest.mark.parametrize("side", ["user", "item"])
def test_a_tower_that_answers_otherwise_than_it_was_trained_is_not_published(
    saved, monkeypatch, side
):
    models, save = saved

    def other(folder, written, arrays):
        shift = {"joined.bias": arrays["joined.bias"] + np.float32(1e-2)}
        write_weights(folder, written, arrays | shift if written == side else arrays)

    monkeypatch.setattr(publish, "write_weights", other)
    with pytest.raises(ArtifactError, match=f"the saved {side} tower does not answer as"):
        save()
    assert [path.name for path in models.iterdir()] == ["v1"]


def test_a_training_whose_model_could_not_be_saved_can_be_saved_later(
    dataset, tmp_path, monkeypatch
):
    def full(*_args, **_options):
        raise FULL

    workspace = Workspace(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(writer, "write_table", full)
        with pytest.raises(ArtifactError, match="No space left"):
            train(dataset, recipe(), workspace)
    steps = []
    artifact = train(dataset, recipe(), workspace, steps.append, resume=True)
    assert artifact.version == "v1"
    assert not steps, "nothing had to be trained again"


def test_versions_are_numbered_in_order_and_foreign_folders_are_passed_over(tmp_path):
    for name in ("v1", "v10", "v9", "v", "vx", ".new-v3", "v2.bak", ".gone-v4"):
        (tmp_path / name).mkdir()
    assert version_numbers(tmp_path) == [1, 9, 10]
    assert version_numbers(tmp_path / "none") == []


def can_run_code(node: ast.AST) -> bool:
    """Whether a node imports or calls what may run code that it reads."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        named = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
        roots = {name.split(".")[0] for name in named}
        return bool(roots & {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"})
    if not isinstance(node, ast.Call):
        return False
    called = ast.unparse(node.func)
    if called in ("np.load", "numpy.load", "np.save", "numpy.save"):
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        return given.get("allow_pickle") != "False"
    return called in ("paddle.load", "paddle.save", "eval", "exec", "pd.read_pickle")


def test_nothing_that_is_read_can_run_code():
    found = [(path, node) for path in FILES for node in nodes_of(path) if can_run_code(node)]
    assert [f"{name_of(path)}:{node.lineno}" for path, node in found] == []


def test_an_array_of_objects_is_not_read(copy):
    np.save(copy / "item_vectors.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ArtifactError, match="cannot be read"):
        tables.read_array(copy / "item_vectors.npy")


def test_a_table_that_is_not_parquet_is_an_artifact_error(copy, dataset):
    (copy / "items.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ArtifactError, match=r"items\.parquet cannot be read"):
        tables.read_table(copy / "items.parquet", dataset.schema, "item")
    with pytest.raises(ArtifactError, match="cannot be read"):
        tables.read_table(copy / "users.parquet", dataset.schema, "item")
