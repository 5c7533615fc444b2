"""Trains the parts of a version, weighs them for each goal, and publishes it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fusionrec._version import __version__
from fusionrec.data.dataset import Dataset
from fusionrec.errors import Log, TrainingError
from fusionrec.features.encoder import Encoder
from fusionrec.features.flat import centred, flatten
from fusionrec.models.linear_settings import AutoRecipe, LinearRecipe, LinearSettings
from fusionrec.registry.artifact import Artifact
from fusionrec.registry.inference.blend import Blend, Part
from fusionrec.registry.rating_head import RatingHead
from fusionrec.registry.tables import Histories
from fusionrec.registry.weights import write_weights
from fusionrec.registry.writer import save_version, write_manifest, write_training_data
from fusionrec.regression.sequences import HistoryChoice
from fusionrec.training.holdouts import (
    Holdout,
    drawn_users,
    later_holdouts,
    next_holdout,
    taste_holdout,
)
from fusionrec.training.linear import choose, most_taken
from fusionrec.training.parts import (
    FittedPart,
    content_tower,
    history_part,
    profile_part,
    trend_part,
)
from fusionrec.training.stars import fit_stars
from fusionrec.training.weighing import POPULARITY, Board, Weighed, choose_weights
from fusionrec.training.worth import measured

if TYPE_CHECKING:
    from fusionrec.training.network_part import Network, Schedule
    from fusionrec.training.progress import OnProgress

LINEAR_SHARE = 0.6  # of the time that choosing the parts without a network took, for the rest
FEW_HELD = 0.002  # share of the rows, below which a network need not be trained again with them
LIKED = "profile-liked"
STARS, STARS_LEAST = 0.2, 10.0  # share of the time for the rating head; seconds, at least
WIDTH = 512  # of all parts together
MOST_TASTE = 256  # of it
FEWEST_USERS = 20  # who are asked for what is held out; below, no difference is sure


@dataclass(frozen=True)
class Job:
    """What is trained, and how.

    Attributes:
        started: when the training began, of the monotonic clock.
        dataset, rows: the data set, and int [n], its rows that training may see.
        histories, order: of these rows; and the rows in that order.
        columns: int [items], each item's column in the regressions, or -1.
        recipe: of the parts without a network.
        log: called with what is chosen.
    """

    started: float
    dataset: Dataset
    rows: np.ndarray
    histories: Histories
    order: np.ndarray
    columns: np.ndarray
    recipe: LinearRecipe
    log: Log

    @classmethod
    def of(
        cls, dataset: Dataset, rows: np.ndarray, recipe: LinearRecipe | AutoRecipe, log: Log
    ) -> Self:
        """The job of training on some rows."""
        started = time.monotonic()
        if isinstance(recipe, AutoRecipe):
            recipe = LinearRecipe(recipe.model, recipe.linear)
        histories, order = Histories.build(dataset, rows), Histories.order(dataset, rows)
        columns = np.zeros(len(dataset.items), dtype=np.int64)
        columns = most_taken(histories, columns, recipe.model.items)
        return cls(started, dataset, rows, histories, order, columns, recipe, log)

    @property
    def items(self) -> int:
        return len(self.dataset.items)

    @property
    def rates(self) -> bool:
        """Whether a rating head is fitted."""
        return self.recipe.model.stars and not self.dataset.schema.events

    def holdouts(self, goal: str) -> list[Holdout]:
        """What is held out for a goal; empty where the data cannot serve it."""
        s, schema = self.recipe.training, self.dataset.schema
        if not s.validation:
            return []
        if goal == "later":
            if not self.histories.ordered:
                return []
            return later_holdouts(self.histories, schema, self.items, s.validation, s.seed)
        users = drawn_users(self.histories, s.validation, s.seed)
        if goal == "next":
            made = next_holdout(self.histories, schema, users, self.items, s.seed)
        else:
            made = taste_holdout(self.histories, schema, users, self.items, s.seed)
        return [] if made is None else [made]

    def profiles(self) -> list[tuple[str, np.ndarray]]:
        """The parts that read profiles, and which interactions count for them, bool [n] each: all;
        and, where some are disliked, those that are liked.
        """
        liked = self.histories.rating >= self.dataset.schema.like
        found = [("profile", np.ones(len(liked), dtype=bool))]
        if liked.any() and not liked.all():
            found.append((LIKED, liked))
        return found

    def parts(
        self, visible: np.ndarray, choices: Mapping[str, HistoryChoice], encoder: Encoder
    ) -> list[FittedPart]:
        """All parts without a network, fitted on the visible interactions, bool [n]."""
        model, s, histories = self.recipe.model, self.recipe.training, self.histories
        like = self.dataset.schema.like
        made = [
            history_part(name, histories, self.columns, visible, like, choice, s.seed)
            for name, choice in choices.items()
        ]
        made += [
            profile_part(name, self.dataset, histories, encoder, visible & read, model.profile_dims)
            for name, read in self.profiles()
        ]
        if histories.ordered:
            made += [trend_part(histories, visible, days, self.items) for days in s.days]
        return made


def train_blend(
    dataset: Dataset,
    rows: np.ndarray,
    recipe: LinearRecipe | AutoRecipe,
    models: Path,
    folder: Path | None = None,
    part: Mapping[str, Any] | None = None,
    *,
    on_progress: OnProgress = lambda _: None,
    resume: bool = False,
    log: Log = lambda _: None,
) -> Artifact:
    """Trains a model of parts on some rows, int [n], and publishes it as the next version.

    Args:
        dataset, rows, recipe: the data, its rows that may be seen, and all settings.
        models: the folder of all versions.
        folder: for the network's checkpoints; None keeps none.
        part: which split ``rows`` are of, for the manifest.
        on_progress, resume: of the network's training.
        log: called with what is chosen.

    Raises:
        TrainingError: there is nothing to rank, or the network diverged.
        ArtifactError: the version could not be saved.
    """
    if len(np.unique(dataset.item[rows])) < 2:
        raise TrainingError(
            f"{dataset.name} has a single item that anybody took: there is nothing to rank",
            "data with two items or more is needed",
        )
    job = Job.of(dataset, rows, recipe, log)
    goals = _goals(job.recipe.model, job.histories)
    holdouts = {goal: job.holdouts(goal) for goal in dict.fromkeys([*goals, "next", "taste"])}
    encoder, network, width = Encoder.fit(dataset, rows), None, 0
    if isinstance(recipe, AutoRecipe):
        recipe = recipe.suited(len(rows))
        width = recipe.sequence.model.dim
    choices = _choices(job, holdouts, width)
    if isinstance(recipe, AutoRecipe) and holdouts["next"] and "next" in goals:
        network = Networks(job, recipe, holdouts["next"][0], folder, on_progress, resume)
    judged = network.judged if network else None
    weighed = {goal: _weigh(job, goal, holdouts[goal], choices, encoder, judged) for goal in goals}
    final = None
    if network and judged and any(judged.part.part.name in w.weights for w in weighed.values()):
        final = network.final()
        encoder = final.encoder  # the version has one, which all parts read by
    parts = job.parts(np.ones(len(job.order), dtype=bool), choices, encoder)
    if final is not None:
        parts.insert(len(choices), final.part)
    first = goals[0]
    worth = measured(dataset, job.order, first, holdouts[first], weighed[first])
    stars = _stars(job, recipe)
    return _publish(job, models, parts, weighed, encoder, recipe, network, part, worth, stars)


class Networks:
    """The network without the holdout, by which it is judged, and the one that is published.

    Args:
        job: what is trained.
        recipe: all settings.
        holdout: of the goal ``next``.
        folder: for checkpoints; None keeps none.
        on_progress, resume: of the training.
    """

    def __init__(
        self,
        job: Job,
        recipe: AutoRecipe,
        holdout: Holdout,
        folder: Path | None,
        on_progress: OnProgress,
        resume: bool,
    ) -> None:
        self._job, self._recipe, self._folder = job, recipe, folder
        self._on_progress, self._resume = on_progress, resume
        held = job.order[~holdout.visible]
        minutes, seconds = recipe.training.minutes, None
        # Without a limit always, so that a repeated training does not depend on the time it took.
        self.again = not minutes or len(held) > FEW_HELD * len(job.rows)
        if minutes:
            elapsed = time.monotonic() - job.started
            share = 1 - STARS * job.rates
            seconds = max(60 * minutes * share - (1 + LINEAR_SHARE) * elapsed, 0.0)
            seconds /= 1 + self.again
        self.judged = self._fit(held, folder, seconds)

    def _fit(
        self,
        held: np.ndarray,
        folder: Path | None,
        seconds: float | None = None,
        schedule: Schedule | None = None,
    ) -> Network | None:
        from fusionrec.training.network_part import fit_network  # imports Paddle

        return fit_network(
            self._job.dataset,
            self._job.rows,
            np.sort(held),
            self._recipe.sequence,
            passes=self._recipe.training.passes,
            seconds=seconds,
            schedule=schedule,
            folder=folder,
            on_progress=self._on_progress,
            resume=self._resume,
            log=self._job.log,
        )

    def final(self) -> Network:
        """The network from all rows, with as many passes again; the first one where so few rows
        were held out that it is not worth the time.
        """
        assert self.judged is not None
        if not self.again:
            return self.judged
        schedule = self.judged.schedule
        self._job.log(f"sequence: {schedule.passes} passes over all rows, held-out ones too")
        folder = None if self._folder is None else self._folder / "again"
        found = self._fit(np.zeros(0, dtype=np.int64), folder, schedule=schedule)
        assert found is not None
        return found


def _goals(model: LinearSettings, histories: Histories) -> list[str]:
    """The goals that the data can serve, that of answers first."""
    served = [goal for goal in model.goals if goal != "later" or histories.ordered]
    first = model.goal
    if first not in served:
        first = "later" if "later" in served else "taste"
    return list(dict.fromkeys([first, *served]))


def _choices(
    job: Job, holdouts: Mapping[str, Sequence[Holdout]], network: int
) -> dict[str, HistoryChoice]:
    """The settings of the parts that read histories, beside a network of some width, by part."""
    found = {}
    room = WIDTH - 2 * job.recipe.model.profile_dims - len(job.recipe.training.days) - network
    for name in ("taste", "next") if job.histories.ordered else ("taste",):
        most = max(room, 1)
        if name == "taste" and job.histories.ordered:  # leaves room for ``next``
            most = min(MOST_TASTE, max(room - job.recipe.model.dims[0], room // 2, 1))
        dims = [dim for dim in job.recipe.model.dims if dim <= most] or [most]
        held = holdouts[name][0] if holdouts[name] else None
        found[name] = choose(
            name == "next",
            job.histories,
            job.columns,
            job.dataset.schema,
            held,
            job.recipe.training,
            dims,
        )
        room -= found[name].width
        job.log(f"{name}: {described(found[name])}")
    return found


def described(choice: HistoryChoice) -> str:
    """A choice in words."""
    words = [f"{choice.width} wide", f"penalty {choice.ridge:g}"]
    if choice.decay < 1:
        words.append(f"halving each {math.log(0.5) / math.log(choice.decay):.2g} items")
    if choice.disliked < 1:
        words.append(f"dislikes weigh {choice.disliked:g}")
    if choice.figure is not None and choice.whole is not None:
        kept = choice.figure / choice.whole if choice.whole else 1.0
        words.append(f"NDCG@10 {choice.figure:.4f} held out, {kept:.1%} of the whole matrix")
    return ", ".join(words)


def _stars(job: Job, recipe: LinearRecipe | AutoRecipe) -> RatingHead | None:
    """The rating head; None of events, and where it is not wanted."""
    if not job.rates:
        return None
    seconds = None
    if isinstance(recipe, AutoRecipe) and recipe.training.minutes:
        seconds = max(60 * recipe.training.minutes * STARS, STARS_LEAST)
    return fit_stars(
        job.dataset, job.rows, seconds=seconds, seed=job.recipe.training.seed, log=job.log
    )


def _weigh(
    job: Job,
    goal: str,
    holdouts: Sequence[Holdout],
    choices: Mapping[str, HistoryChoice],
    encoder: Encoder,
    network: Network | None,
) -> Weighed:
    """The weights of a goal: equal ones where nobody is to be asked, popularity alone where there
    are too few users.
    """
    if not job.recipe.training.validation:
        return Weighed(dict.fromkeys([*choices, POPULARITY], 1.0), None, {}, 0)
    if sum(len(one.users) for one in holdouts) < FEWEST_USERS:
        job.log(f"{goal}: too few users to be asked for what is held out; popularity alone counts")
        return Weighed({POPULARITY: 1.0}, None, {}, 0)
    sides = [(one, job.parts(one.visible, choices, encoder)) for one in holdouts]
    if network is not None and goal == "next":
        sides[0][1].append(network.part)
    found = choose_weights(Board(sides))
    weights = ", ".join(f"{name} {weight:g}" for name, weight in found.weights.items())
    job.log(f"{goal}: {weights} (NDCG@10 {found.figure:.4f} of {found.users:,} users held out)")
    return found


def _publish(
    job: Job,
    models: Path,
    parts: Sequence[FittedPart],
    weighed: Mapping[str, Weighed],
    encoder: Encoder,
    recipe: LinearRecipe | AutoRecipe,
    network: Networks | None,
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
    judged = network.judged if network else None
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
