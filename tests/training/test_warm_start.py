"""Training that begins with a version's weights, on data that has grown since."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from builders import auto_recipe, recipe, sequence_recipe
from fusionrec import api
from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Field, Schema
from fusionrec.data.splits import random_split
from fusionrec.errors import TrainingError, UsageError
from fusionrec.evaluation.model_source import TrainedVersion
from fusionrec.features.encoder import Encoder
from fusionrec.features.vocabulary import Vocabulary
from fusionrec.models.presets import AnyRecipe, LinearRecipe
from fusionrec.registry import Artifact
from fusionrec.training import blend_train, job, loop, networks
from fusionrec.training.fusion_trainer import FusionTrainer
from fusionrec.training.sequence_trainer import SequenceTrainer
from fusionrec.training.start_weights import _of_field
from fusionrec.training.train import has_checkpoint, train
from fusionrec.training.warm_start import WarmStart
from fusionrec.training.weighing import Weighed
from fusionrec.workspace import Workspace

NETWORK = {"fusion": recipe(epochs=3), "sequence": sequence_recipe(epochs=3, validation=0.9)}
AUTO = auto_recipe(minutes=0.0)


def before(data: Dataset) -> Dataset:
    """The data as it was: fewer users and items, at other positions, and fewer interactions."""
    users, items = np.arange(len(data.users) - 5)[::-1], np.arange(len(data.items) - 3)[::-1]
    place = [np.full(len(table), -1) for table in (data.users, data.items)]
    place[0][users], place[1][items] = np.arange(len(users)), np.arange(len(items))
    user, item = place[0][data.user], place[1][data.item]
    assert data.time is not None
    kept = np.flatnonzero((user >= 0) & (item >= 0) & (data.time < np.quantile(data.time, 0.8)))
    return replace(
        data,
        users=data.users.take(users),
        items=data.items.take(items),
        user=user[kept].astype(data.user.dtype),
        item=item[kept].astype(data.item.dtype),
        rating=data.rating[kept],
        time=data.time[kept],
    )


@pytest.fixture(scope="module")
def former(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    """A version of each model, of the data as it was."""
    made: dict[str, AnyRecipe] = {**NETWORK, "auto": AUTO}
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blend_train, "choose_weights", counting_the_network)
        for name, one in made.items():
            home = Workspace(tmp_path_factory.mktemp(name))
            found[name] = train(before(dataset), one, home)
    return found


def counting_the_network(board: Any) -> Weighed:
    network = {"sequence": 0.5} if "sequence" in board.names else {}
    return Weighed({"next": 1.0, "profile": 0.2, **network}, 0.1, {}, 40)


def rows_of(data: Dataset) -> np.ndarray:
    return np.arange(len(data))


def trainer_of(data: Dataset, name: str, former: dict[str, Artifact]) -> Any:
    start = WarmStart.of(former[name], data, rows_of(data), NETWORK[name])
    kind = FusionTrainer if name == "fusion" else SequenceTrainer
    return kind(data, rows_of(data), NETWORK[name], start=start)


@pytest.mark.parametrize("name", NETWORK)
def test_what_was_known_begins_where_it_was(name, dataset, former):
    trainer, was = trainer_of(dataset, name, former), former[name]
    positions = dataset.items.positions()
    # Titles have words that are new, and buckets and means move with the data: so the ids' rows.
    field = dataset.schema.id("item")
    rows = trainer.encoder.vocabularies[field.name].rows()
    old = was.encoder.vocabularies[field.name].rows()
    number = dataset.schema.side("item").index(field)
    now = trainer.network.item.branches[number].embedding.weight.numpy()
    from fusionrec.registry.weights import Weights

    saved = Weights(was.folder, "item").rest()[f"branches.{number}.embedding.weight"]
    assert set(old) < set(rows) <= set(positions)
    for outside, row in rows.items():
        assert_array_equal(now[row], saved[old.get(outside, 0)], outside)


@pytest.mark.parametrize("name", NETWORK)
def test_without_learning_known_users_have_the_vectors_that_they_had(
    name, dataset, former, monkeypatch, tmp_path
):
    """By outside id, whatever position user and vocabulary have now."""
    monkeypatch.setattr(loop, "RATE", 0.0)
    made = train(dataset, NETWORK[name], Workspace(tmp_path), start=former[name])
    was = former[name]
    ids = [one for one in was.users.ids if one in set(was.encoder.vocabularies["user_id"].values)]
    columns = was.users.take(np.array([was.user_positions[one] for one in ids])).columns
    histories = None
    if name == "sequence":
        histories = [was.histories.of(was.user_positions[one]).take(slice(0)) for one in ids]
    vectors = [one.vectors_of(ids, columns, histories) for one in (was, made)]
    assert_allclose(*vectors, atol=1e-5)
    assert made.manifest["start"] == {
        "version": "v1",
        "checksum": was.checksum,
        "new": len(dataset) - len(before(dataset)),
        "forgotten": 0,
    }


@pytest.mark.parametrize("name", NETWORK)
def test_only_what_the_version_has_not_learned_from_is_held_out(name, dataset, former):
    trainer = trainer_of(dataset, name, former)
    assert len(trainer.holdout)
    assert trainer.start.new[trainer.holdout].all()
    assert set(trainer.rows) | set(trainer.holdout) == set(rows_of(dataset))
    learners = trainer.learners()
    assert set(dataset.user[trainer.start.new]) <= set(learners)


def test_new_interactions_are_told_by_rating_and_time_too(dataset, former):
    assert dataset.time is not None
    known = before(dataset)
    known = replace(known, rating=known.rating.copy(), time=known.time.copy())
    known.rating[3], known.time[7] = 6 - known.rating[3] + (known.rating[3] == 3), 5
    start = WarmStart.of(former["fusion"], known, rows_of(known), NETWORK["fusion"])
    assert_array_equal(np.flatnonzero(start.new), [3, 7])
    assert start.forgotten == 2


# --- a model with parts ---------------------------------------------------------------------------


def test_the_network_of_parts_is_judged_on_new_interactions_alone(
    dataset, former, monkeypatch, tmp_path
):
    monkeypatch.setattr(blend_train, "choose_weights", counting_the_network)
    held: list[np.ndarray] = []
    first = networks.Networks._fit

    def noted(self: Any, rows: np.ndarray, *a: Any, **b: Any) -> Any:
        held.append(rows)
        return first(self, rows, *a, **b)

    monkeypatch.setattr(networks.Networks, "_fit", noted)
    made = train(dataset, AUTO, Workspace(tmp_path), start=former["auto"])
    start = WarmStart.of(former["auto"], dataset, rows_of(dataset), AUTO)
    assert len(held[0])
    assert start.new[held[0]].all()
    assert made.manifest["start"]["version"] == "v1"
    assert made.network_part is not None


def test_with_too_few_to_be_asked_weights_are_as_before(dataset, former, monkeypatch, tmp_path):
    """And no figure is given."""
    monkeypatch.setattr(job, "FEWEST_USERS", 1000)
    said: list[str] = []
    made = train(dataset, AUTO, Workspace(tmp_path), start=former["auto"], log=said.append)
    weights = made.manifest["blend"]["weights"]["next"]
    assert weights == former["auto"].manifest["blend"]["weights"]["next"]
    assert weights["sequence"] == 0.5
    assert made.manifest["chosen"]["next"]["figure"] is None
    assert any("weights as of v1" in line for line in said)


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        ("fusion", NETWORK["sequence"], "v1 is of model fusion, and sequence cannot"),
        ("fusion", recipe().change({"model.dim": "24"}), "model.dim is 16 there and 24 here"),
        (
            "sequence",
            sequence_recipe().change({"model.tower.id_width": "4"}),
            r"model.tower.id_width is 16 there and 4 here",
        ),
        ("auto", LinearRecipe(AUTO.model, AUTO.linear), "v1 is of model auto, and linear cannot"),
    ],
)
def test_another_model_or_width_is_refused(name, asked, said, dataset, former, tmp_path):
    with pytest.raises(TrainingError, match=said) as error:
        train(dataset, asked, Workspace(tmp_path), start=former[name])
    assert error.value.hint


def test_a_version_without_a_network_is_refused(dataset, parted, tmp_path):
    asked = LinearRecipe(AUTO.model, AUTO.linear)
    with pytest.raises(TrainingError, match="v1 has no network to begin with"):
        train(dataset, asked, Workspace(tmp_path), start=parted)


def test_another_schema_is_refused_by_the_fields_names(dataset, former, tmp_path):
    fields = [f for f in dataset.schema.fields if f.name != "genres"]
    other = [*fields, Field("price", "item", "number")]
    items = dict(dataset.items.columns)
    items.pop("genres")
    items["price"] = [1.0] * len(dataset.items)
    data = replace(
        dataset,
        schema=replace(dataset.schema, fields=tuple(other)),
        items=replace(dataset.items, columns=items),
    )
    with pytest.raises(TrainingError, match="genres is missing here; price is new here"):
        train(data, NETWORK["fusion"], Workspace(tmp_path), start=former["fusion"])


def test_nothing_new_is_refused(dataset, former, tmp_path):
    known = before(dataset)
    with pytest.raises(TrainingError, match=f"learned from all {len(known):,} interactions"):
        train(known, NETWORK["fusion"], Workspace(tmp_path), start=former["fusion"])


def test_what_is_no_longer_in_the_data_is_told(dataset, former, tmp_path):
    said: list[str] = []
    rows = np.flatnonzero(dataset.time >= np.quantile(dataset.time, 0.3))
    train(
        dataset, NETWORK["fusion"], Workspace(tmp_path), rows=rows, start=former["fusion"],
        log=said.append,
    )  # fmt: skip
    assert any("that it has learned from are not in the data any more" in line for line in said)


def test_a_split_that_hides_what_the_version_has_seen_is_refused(dataset, former, tmp_path):
    rows, part = rows_of(dataset)[::2], {"protocol": "next-item", "split": "last"}
    with pytest.raises(UsageError, match=r"has learned from .* not among this split's"):
        train(
            dataset, NETWORK["fusion"], Workspace(tmp_path), rows=rows, part=part,
            start=former["fusion"],
        )  # fmt: skip


def test_a_version_that_began_with_one_that_saw_more_is_not_measured(dataset, former, tmp_path):
    split = random_split(dataset, 0.2, 0)
    made = train(
        dataset, NETWORK["fusion"], Workspace(tmp_path), rows=split.train, start=former["fusion"]
    )
    with pytest.raises(UsageError, match="v1 began with v1, which has learned from"):
        TrainedVersion(made).check(dataset, split)


# --- checkpoints, and the version's own settings --------------------------------------------------


def test_a_checkpoint_is_of_one_start(dataset, former, tmp_path):
    home, asked = Workspace(tmp_path), NETWORK["fusion"]

    def stop(state: Any) -> None:
        if state.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(dataset, asked, home, stop, start=former["fusion"])
    assert has_checkpoint(home, dataset, asked, start=former["fusion"])
    assert not has_checkpoint(home, dataset, asked)
    resumed = train(dataset, asked, home, start=former["fusion"], resume=True)
    unbroken = train(dataset, asked, Workspace(tmp_path / "other"), start=former["fusion"])
    assert_array_equal(resumed.item_vectors, unbroken.item_vectors)


def test_the_versions_own_settings_hold(dataset, former, tmp_path):
    home = former["fusion"].folder.parent.parent
    made = api.train(dataset, home=home, start="v1")
    assert made.artifact.manifest["recipe"] == former["fusion"].manifest["recipe"]
    assert made.artifact.manifest["start"]["version"] == "v1"
    with pytest.raises(TrainingError, match="network differs"):
        api.train(dataset, "fusion", "quick", home=Path(home), start="v1")


# --- one field's rows -----------------------------------------------------------------------------

WORDS = Vocabulary(("a", "b"), length=3)


def of_field(field: Field, was: Vocabulary, now: Vocabulary, former: np.ndarray) -> np.ndarray:
    schema = Schema("s", (Field("u", "user", "id"), Field("i", "item", "id"), field), (1.0, 5.0))
    others = {"u": Vocabulary(), "i": Vocabulary()}
    was_by, now_by = (Encoder(schema, {**others, field.name: one}) for one in (was, now))
    return _of_field(field, was_by, now_by, former)


@pytest.mark.parametrize(
    ("field", "was", "now", "rows"),
    [
        (Field("x", "item", "category"), Vocabulary(("a", "b")), Vocabulary(("0", "b")), [0, 0, 2]),
        (Field("x", "item", "text"), WORDS, Vocabulary(("b", "c")), [0, 1, 3, 1]),
        (
            Field("x", "item", "number", buckets=True),
            Vocabulary(edges=(1.0, 5.0, 9.0)),
            Vocabulary(edges=(0.0, 4.0, 6.0, 20.0)),
            [0, 1, 1, 2, 3],
        ),
    ],
)
def test_a_row_is_found_by_its_value(field, was, now, rows):
    former = np.arange(10.0, 10 + was.size + (field.kind == "text"), dtype=np.float32)[:, None]
    assert_array_equal(of_field(field, was, now, former), former[rows])


def test_a_number_weighs_what_it_weighed():
    was, now = Vocabulary(mean=10.0, std=2.0), Vocabulary(mean=13.0, std=4.0)
    former = np.array([[3.0], [5.0]], dtype=np.float32)
    found = of_field(Field("x", "item", "number"), was, now, former)
    for value in (4.0, 13.0, 20.0):
        inputs = [np.array([(value - one.mean) / one.std, 1.0]) for one in (was, now)]
        assert_allclose(inputs[1] @ found, inputs[0] @ former)


def test_a_new_one_of_several_categories_adds_nothing():
    former = np.arange(1.0, 4.0, dtype=np.float32)[:, None]
    field = Field("x", "item", "categories")
    found = of_field(field, Vocabulary(("a", "b")), Vocabulary(("a", "new")), former)
    assert_array_equal(found, [[1.0], [2.0], [0.0]])
