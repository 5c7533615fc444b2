"""The presets of each model, and what is the default where."""

from __future__ import annotations

import inspect

import pytest

import fusionrec
from fusionrec import api
from fusionrec.cli.training_options import read_recipe
from fusionrec.errors import UsageError
from fusionrec.models.presets import AUTO, PRESETS, preset_recipe


@pytest.mark.parametrize("model", PRESETS)
def test_the_default_preset_is_default_where_there_is_one_else_full(model):
    expected = {"auto": "default"}.get(model, "full")
    assert preset_recipe(model) == read_recipe(model, None, ()) == PRESETS[model][expected]


def test_auto_has_a_minute_half_an_hour_or_no_limit():
    assert {name: made.training.minutes for name, made in AUTO.items()} == {
        "quick": 1.0,
        "default": 30.0,
        "full": 0.0,
    }


def test_python_trains_auto_quickly_by_default():
    defaults = inspect.signature(fusionrec.evaluate).parameters
    assert (defaults["model"].default, defaults["preset"].default) == ("auto", "quick")
    defaults = inspect.signature(fusionrec.train).parameters
    assert (defaults["model"].default, defaults["preset"].default) == (None, None)
    assert api._recipe(None, None, None) == preset_recipe("auto", "quick")


def test_minutes_passes_and_seed_win_over_set():
    given = ["training.minutes=3", "training.passes=4", "training.seed=5"]
    made = read_recipe("auto", "quick", given, seed=8, minutes=6.5, passes=7)
    assert (made.training.minutes, made.training.passes, made.training.seed) == (6.5, 7, 8)
    assert made.sequence.training.seed == 8
    kept = read_recipe("auto", "quick", given)
    assert (kept.training.minutes, kept.training.passes, kept.training.seed) == (3.0, 4, 5)


def test_a_preset_of_another_model_is_refused_and_the_model_told():
    with pytest.raises(UsageError, match="auto has the presets quick, default, full") as refused:
        preset_recipe("auto", "fast")
    assert refused.value.hint is None
    with pytest.raises(UsageError, match="fusion has the presets quick, full, got") as refused:
        preset_recipe("fusion", "default")
    assert refused.value.hint == "default is a preset of model auto"


@pytest.mark.parametrize("model", PRESETS)
@pytest.mark.parametrize("gone", ["stars", "strangers"])
def test_a_preset_that_is_gone_names_what_to_take(model, gone):
    with pytest.raises(UsageError, match=f"model {model} has the presets .*, got '{gone}'") as said:
        preset_recipe(model, gone)
    assert (
        said.value.hint
        == f"{gone} is gone: any preset of auto, the default model, does what it did"
    )
