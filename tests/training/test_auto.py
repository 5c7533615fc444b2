"""Model ``auto``: parts with and without a network, how long it takes, and the same again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from builders import checkerboard, sequence_recipe, walks
from fusionrec.data.dataset import Dataset
from fusionrec.data.samples.movielens import synthetic
from fusionrec.errors import ConfigError
from fusionrec.features.history import History
from fusionrec.models.linear_settings import AutoRecipe
from fusionrec.models.presets import PRESETS
from fusionrec.recommend.query import Query, Rated
from fusionrec.registry import Artifact
from fusionrec.training import blend_train, network_part, networks
from fusionrec.training.network_part import Network
from fusionrec.training.progress import TrainingState, stable_rate
from fusionrec.training.sequence_trainer import SequenceTrainer
from fusionrec.training.train import has_checkpoint, train
from fusionrec.training.weighing import Board, Weighed
from fusionrec.workspace import Workspace
from swap_stress import exact

SMALL = {
    "small.model.tower.id_width": "8",
    "small.model.tower.category_width": "4",
    "small.model.tower.word_width": "4",
    "small.model.tower.filters": "4",
    "small.model.tower.dim": "8",
    "small.model.blocks": "1",
    "small.model.history": "8",
    "small.training.threads": "1",
    "linear.ridges": "[100.0]",
    "linear.halvings": "[2.0]",
    "linear.weakest": "[]",
    "model.dims": "[8]",
    "model.stars": "false",
}
RECIPE = PRESETS["auto"]["quick"].change(SMALL)


@dataclass
class Fits:
    """The networks that were trained, and the rows each was kept from."""

    networks: list[Network | None] = field(default_factory=list)
    held: list[np.ndarray] = field(default_factory=list)
    rows: list[np.ndarray] = field(default_factory=list)


@dataclass(frozen=True)
class Trained:
    artifact: Artifact
    fits: Fits
    said: str


@pytest.fixture(scope="module")
def data() -> Dataset:
    return synthetic(seed=1, users=60, items=40, interactions=900)


def with_network(choose: Callable[[Board], Weighed]) -> Callable[[Board], Weighed]:
    """As it chooses weights, but the network counts wherever it may."""

    def call(board: Board) -> Weighed:
        found = choose(board)
        network = {"sequence": 0.5} if "sequence" in board.names else {}
        return replace(found, weights={"next": 0.7, **found.weights, **network})

    return call


@pytest.fixture(scope="module")
def fit(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Trains on ``data`` with some settings, in a workspace of its own."""

    def call(recipe: AutoRecipe = RECIPE, few_held: float = 0.0, **training: Any) -> Trained:
        recipe = recipe.change({f"training.{name}": str(x) for name, x in training.items()})
        fits, said, first = Fits(), [], network_part.fit_network

        def noted(data: Dataset, rows: np.ndarray, held: np.ndarray, *a: Any, **b: Any) -> Any:
            fits.rows.append(rows)
            fits.held.append(held)
            fits.networks.append(first(data, rows, held, *a, **b))
            return fits.networks[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(network_part, "fit_network", noted)
            patch.setattr(network_part, "LEAST_STEPS", 1)
            patch.setattr(networks, "FEW_HELD", few_held)
            patch.setattr(blend_train, "choose_weights", with_network(blend_train.choose_weights))
            home = Workspace(tmp_path_factory.mktemp("auto"))
            artifact = train(data, recipe, home, log=said.append)
        return Trained(Artifact.load(artifact.folder), fits, "\n".join(said))

    return call


@pytest.fixture(scope="module")
def two_passes(fit: Any) -> Trained:
    return fit(passes=2, minutes=30.0)


# --- what is published ----------------------------------------------------------------------------


def only_network(artifact: Artifact) -> Artifact:
    """The same version, whose vectors are the network's alone."""
    blend = {
        **artifact.manifest["blend"],
        "weights": {"next": {"sequence": 1.0}},
        "goal": "next",
        "newcomers": {"next": "profile"},
    }
    return Artifact(artifact.folder, {**artifact.manifest, "blend": blend}, artifact.encoder)


def test_numpy_makes_the_vectors_of_the_network_that_was_trained(two_passes, data):
    artifact, network = two_passes.artifact, two_passes.fits.networks[-1]
    alone = only_network(artifact)
    span = alone.user_tower.spans["sequence"]
    own = artifact.item_vectors[:, span]
    scale = np.linalg.norm(own[0])
    assert_allclose(own / scale, network.part.items, atol=1e-5)
    users = np.arange(0, 60, 7)
    people = data.users.take(users)
    histories = [artifact.histories.of(int(user)) for user in users]
    found = alone.vectors_of([None] * len(users), people.columns, histories)
    assert_allclose(found[:, span], network.part.vectors(users), atol=1e-4)
    assert not np.delete(found, np.arange(span.start, span.stop), axis=1).any()


def test_a_version_with_a_network_answers_and_tells_of_it(two_passes):
    artifact = two_passes.artifact
    blend = artifact.manifest["blend"]
    assert blend["weights"]["next"]["sequence"] == 0.5
    assert not any("sequence" in blend["weights"][goal] for goal in ("later", "taste"))
    assert_allclose(np.linalg.norm(artifact.user_vectors, axis=1), 1.0, atol=1e-5)
    training = artifact.manifest["training"]
    assert training["passes"] == 2
    assert 1 <= training["best_epoch"] <= 2
    assert len(training["epochs"]) == 2
    recommender = exact(artifact)
    for goal in blend["weights"]:
        assert len(recommender.recommend(Query(artifact.users.ids[3], goal=goal)).items) == 10


def test_a_new_item_has_a_vector_in_the_networks_part_too(two_passes):
    artifact = two_passes.artifact
    span = only_network(artifact).user_tower.spans["sequence"]
    encoder = artifact.encoder
    columns = {name: [values[5]] for name, values in artifact.items.columns.items()}
    new = artifact.item_tower.vectors(encoder.encode("item", [None], columns))[0]
    lengths = np.linalg.norm(artifact.item_vectors[:, span], axis=1)
    assert_allclose(lengths, lengths[0], rtol=1e-4)
    if np.linalg.norm(new) < 0.999:  # else the whole vector was made shorter
        assert np.linalg.norm(new[span]) == pytest.approx(lengths[0], rel=1e-3)
    known = artifact.item_tower.vectors(encoder.encode("item", artifact.items.ids[5:6], columns))
    assert_array_equal(known[0], artifact.item_vectors[5])


def test_somebody_without_a_history_has_no_vector_in_the_networks_part(two_passes):
    artifact = two_passes.artifact
    span = only_network(artifact).user_tower.spans["sequence"]
    both = artifact.vectors_of([None] * 2, {}, [History.of(), History.of([3, 5])], goal="next")
    assert not both[0, span].any()
    assert both[1, span].any()


def test_a_version_whose_network_reads_the_clock_reads_it(fit):
    artifact = fit(RECIPE.change({"small.model.clock": "true"}), passes=1).artifact
    assert artifact.reads_clock
    clock = artifact.manifest["history"]["clock"]
    asked = ([None], {}, [History.of([3, 5], times=[clock["first"]] * 2)])
    times = clock["first"] + 1, clock["last"]
    soon, late = (artifact.vectors_of(*asked, np.array([now]), goal="next") for now in times)
    assert np.abs(soon - late).max() > 1e-3


# --- what is held out -----------------------------------------------------------------------------


def test_the_network_that_is_published_has_seen_what_was_held_out(two_passes, data):
    fits = two_passes.fits
    assert len(fits.held[0]) == len(np.unique(data.user[fits.held[0]])) > 20
    assert [len(held) for held in fits.held[1:]] == [0]
    for rows in fits.rows:
        assert_array_equal(np.sort(rows), np.arange(len(data)))
    assert "over all rows, held-out ones too" in two_passes.said
    trained, judged = fits.networks[1], fits.networks[0]
    assert len(trained.epochs) == judged.schedule.passes  # as many as were best
    assert trained.schedule == judged.schedule  # with the same learning rates


def test_where_few_rows_are_held_out_the_network_is_not_trained_again(fit, data):
    """Its encoder is that of all parts."""
    found = fit(passes=1, minutes=30.0, few_held=1.0)
    assert len(found.fits.networks) == 1
    assert "held-out ones too" not in found.said
    artifact = found.artifact
    assert "sequence" in artifact.manifest["blend"]["weights"]["next"]
    assert artifact.encoder.vocabularies == found.fits.networks[0].encoder.vocabularies
    known = [artifact.histories.of(user) for user in range(60)]
    again = artifact.vectors_of(data.users.ids, data.users.columns, known)
    assert_array_equal(again, artifact.user_vectors)


# --- how long it takes, and the same again --------------------------------------------------------


def same(one: Trained, other: Trained) -> bool:
    return (one.artifact.folder / "item_vectors.npy").read_bytes() == (
        other.artifact.folder / "item_vectors.npy"
    ).read_bytes()


def test_as_many_passes_and_the_same_seed_give_the_same_bytes(fit, two_passes):
    assert same(fit(passes=2, minutes=30.0), two_passes)
    assert not same(fit(passes=2, minutes=30.0, seed=1), two_passes)


def test_a_training_repeats_by_the_passes_that_its_manifest_tells(fit):
    few = RECIPE.change({"small.training.epochs": "3", "small.training.patience": "1"})
    first = fit(few, minutes=0.0)
    passes = first.artifact.manifest["training"]["passes"]
    assert passes == 3
    assert same(fit(few, minutes=30.0, passes=passes), first)


@pytest.mark.parametrize("phase", [1, 2])
def test_an_interrupted_training_goes_on_to_the_same_bytes(phase, data, tmp_path, monkeypatch):
    """Stopped in the network without the holdout, or in the one that is published."""
    monkeypatch.setattr(network_part, "LEAST_STEPS", 1)
    monkeypatch.setattr(blend_train, "choose_weights", with_network(blend_train.choose_weights))
    few, began = RECIPE.change({"training.passes": "2"}), []

    def stop(state: TrainingState) -> None:
        if (state.epoch, state.step) == (1, 1):
            began.append(state.steps)
        if len(began) == phase and state.epoch == 2:
            raise KeyboardInterrupt

    whole, home = train(data, few, Workspace(tmp_path / "whole")), Workspace(tmp_path / "halves")
    with pytest.raises(KeyboardInterrupt):
        train(data, few, home, stop)
    assert len(began) == phase
    assert has_checkpoint(home, data, few)
    resumed = train(data, few, home, resume=True)
    for name in ("item_vectors.npy", "user_vectors.npy"):
        assert (resumed.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name
    assert not has_checkpoint(home, data, few)


def test_with_too_few_minutes_the_network_is_left_out_and_that_is_said(fit):
    found = fit(minutes=0.0001)
    assert found.fits.networks == [None]
    assert "sequence: left out" in found.said
    assert "--minutes gives more" in found.said
    names = [part["name"] for part in found.artifact.manifest["blend"]["parts"]]
    assert "sequence" not in names
    assert "next" in names
    assert found.artifact.manifest["training"]["epochs"] == []


def test_a_plan_is_what_fits_into_the_time_and_nothing_is_learned_from_it(data):
    recipe = sequence_recipe(epochs=7)
    trainer = SequenceTrainer(data, np.arange(len(data)), recipe)
    before = {name: x.numpy().copy() for name, x in trainer.network.state_dict().items()}
    assert (trainer.plan(0.0), trainer.plan(1e6)) == (0, 7)
    for name, x in trainer.network.state_dict().items():
        assert_array_equal(x.numpy(), before[name], err_msg=name)
    trained = trainer.fit(lambda _: None)
    left_alone = SequenceTrainer(data, np.arange(len(data)), recipe).fit(lambda _: None)
    figures = [[epoch.train for epoch in state.epochs] for state in (trained, left_alone)]
    assert figures[0] == figures[1]


@pytest.mark.parametrize(
    ("figures", "epochs", "kept"),
    [
        ([0.1, 0.2, 0.3, *[0.25] * 20], 7, 3),  # cooling does not help, and ends after as long
        ([0.1, 0.2, 0.3, 0.25, 0.25, 0.4, 0.5, 0.6, *[0.7] * 20], 8, 8),
        ([0.01 * n for n in range(40)], 20, 20),  # it always rises
    ],
)
def test_cooling_begins_when_the_figure_rises_no_more(figures, epochs, kept, data, monkeypatch):
    """After ``patience`` epochs; it takes 0.35 of all epochs then, or ends as early."""
    recipe = sequence_recipe(history=4, blocks=1, epochs=20, batch=2000, patience=2)
    trainer, rates = SequenceTrainer(data, np.arange(len(data)), recipe), {}
    shown = iter(figures)
    monkeypatch.setattr(trainer, "validate", lambda: next(shown))
    trainer.state.cool(20)
    assert (trainer.state.cooling, trainer.state.planned) == (13, 20)

    def note(state: TrainingState) -> None:
        if state.step:
            rates[state.epoch] = trainer.optimizer.get_lr()

    state = trainer.fit(note)
    assert len(state.epochs) == epochs
    assert state.best is not None
    assert state.best.number == kept
    early = epochs < 20
    assert (state.cooling, state.planned) == ((5, 8) if early else (13, 20))
    found = [rates[number] for number in range(2, epochs + 1)]  # a step each
    wanted = [stable_rate(0.01, n, state.cooling, state.planned) for n in range(1, epochs)]
    assert found == pytest.approx(wanted)
    assert found[state.cooling - 1] == pytest.approx(0.01)
    assert found[-1] < 0.008


# --- bad data -------------------------------------------------------------------------------------

BAD = {
    "one user": walks([0, 1, 2, 3]),
    "nobody has three": walks([0, 1], [1, 2], [2, 3], [3, 0]),
    "everything taken by everybody": walks(*[[0, 1, 2, 3]] * 30),
    "equal times": walks(*[[n % 5, (n + 1) % 5, 5] for n in range(30)], same_time=True),
    "no times": checkerboard(),
    "taken again": walks(*[[n % 5, n % 3, (n + 1) % 5, n % 3] for n in range(30)], repeats=True),
}


@pytest.mark.parametrize("name", BAD)
def test_little_data_gives_a_version_that_answers(name, tmp_path):
    few = RECIPE.change({"training.passes": "1", "model.dims": "[4]"})
    artifact = train(BAD[name], few, Workspace(tmp_path))
    assert np.isfinite(artifact.item_vectors).all()
    assert np.isfinite(artifact.user_vectors).all()
    for query in (Query(user="u0", seen=True), Query(history=[Rated("i0")]), Query()):
        assert len(exact(artifact).recommend(query).items) >= 1


# --- settings -------------------------------------------------------------------------------------


def test_a_seed_is_that_of_all_parts():
    made = RECIPE.change({"training.seed": "7"})
    seeds = [made.linear.seed, made.small.training.seed, made.sequence.training.seed]
    assert seeds == [7, 7, 7]


def test_few_rows_take_the_small_network_smaller_minibatches_and_more_passes():
    default = PRESETS["auto"]["default"]
    assert default.suited(10_000).sequence == default.small
    assert default.suited(300_000).sequence == default.sequence
    few, many = (
        network_part.suited(default.small, rows, timed=rows < 10_000) for rows in (1_000, 100_000)
    )
    assert few.training.batch < many.training.batch == default.small.training.batch
    assert few.training.epochs > many.training.epochs == default.small.training.epochs
    assert (few.model.gaps, many.model.gaps) == (True, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("training.minutes", "-1.0"),
        ("training.minutes", "inf"),
        ("training.minutes", "nan"),
        ("training.passes", "-1"),
        ("training.seed", "-1"),
    ],
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        RECIPE.change({name: value})


def test_the_networks_checkpoints_go_once_the_version_is_published(tmp_path, data):
    train(data, RECIPE.change({"training.passes": "1"}), Workspace(tmp_path))
    left = sorted(path.name for path in tmp_path.rglob("*.safetensors"))
    assert left == ["item_tower.safetensors", "user_tower.safetensors"]  # the version's
