"""Trains the parts of a version, weighs them for each goal, and has it published."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import Log, TrainingError
from fusionrec.features.encoder import Encoder
from fusionrec.models.linear_settings import AutoRecipe, LinearRecipe, LinearSettings
from fusionrec.registry.artifact import Artifact
from fusionrec.registry.rating_head import RatingHead
from fusionrec.regression.sequences import HistoryChoice
from fusionrec.training.blend_publish import publish_blend
from fusionrec.training.holdouts import Holdout, asked
from fusionrec.training.job import Job
from fusionrec.training.linear import choose
from fusionrec.training.networks import STARS, Networks
from fusionrec.training.parts import PROFILE
from fusionrec.training.stars import fit_stars
from fusionrec.training.weighing import FEWEST_USERS, Board, Weighed, choose_weights
from fusionrec.training.worth import measured

if TYPE_CHECKING:
    from fusionrec.training.network_part import Network
    from fusionrec.training.progress import OnProgress
    from fusionrec.training.warm_start import WarmStart

STARS_LEAST = 10.0  # seconds for the rating head, at least
SCARCE = 60  # users of the holdouts of ``later``, below which those of ``taste`` are added
WIDTH = 512  # of all parts together
MOST_TASTE = 256  # of it


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
    start: WarmStart | None = None,
    log: Log = lambda _: None,
) -> Artifact:
    """Trains a model of parts on some rows, int [n], and publishes it as the next version.

    Args:
        dataset, rows, recipe: the data, its rows that may be seen, and all settings.
        models: the folder of all versions.
        folder: for the network's checkpoints; None keeps none.
        part: which split ``rows`` are of, for the manifest.
        on_progress, resume: of the network's training.
        start: what the network begins with; the parts without one are fitted anew.
        log: called with what is chosen.

    Raises:
        TrainingError: there is nothing to rank, or the network diverged.
        ArtifactError: the version could not be saved.
    """
    if np.count_nonzero(np.bincount(dataset.item[rows])) < 2:
        raise TrainingError(
            f"{dataset.name} has a single item that anybody took: there is nothing to rank",
            "data with two items or more is needed",
        )
    job = Job.of(dataset, rows, recipe, log)
    goals = _goals(job.recipe.model, job)
    holdouts = {goal: job.holdouts(goal) for goal in dict.fromkeys([*goals, "next", "taste"])}
    if recipe.model.goal == "auto":  # one for which too few can be asked comes last
        goals.sort(key=lambda goal: asked(holdouts[goal]) < FEWEST_USERS)
    add_likes(holdouts, repeats=dataset.schema.repeats)
    encoder, network, width = Encoder.fit(dataset, rows), None, 0
    if isinstance(recipe, AutoRecipe):
        recipe = recipe.suited(len(rows))
    # The network is weighed for the next item alone: other goals would have it trained once more.
    if isinstance(recipe, AutoRecipe) and holdouts["next"] and "next" in goals:
        width = recipe.sequence.model.dim
        holdouts["next"] = holdouts["next"][:1]  # each further one would have it trained once more
    choices = _choices(job, holdouts, width)
    if isinstance(recipe, AutoRecipe) and width:
        network = Networks(job, recipe, holdouts["next"], folder, on_progress, resume, start)
        holdouts["next"] = network.holdouts or holdouts["next"]
    judged = network.judged if network else None
    told = judged if network and network.holdouts else None
    weighed = {goal: _weigh(job, goal, holdouts[goal], choices, encoder, told) for goal in goals}
    if start is not None and judged is not None and told is None:
        weighed["next"] = _as_before(job, start.artifact, weighed["next"], judged)
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
    origin = {} if part is None else {"part": dict(part)}
    origin |= {} if start is None else {"start": start.to_json()}
    return publish_blend(job, models, parts, weighed, encoder, recipe, judged, origin, worth, stars)


def _as_before(job: Job, former: Artifact, weighed: Weighed, network: Network) -> Weighed:
    """The weights that a version had for the next item, of parts that there still are: so few new
    interactions can be asked for that they tell nothing, and its network has learned from all
    others.
    """
    names = {*weighed.alone, *weighed.weights, network.part.part.name}
    before = former.blend.weights.get("next", {}) if former.blend is not None else {}
    kept = {name: weight for name, weight in before.items() if name in names and weight > 0}
    if not kept:
        return weighed
    job.log(
        f"next: weights as of {former.version}, since too few new interactions can be asked for"
    )
    return Weighed(kept, None, {}, 0)


def _goals(model: LinearSettings, job: Job) -> list[str]:
    """The goals that the data can serve, that of answers first."""
    served = [goal for goal in model.goals if goal != "later" or job.histories.ordered]
    first = model.goal
    if first not in served:
        usual = "next" if job.dataset.schema.repeats else "taste"  # which is of new items alone
        first = next((goal for goal in ("later", usual) if goal in served), served[0])
    return list(dict.fromkeys([first, *served]))


def add_likes(holdouts: dict[str, list[Holdout]], *, repeats: bool) -> None:
    """Where hardly anybody can be asked for what came ``later``, asks for what else people like
    too: a few users would choose by chance. Not where they take things again, of which that tells
    nothing.
    """
    if "later" in holdouts and asked(holdouts["later"]) < SCARCE and not repeats:
        holdouts["later"] = [*holdouts["later"], *holdouts["taste"]]


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
    if choice.weakest < 1:
        words.append(f"the weakest interactions weigh {choice.weakest:g}")
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
        return Weighed(dict.fromkeys([*choices, PROFILE], 1.0), None, {}, 0)
    if asked(holdouts) < FEWEST_USERS:
        job.log(f"{goal}: too few users to be asked for what is held out; popularity alone counts")
        return Weighed({PROFILE: 1.0}, None, {}, 0)
    sides = [(one, job.parts(job.searched(one), choices, encoder)) for one in holdouts]
    if network is not None and goal == "next":
        sides[0][1].append(network.part)
    found = choose_weights(Board(sides))
    weights = ", ".join(f"{name} {weight:g}" for name, weight in found.weights.items())
    job.log(f"{goal}: {weights} (NDCG@10 {found.figure:.4f} of {found.users:,} users held out)")
    return found
