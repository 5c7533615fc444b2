"""Settings: unknown keys, wrong types, ranges, round trips; and where the workspace is."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from fusionrec.config import settings_table
from fusionrec.errors import ConfigError
from fusionrec.models.presets import FUSION, FusionSettings, Recipe, TrainingSettings
from fusionrec.workspace import Workspace


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ({"training": {"epoch": 3}}, "training.epochs"),
        ({"training": {"learningrate": 3}}, "training.learning_rate"),
        ({"trainig": {"epochs": 3}}, "training"),
        ({"model": {"dims": 3}}, "model.dim"),
        ({"epochs": 3}, "training.epochs"),
    ],
)
def test_an_unknown_setting_is_an_error_that_names_the_nearest(given, near):
    with pytest.raises(ConfigError, match="unknown setting") as caught:
        Recipe.from_dict(given)
    assert caught.value.hint == f"did you mean {near}?"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("training.epochs", "many"),
        ("training.epochs", "2.5"),
        ("training.epochs", "true"),
        ("training.learning_rate", "[0.1]"),
        ("training.learning_rate", "false"),
        ("model.windows", "3"),
        ("model.windows", '["a"]'),
        ("model.activation", "1"),
        ("model", "3"),
        ("training.epochs.more", "3"),
        ("training.epochs", "]"),
    ],
)
def test_a_value_of_the_wrong_type_is_an_error_that_names_the_setting(path, value):
    with pytest.raises(ConfigError, match=path.removesuffix(".more")):
        Recipe().change({path: value})


RANGES = {
    TrainingSettings: """
        epochs=0 batch=0 patience=0 seed=-1 threads=-1 user_id_dropout=1.0 item_id_dropout=1.0
        squared=-1.0 attribute_dropout=-0.1 validation=1.0
        learning_rate=0.0 learning_rate=nan learning_rate=inf temperature=-1.0 weight_decay=-1.0
        ranking=nan checkpoint_seconds=0.0
    """,
    FusionSettings: 'dim=0 id_width=10_000 windows=[] windows=[0] activation="gelu" dropout=1.0',
}


@pytest.mark.parametrize(
    ("settings", "change"),
    [(settings, change) for settings, changes in RANGES.items() for change in changes.split()],
    ids=lambda given: given if isinstance(given, str) else given.__name__,
)
def test_settings_have_ranges(settings, change):
    name, _, value = change.partition("=")
    with pytest.raises(ConfigError, match=name):
        settings().change({name: value})


def test_a_training_without_an_objective_is_refused():
    with pytest.raises(ConfigError, match="squared"):
        TrainingSettings(squared=0.0, validation=0.0, ranking=0.0, exposure=0.0)


@pytest.mark.parametrize("recipe", [*FUSION.values(), Recipe(FusionSettings(windows=(2, 5)))])
def test_settings_come_back_equal_from_json(recipe):
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_what_is_left_out_keeps_its_default():
    assert Recipe.from_dict({"training": {"seed": 3}}).training == TrainingSettings(seed=3)


def test_change_reads_toml_and_bare_words_and_leaves_the_original_alone():
    before = Recipe()
    after = before.change(
        {
            "training.epochs": "7",
            "training.learning_rate": "1e-2",
            "training.weight_decay": "3",
            "model.windows": "[2, 5]",
            "model.activation": "relu",
        }
    )
    assert (after.training.epochs, after.training.learning_rate) == (7, 0.01)
    assert after.training.weight_decay == 3.0
    assert (after.model.windows, after.model.activation) == ((2, 5), "relu")
    assert before == Recipe()


def test_the_workspace_is_the_argument_then_the_environment_then_the_default(monkeypatch):
    monkeypatch.setenv("FUSIONREC_HOME", "/from/environment")
    assert Workspace.find("/given").home == Path("/given")
    assert Workspace.find().home == Path("/from/environment")
    monkeypatch.delenv("FUSIONREC_HOME")
    assert Workspace.find().home == Path(".fusionrec")


@pytest.mark.parametrize(
    "text",
    [
        ".".join(["a"] * 20_000) + " = 1\n",
        "x = " + "[" * 100_000 + "]" * 100_000,
        "[service]\nport = " + "9" * 5_000,
        "#" * (1 << 21),
        "\0",
    ],
    ids=["key", "deep", "digits", "large", "nul"],
)
def test_a_settings_file_that_takes_long_to_read_is_refused_at_once(tmp_path, text):
    file = tmp_path / "settings.toml"
    file.write_text(text)
    began = time.monotonic()
    with pytest.raises(ConfigError, match="cannot be read as TOML"):
        settings_table(file, "service")
    assert time.monotonic() - began < 1
    with pytest.raises(ConfigError) as refused:
        Recipe().change({"training.epochs": text})
    assert len(refused.value.message) < 400
