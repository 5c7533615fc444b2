"""Joins the parts of a version and publishes it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec._version import __version__
from fusionrec.features.encoder import Encoder
from fusionrec.features.flat import centred, flatten
from fusionrec.models.linear_settings import AutoRecipe, LinearRecipe
from fusionrec.registry.artifact import Artifact
from fusionrec.registry.blend import Blend, Part
from fusionrec.registry.rating_head import RatingHead
from fusionrec.registry.weights import write_weights
from fusionrec.registry.writer import save_version, write_manifest, write_training_data
from fusionrec.training.job import LIKED, Job
from fusionrec.training.parts import FittedPart, content_tower
from fusionrec.training.weighing import Weighed

if TYPE_CHECKING:
    from fusionrec.training.network_part import Network


def publish_blend(
    job: Job,
    models: Path,
    parts: Sequence[FittedPart],
    weighed: Mapping[str, Weighed],
    encoder: Encoder,
    recipe: LinearRecipe | AutoRecipe,
    judged: Network | None,
    part: Mapping[str, Any] | None,
    worth: Mapping[str, Any],
    stars: RatingHead | None,
) -> Artifact:
    """Writes the version of parts that were fitted on all rows."""
    dataset, histories = job.dataset, job.histories
    used = {name for one in weighed.values() for name in one.weights} | {
        name for name, _ in job.profiles()
    }
    kept = [one for one in parts if one.part.name in used]
    blend = Blend(
        tuple(one.part for one in kept),
        {goal: one.weights for goal, one in weighed.items()},
        next(iter(weighed)),
        {goal: LIKED if goal == "taste" and LIKED in used else "profile" for goal in weighed},
    )
    items = np.concatenate([one.items for one in kept], axis=1)
    learned = np.flatnonzero(job.columns >= 0)
    tower = content_tower(dataset, encoder, items, learned, job.recipe.training.content_ridge)
    spans = blend.spans()
    flat = flatten(encoder, "item", encoder.encode_table("item", dataset.items))
    placed = tower["base"] + centred(flat, tower["mean"]) @ tower["content"]
    untaken = np.bincount(histories.item, minlength=job.items) == 0
    for one in kept:
        if one.part.kind != "network":
            span = spans[one.part.name]
            items[untaken, span] = placed[untaken, span]
    longest = np.linalg.norm(items, axis=1).max()
    items /= longest
    tower = {name: array if name == "mean" else array / longest for name, array in tower.items()}
    kept = [_scaled(one, items[:, spans[one.part.name]], longest, untaken) for one in kept]
    epochs = list(judged.epochs) if judged else []
    about: dict[str, Any] = {
        "model": recipe.name,
        "recipe": recipe.to_dict(),
        "blend": blend.to_json(),
        "chosen": {goal: one.to_json() for goal, one in weighed.items()},
        "worth": worth,
        "history": _reading([one.part for one in kept]),
        "score": {"kind": "ranking"},
        "training": {
            "trained_rows": dataset.fingerprint(job.rows),
            "best_epoch": judged.schedule.passes if judged else None,
            "passes": judged.asked if judged else None,
            "measure": {"train": "loss", "validation": "NDCG@10", "rising": True, "unit": "items"},
            "epochs": [asdict(epoch) for epoch in epochs],
            "seconds": round(time.monotonic() - job.started, 1),
        },
        **({} if part is None else {"part": dict(part)}),
    }

    def write(folder: Path) -> None:
        keys = write_training_data(folder, dataset, job.rows, encoder, histories)
        write_weights(folder, "user", _named(kept, "user"))
        arrays = _named(kept, "item") | {f"linear.{name}": x for name, x in tower.items()}
        write_weights(folder, "item", arrays)
        np.save(folder / "item_vectors.npy", items.astype(np.float32), allow_pickle=False)
        saved = Artifact(folder, about, encoder)
        known = [histories.of(user) for user in range(len(dataset.users))]
        users = saved.vectors_of(dataset.users.ids, dataset.users.columns, known)
        np.save(folder / "user_vectors.npy", users, allow_pickle=False)
        if stars is not None:
            stars.save(folder)
            keys["stars"] = stars.manifest
        write_manifest(folder, encoder, {"versions": {"fusionrec": __version__}, **keys, **about})

    return save_version(models, write, "train again")


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
