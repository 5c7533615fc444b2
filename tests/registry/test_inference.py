"""The towers in NumPy answer as Paddle's do, and refuse weights that are not theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from safetensors.numpy import load_file, save_file

from builders import SMALL, checkerboard, library, sequence_recipe
from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Side
from fusionrec.errors import ArtifactError
from fusionrec.features.encoder import Encoder, Features
from fusionrec.features.history import Clock, History, HistoryFeatures
from fusionrec.models.export import tower_vectors, tower_weights
from fusionrec.models.fusion import Tower
from fusionrec.models.presets import FusionSettings, Recipe, SequenceRecipe
from fusionrec.models.sequence import HistoryTower
from fusionrec.registry.inference import towers
from fusionrec.registry.inference.towers import HistoryRunner, TowerRunner
from fusionrec.registry.weights import weights_file, write_weights

LENGTH = 12
CLOCK = Clock(first=0.0, last=1e6, longest=20)
Weights = dict[str, np.ndarray]


def shake(tower: Any, spread: float = 0.3) -> None:
    """Draws every weight anew, those that begin as 0 or 1 too, so that none hides what it is at."""
    rng = np.random.default_rng(3)
    for name, parameter in tower.named_parameters():
        drawn = rng.normal(float("norm" in name or "before" in name), spread, parameter.shape)
        parameter.set_value(paddle.to_tensor(drawn.astype(np.float32)))


def encoder_of(data: Dataset) -> Encoder:
    """Of all rows but those of the first reader and the first volume, whose ids are unknown."""
    return Encoder.fit(data, np.flatnonzero((data.user > 0) & (data.item > 0)))


def by_bucket() -> Dataset:
    """The library with every number read by bucket."""
    data = library()
    fields = tuple(replace(f, buckets=f.kind == "number") for f in data.schema.fields)
    return replace(data, schema=replace(data.schema, fields=fields))


def manifest_of(recipe: Recipe | SequenceRecipe) -> dict[str, Any]:
    """The keys of a manifest that describe a model."""
    return {"model": recipe.name, "recipe": recipe.to_dict()}


# --- towers that read fields alone ----------------------------------------------------------------


def features_of(data: Dataset, side: Side, encoder: Encoder) -> Features:
    """All that a table holds; then each attribute withheld; then all but the id; then nothing."""
    table = data.users if side == "user" else data.items
    ids, columns = [None, *table.ids, "nobody"], {}
    for name, column in table.columns.items():
        columns[name] = [column[0], *column, column[1]]
    parts = [encoder.encode(side, ids, columns)]
    for name in columns:
        parts.append(encoder.encode(side, ids, {n: c for n, c in columns.items() if n != name}))
    parts += [encoder.encode(side, [None] * len(ids), columns), encoder.encode(side, ids, {})]
    parts.append(encoder.encode(side, [None], {}))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@pytest.mark.parametrize("side", ["user", "item"])
@pytest.mark.parametrize(
    "settings",
    [
        SMALL,
        replace(SMALL, activation="relu", windows=(1,)),
        replace(SMALL, windows=(2, 5), filters=3, word_width=5, dropout=0.5),
        replace(SMALL, windows=(16,), id_width=1, category_width=1, number_width=1, dim=1),
    ],
    ids=["small", "relu", "two windows", "a window longer than texts"],
)
@pytest.mark.parametrize("made", [library, checkerboard, by_bucket])
def test_a_tower_of_fields_answers_as_paddles(tmp_path, made, side, settings):
    data = made()
    encoder = encoder_of(data)
    tower = Tower(encoder, side, settings)
    shake(tower)
    write_weights(tmp_path, side, tower_weights(tower))
    features = features_of(data, side, encoder)
    runner = TowerRunner(tmp_path, side, encoder, manifest_of(Recipe(settings)))
    found, wanted = runner.vectors(features), tower_vectors(tower, list(features.values()))
    assert found.dtype == np.float32
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 2e-6
    if settings.dim > 1:
        assert np.ptp(wanted, axis=0).min() > 1e-2, "the vectors do not differ"


def test_many_pass_a_tower_as_few_do(tmp_path, monkeypatch):
    data = library()
    encoder = encoder_of(data)
    tower = Tower(encoder, "item", SMALL)
    shake(tower)
    write_weights(tmp_path, "item", tower_weights(tower))
    features = features_of(data, "item", encoder)
    runner = TowerRunner(tmp_path, "item", encoder, manifest_of(Recipe(SMALL)))
    whole = runner.vectors(features)
    for size in (1, 7, len(whole)):
        monkeypatch.setattr(towers, "BATCH", size)
        assert np.allclose(runner.vectors(features), whole, atol=1e-6)
    nobody = {name: values[:0] for name, values in features.items()}
    assert runner.vectors(nobody).shape == (0, SMALL.dim)


# --- the tower that reads histories ---------------------------------------------------------------


class Case:
    """Both implementations of one history tower, and whom they are asked about."""

    def __init__(self, folder: Path, data: Dataset, **model: Any) -> None:
        recipe = sequence_recipe(LENGTH)
        self.recipe = replace(recipe, model=replace(recipe.model, **model))
        settings = self.recipe.model
        self.encoder, self.folder = encoder_of(data), folder
        self.reading = HistoryFeatures(
            settings.history,
            data.schema.rating_range,
            settings.gaps,
            CLOCK if settings.clock else None,
        )
        self.tower = HistoryTower(self.encoder, settings, self.reading)
        shake(self.tower)
        write_weights(folder, "user", tower_weights(self.tower))
        rng = np.random.default_rng(0)
        items = rng.normal(size=(20, settings.dim)).astype(np.float32)
        self.items = items / np.linalg.norm(items, axis=1, keepdims=True)
        # Empty ones, of one item, of every length up to more than is read; some times not known.
        lengths = [0, 1, LENGTH, LENGTH + 3, *rng.integers(0, LENGTH + 3, 20), 0]
        self.histories = []
        for length in lengths:
            times = np.sort(rng.uniform(-1e5, 1.1e6, length))
            times[rng.random(length) < 0.1] = np.nan
            rated = rng.uniform(0, 10, length)
            rated[rng.random(length) < 0.1] = np.nan
            self.histories.append(History.of(rng.integers(0, 20, length), rated, times))
        ids = [None, *data.users.ids[: len(lengths) - 1]]
        columns = {n: [c[0], *c[: len(lengths) - 1]] for n, c in data.users.columns.items()}
        for number, column in enumerate(columns.values()):
            column[number + 2] = None
        self.features = self.encoder.encode("user", ids, columns)
        self.now = np.where(rng.random(len(lengths)) < 0.2, np.nan, 1.2e6)

    def open(self) -> HistoryRunner:
        read = self.items, self.reading
        return HistoryRunner(self.folder, self.encoder, manifest_of(self.recipe), *read)

    def wanted(self, now: np.ndarray | None) -> np.ndarray:
        """What Paddle's tower answers, everyone's history padded to the longest."""
        who = self.encoder.schema.id("user").name
        profile = [values for name, values in self.features.items() if name != who]
        return tower_vectors(
            self.tower, [*profile, *self.reading.pack(self.histories, self.items, now)]
        )


@pytest.mark.parametrize("clock", [False, True], ids=["", "clock"])
@pytest.mark.parametrize("gaps", [False, True], ids=["", "gaps"])
@pytest.mark.parametrize(
    "widths",
    [
        {},
        {"blocks": 1},
        {"blocks": 3, "heads": 4, "feed_forward": 1},
        {"heads": 1, "history": 1},
        {"heads": SMALL.dim, "history": 5},
    ],
    ids=["small", "one block", "three blocks", "a history of one", "narrow heads"],
)
@pytest.mark.parametrize("made", [library, checkerboard])
def test_a_tower_of_histories_answers_as_paddles(tmp_path, made, widths, gaps, clock):
    case = Case(tmp_path, made(), gaps=gaps, clock=clock, **widths)
    runner = case.open()
    for now in (None, case.now):
        wanted = case.wanted(now)
        found = runner.vectors_after(case.features, case.histories, now)
        assert found.dtype == np.float32
        assert np.abs(found - wanted).max() < 5e-6
        assert np.ptp(wanted, axis=0).min() > 1e-2, "the vectors do not differ"


@pytest.mark.parametrize("tokens", [1, 14, 40, 10_000])
def test_in_whatever_groups_histories_pass_their_vectors_are_the_same(
    tmp_path, monkeypatch, tokens
):
    case = Case(tmp_path, library(), gaps=True, clock=True)
    runner, wanted = case.open(), case.wanted(case.now)
    monkeypatch.setattr(towers, "TOKENS", tokens)
    found = runner.vectors_after(case.features, case.histories, case.now)
    assert np.abs(found - wanted).max() < 5e-6
    groups = list(runner._groups([len(history) for history in case.histories]))
    assert sorted(np.concatenate(groups)) == list(range(len(case.histories)))
    read = np.minimum([len(history) for history in case.histories], LENGTH) + 1
    for group in groups:
        assert len(group) == 1 or len(group) * read[group].max() <= tokens


def test_asking_changes_neither_weights_nor_items(tmp_path):
    case = Case(tmp_path, library(), gaps=True, clock=True)
    runner, items = case.open(), case.items.copy()
    first = runner.vectors_after(case.features, case.histories, case.now)
    assert np.array_equal(first, runner.vectors_after(case.features, case.histories, case.now))
    assert np.array_equal(items, case.items)
    assert len(runner.vectors_after({n: x[:0] for n, x in case.features.items()}, [])) == 0


@pytest.mark.filterwarnings("error")
def test_extreme_weights_give_vectors_of_length_one_and_no_warning(tmp_path):
    case = Case(tmp_path, library())
    held = {name: 100 * array for name, array in tower_weights(case.tower).items()}
    write_weights(tmp_path, "user", held)
    found = case.open().vectors_after(case.features, case.histories)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("row", [-1, 10**6])
def test_a_row_out_of_range_is_refused(tmp_path, row):
    case = Case(tmp_path, library())
    for name in ("town", "about"):
        changed = case.features[name].copy()
        changed.flat[-1] = row
        with pytest.raises(ArtifactError, match=f"{name}: a row number lies outside"):
            case.open().vectors_after(case.features | {name: changed}, case.histories)


# --- weights that are not theirs ------------------------------------------------------------------


def without(name: str) -> Callable[[Weights], Weights]:
    return lambda weights: {n: x for n, x in weights.items() if n != name}


def put(name: str, make: Callable[[np.ndarray], np.ndarray]) -> Callable[[Weights], Weights]:
    return lambda weights: weights | {name: make(weights.get(name, np.zeros(3, np.float32)))}


def one(value: float) -> Callable[[np.ndarray], np.ndarray]:
    """Sets an array's last number."""

    def changed(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array.flat[-1] = value
        return array

    return changed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("blocks.1.answer.weight"), r"lacks blocks\.1\.answer\.weight"),
        (without("profile.branches.0.embedding.weight"), "lacks profile"),
        (without("norm.bias"), r"lacks norm\.bias"),
        (put("blocks.2.bias", lambda x: x), r"its tower does not have: blocks\.2\.bias"),
        (put("blocks.0.gap", lambda x: x), r"its tower does not have: blocks\.0\.gap"),
        (
            put("out.weight", lambda x: x[:, 1:].copy()),
            r"out\.weight is \[16, 15\], not \[16, 16\]",
        ),
        (put("out.bias", lambda x: x[:1].copy()), r"out\.bias is \[1\], not \[16\]"),
        (put("rating.weight", lambda x: x[None]), "rating.weight is"),
        (put("blocks.0.bias", lambda x: x[:, 1:].copy()), r"bias is \[2, 12\], not \[2, 13\]"),
        (put("profile.branches.0.embedding.weight", lambda x: x[1:].copy()), "embedding.weight is"),
        (put("item.bias", lambda x: x.astype(np.float64)), "item.bias is not of finite float32"),
        (put("item.bias", lambda x: x.astype(np.int32)), "item.bias is not of finite float32"),
        (put("item.bias", one(np.nan)), "item.bias is not of finite float32"),
        (put("rating.weight", one(-np.inf)), "rating.weight is not of finite float32"),
        (lambda _: {}, "lacks"),
    ],
)
def test_weights_of_another_tower_are_refused(tmp_path, change, words):
    case = Case(tmp_path, library())
    path = weights_file(tmp_path, "user")
    save_file(change(load_file(path)), path)
    with pytest.raises(ArtifactError, match=words) as caught:
        case.open()
    assert "train again" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"{}", b"\x80" * 500, None])
def test_a_file_that_is_no_safetensors_is_an_artifact_error(tmp_path, content):
    case = Case(tmp_path, library())
    path = weights_file(tmp_path, "user")
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"user_tower\.safetensors cannot be read") as caught:
        case.open()
    assert caught.value.hint


@pytest.mark.parametrize(
    "said",
    [
        {"model": "another", "recipe": manifest_of(Recipe())["recipe"]},
        {"model": "fusion", "recipe": {}},
        {"model": "fusion", "recipe": None},
        {"model": "fusion", "recipe": {"model": 3}},
        {"model": "fusion", "recipe": {"model": {"widht": 3}}},
        {"model": "fusion", "recipe": {"model": {"dim": 0}}},
        {"model": "sequence", "recipe": {"model": {"heads": 3}}},
    ],
)
def test_a_recipe_that_is_not_known_is_an_artifact_error(tmp_path, said: Mapping[str, Any]):
    encoder = encoder_of(library())
    write_weights(tmp_path, "item", tower_weights(Tower(encoder, "item", SMALL)))
    with pytest.raises(ArtifactError, match="recipe is not of a model of this") as caught:
        TowerRunner(tmp_path, "item", encoder, said)
    assert caught.value.hint


def test_a_tower_of_other_items_or_of_another_model_is_refused(tmp_path):
    case = Case(tmp_path, library())
    case.items = case.items[:, 1:]
    with pytest.raises(ArtifactError, match="not of a tower that reads histories"):
        case.open()
    wrong = manifest_of(Recipe(FusionSettings()))
    with pytest.raises(ArtifactError, match="not of a tower that reads histories"):
        HistoryRunner(tmp_path, case.encoder, wrong, case.items, case.reading)
    longer = replace(case.reading, length=LENGTH + 1)
    case = Case(tmp_path, library())
    case.reading = longer
    with pytest.raises(ArtifactError, match=r"bias is \[2, 13\], not \[2, 14\]"):
        case.open()
