"""Joins the parts of a version and publishes it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec._version import __version__
from fusionrec.data.arrays import save_array
from fusionrec.errors import ArtifactError
from fusionrec.features.encoder import Encoder
from fusionrec.models.linear_settings import AutoRecipe, LinearRecipe
from fusionrec.registry.artifact import Artifact
from fusionrec.registry.blend import REPEATS, Blend, Part
from fusionrec.registry.inference.blend import BlendRunner
from fusionrec.registry.rating_head import RatingHead
from fusionrec.registry.weights import write_weights
from fusionrec.registry.writer import save_version, write_manifest, write_training_data
from fusionrec.training.job import Job
from fusionrec.training.parts import LIKED, PROFILE, FittedPart, content_tower
from fusionrec.training.weighing import Weighed

if TYPE_CHECKING:
    from fusionrec.training.network_part import Network

SAMPLE = 64  # users on which a saved part is compared with the trained one


def publish_blend(
    job: Job,
    models: Path,
    parts: Sequence[FittedPart],
    weighed: Mapping[str, Weighed],
    encoder: Encoder,
    recipe: LinearRecipe | AutoRecipe,
    judged: Network | None,
    origin: Mapping[str, Any],
    worth: Mapping[str, Any],
    stars: RatingHead | None,
) -> Artifact:
    """Writes the version of parts that were fitted on all rows; ``origin`` are keys of the manifest
    that tell of which split the rows are, and with which version the training began.
    """
    dataset, histories = job.dataset, job.histories
    used = {name for name, _ in job.profiles()}.union(*(one.weights for one in weighed.values()))
    kept, items, tower = _joined(job, [one for one in parts if one.part.name in used], encoder)
    blend = Blend(
        tuple(one.part for one in kept),
        {goal: one.weights for goal, one in weighed.items()},
        next(iter(weighed)),
        {goal: LIKED if goal == "taste" and LIKED in used else PROFILE for goal in weighed},
    )
    about: dict[str, Any] = {
        "model": recipe.name,
        "recipe": recipe.to_dict(),
        "blend": blend.to_json(),
        "chosen": {goal: one.to_json() for goal, one in weighed.items()},
        "worth": worth,
        "history": _reading(blend.parts),
        "score": {"kind": "ranking"},
        "training": _training(job, judged),
        **origin,
    }

    def write(folder: Path) -> None:
        keys = write_training_data(folder, dataset, job.rows, encoder, histories)
        write_weights(folder, "user", _named(kept, "user"))
        write_weights(folder, "item", _named(kept, "item") | tower)
        save_array(folder / "item_vectors.npy", items)
        saved = Artifact(folder, about, encoder)
        _compare(saved, kept, job, judged)
        known = [histories.of(user) for user in range(len(dataset.users))]
        users = saved.vectors_of(dataset.users.ids, dataset.users.columns, known)
        save_array(folder / "user_vectors.npy", users)
        if stars is not None:
            stars.save(folder)
            keys["stars"] = stars.manifest
        write_manifest(folder, encoder, {"versions": {"fusionrec": __version__}, **keys, **about})

    return save_version(models, write, "train again")


def _compare(
    saved: Artifact, parts: Sequence[FittedPart], job: Job, judged: Network | None
) -> None:
    """Refuses a saved user tower that does not answer some users as the trained parts do. A network
    that was not trained again had not read all that is saved, and is left out; so are users without
    a history, for whom most parts say nothing.
    """
    users = np.flatnonzero(np.diff(job.histories.offsets))[:SAMPLE]
    features = saved.encoder.encode_table("user", job.dataset.users.take(users))
    read = [job.histories.of(int(user)) for user in users]
    assert isinstance(saved.user_tower, BlendRunner)
    for (name, found), one in zip(saved.user_tower.parts_after(features, read), parts, strict=True):
        if judged is not None and one is judged.part:
            continue
        if not np.allclose(found, one.vectors(users), rtol=1e-3, atol=1e-4):
            raise ArtifactError(f"the saved part {name} does not answer as the trained one does")


def _joined(
    job: Job, parts: Sequence[FittedPart], encoder: Encoder
) -> tuple[list[FittedPart], np.ndarray, dict[str, np.ndarray]]:
    """Puts the items' vectors of some parts end to end, the longest of length 1.

    Items that nobody took are placed by their content, but for the dimensions of a network, whose
    own item tower does it.

    Returns:
        The parts as they read these vectors; float32 [items, dim]; and the item tower's arrays.
    """
    items = np.concatenate([one.items for one in parts], axis=1)
    learned = np.flatnonzero(job.columns >= 0)
    l2 = job.recipe.training.content_ridge
    tower, placed = content_tower(job.dataset, encoder, items, learned, l2)
    untaken = np.bincount(job.histories.item, minlength=job.items) == 0
    ends = np.cumsum([one.part.width for one in parts])
    spans = [slice(end - one.part.width, end) for end, one in zip(ends, parts, strict=True)]
    for one, span in zip(parts, spans, strict=True):
        if one.part.kind != "network":
            items[untaken, span] = placed[untaken, span]
    longest = float(np.linalg.norm(items, axis=1).max())
    items = (items / longest).astype(np.float32)
    scaled = [
        _scaled(one, items[:, span], longest, untaken)
        for one, span in zip(parts, spans, strict=True)
    ]
    arrays = {
        f"linear.{name}": array if name == "mean" else (array / longest).astype(np.float32)
        for name, array in tower.items()
    }
    return scaled, items, arrays


def _training(job: Job, judged: Network | None) -> dict[str, Any]:
    """The manifest's ``training``: the network's figures, if there is one."""
    return {
        "trained_rows": job.dataset.fingerprint(job.rows),
        "best_epoch": judged.schedule.passes if judged else None,
        "passes": judged.asked if judged else None,
        "threads": judged.schedule.threads if judged else None,
        "measure": {"train": "loss", "validation": "NDCG@10", "rising": True, "unit": "items"},
        "epochs": [asdict(epoch) for epoch in judged.epochs] if judged else [],
        "seconds": round(time.monotonic() - job.started, 1),
    }


def _scaled(one: FittedPart, items: np.ndarray, longest: float, others: np.ndarray) -> FittedPart:
    """A part that reads histories through the version's vectors, float32 [items, width], which were
    divided by ``longest``; so it reads the items, bool [items], that were not learned.
    """
    if one.part.kind != "history":
        return one
    added = (one.user["added"] * longest).astype(np.float32)
    history = one.user["history"].copy()
    history[others] = items[others] @ added
    return replace(one, user={"history": history, "added": added})


def _reading(parts: Sequence[Part]) -> dict[str, Any]:
    """The manifest's ``history``: all that any part reads; the request's time, if one does."""
    lengths, clock = [0], {}
    for part in parts:
        if part.kind == REPEATS:
            lengths.append(10**6)
        if part.kind == "history":
            lengths.append(part.window or 10**6)
        if part.kind == "network":
            lengths.append(int(part.reading["length"]))
            clock = {name: x for name, x in part.reading.items() if name == "clock"}
    return {"length": max(lengths) or 10**6, "gaps": False, **clock}


def _named(parts: Sequence[FittedPart], side: str) -> dict[str, np.ndarray]:
    """The arrays of all parts' towers of one side, by names that begin with the part's."""
    return {
        f"{one.part.name}.{name}": array
        for one in parts
        for name, array in getattr(one, side).items()
    }
