"""The map's neighbourhoods: what goes together is near, kept as a file that may be made again."""

from __future__ import annotations

import numpy as np
import pytest

from fusionrec.deploy.item_map import embedded, make_map, open_map, prune_maps
from fusionrec.registry.versions import load


def silent(_: str) -> None:
    """Takes messages."""


@pytest.fixture(scope="module")
def clusters():
    """Vectors of length 1 in six groups of twenty: float32 [120, 16], and the groups."""
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(6), 20)
    found = rng.normal(size=(6, 16))[group] + rng.normal(0, 0.35, (120, 16))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32), group


def test_groups_stay_together_and_the_same_seed_gives_the_same_map(clusters):
    vectors, group = clusters
    places = embedded(vectors)
    far = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    np.fill_diagonal(far, np.inf)
    nearest = np.argsort(far, axis=1)[:, :5]
    assert (group[nearest] == group[:, None]).mean() > 0.95
    assert np.abs(places).max() == 1.0
    assert np.array_equal(places, embedded(vectors))


def test_a_map_is_kept_and_read_again(workspace):
    artifact = load(workspace)
    assert open_map(workspace, artifact) is None
    made, again = make_map(workspace, artifact, silent), open_map(workspace, artifact)
    assert np.array_equal(made.rows, again.rows)
    assert np.array_equal(made.places, again.places)
    unchanged = np.zeros(len(made.rows), dtype=bool)
    vectors = artifact.item_vectors[made.rows]
    assert np.array_equal(made.of(made.rows, unchanged, vectors), made.places)
    # An item that is new is among those that are most like it.
    near = made.of(made.rows[:3], np.ones(3, dtype=bool), vectors[:3])
    assert np.abs(near).max() <= 1
    assert made.of(made.rows[:0], unchanged[:0], vectors[:0]).shape == (0, 2)


@pytest.mark.parametrize("damage", ["byte", "cut", "pickle", "other", "row"])
def test_a_damaged_map_is_made_again(workspace, damage):
    artifact = load(workspace)
    make_map(workspace, artifact, silent)
    [file] = workspace.maps.glob("*.npy")
    held = file.read_bytes()
    if damage in ("pickle", "row"):  # under a name that fits
        table = np.load(file)
        table[0, 0] = len(artifact.items)
        file.unlink()
        from fusionrec.deploy import item_map

        if damage == "row":
            item_map._save(workspace, artifact, table)
        else:
            np.save(file, np.array([open], dtype=object), allow_pickle=True)
            digest = item_map._digest(file.read_bytes())
            file.rename(file.with_name(f"{artifact.checksum[:16]}-{digest}.npy"))
    elif damage == "other":
        file.rename(file.with_name(f"{'0' * 16}-{file.stem.partition('-')[2]}.npy"))
    else:
        file.write_bytes(held[:-1] if damage == "cut" else held[:-1] + bytes([held[-1] ^ 1]))
    assert open_map(workspace, artifact) is None
    make_map(workspace, artifact, silent)
    assert open_map(workspace, artifact) is not None


def test_maps_of_versions_that_are_gone_are_pruned(workspace):
    make_map(workspace, load(workspace), silent)
    gone = workspace.maps / f"{'0' * 16}-{'1' * 64}.npy"
    gone.write_bytes(b"")
    prune_maps(workspace)
    assert len(list(workspace.maps.glob("*.npy"))) == 1
    assert not gone.exists()


def test_where_nothing_can_be_written_the_map_is_in_memory(workspace):
    workspace.maps.write_text("a file where the folder belongs")
    said: list[str] = []
    assert make_map(workspace, load(workspace), said.append) is not None
    assert "in memory alone" in said[0]
