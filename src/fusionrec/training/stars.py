"""Fits a rating head for any version, without Paddle: mean, biases, and factors if they help."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import Log, TrainingError
from fusionrec.registry.rating_head import RatingHead
from fusionrec.training.low_rank import LowRankSum
from fusionrec.training.stars_biases import Biases, Ratings, choose_damping, fit_biases
from fusionrec.training.stars_factors import FactorSampler
from fusionrec.training.stars_features import attributes_of, features_of
from fusionrec.training.stars_unseen import Rows, complete

WEIGHTS = (0.25, 0.5, 0.75, 1.0)  # of the factors, beside the biases
FEWEST = 30  # ratings for a validation
FOLDED = 50_000  # ratings below which every rating is held out once, in FOLDS parts
FOLDS = 5
TRIED = 10_000  # ratings above which factors are tried on two of the folds
HELD, MOST_HELD = 0.1, 100_000  # share of more ratings that is held out, and its limit
BURN_IN = 15  # sweeps that are not averaged
TRIAL, SWEEPS = 45, 240  # at most, of the validation and of the head
SHORTEST = 9  # sweeps; with time for fewer there are no factors
TRIAL_TIME = 0.25  # of the seconds


@dataclass(frozen=True)
class Settings:
    """How much of everything.

    Attributes:
        factors: of users and items.
        directions: of who rated what, as features.
        sweeps: of the sampler for the head.
        trial: the same for the validation.
    """

    factors: int
    directions: int
    sweeps: int = SWEEPS
    trial: int = TRIAL

    @classmethod
    def of(cls, count: int) -> Settings:
        """Those for so many ratings."""
        if count < FOLDED:
            return cls(8, 50)
        return cls(16, 100) if count < 300_000 else cls(32, 200)


@dataclass(frozen=True)
class Held:
    """Ratings that were held out, and what was predicted for them.

    Attributes:
        ratings: of one fold.
        mean, biases, factors: float64 [n] each.
    """

    ratings: Ratings
    mean: np.ndarray
    biases: np.ndarray
    factors: np.ndarray

    def blend(self, weight: float) -> np.ndarray:
        """Squared errors with a weight of the factors, float64 [n]."""
        return self.ratings.squared(self.biases + weight * (self.factors - self.biases))


class Fit:
    """One fit of the head.

    Args:
        dataset: the data set; its times and the order of its rows are not read.
        rows: int [n], those that training may see.
        settings: how much of everything; by the number of rows by default.
        seconds: after which the best so far is taken; None for no limit.
        seed: of all draws.
        log: called with the progress.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: np.ndarray,
        settings: Settings | None,
        seconds: float | None,
        seed: int,
        log: Log,
    ) -> None:
        self.ratings = Ratings.of(dataset, rows)
        self.settings = settings or Settings.of(len(rows))
        self.attributes = attributes_of(dataset, rows)
        self.began, self.seconds = time.monotonic(), math.inf if seconds is None else seconds
        self.seed, self.log = seed, log

    def head(self) -> RatingHead:
        """Chooses damping and the factors' weight on what is held out, then fits all rows."""
        folds = held_out(len(self.ratings), self.seed)
        damping = choose_damping(self.ratings, folds)
        weight, figures = self._choose_weight(folds, damping)
        biases = fit_biases(self.ratings, damping)
        factors = self._factors(biases.mean) if weight else None
        rows, by_attributes = complete(
            blended(biases, factors, weight), self.ratings, biases, self.attributes, self.seed
        )
        about = {"damping": list(damping), "factors": weight if factors else 0.0}
        about |= {"by_attributes": list(by_attributes), "validation": figures}
        self.log(said(damping, weight, figures))
        return RatingHead(*rows, complete=True, about=about)

    def _choose_weight(
        self, folds: list[np.ndarray], damping: tuple[float, float]
    ) -> tuple[float, dict[str, float]]:
        """The factors' weight, 0 where they do not help for sure; and RMSE of what is held out."""
        if not folds:
            return 0.0, {}
        parts: list[Held] = []
        tried = folds[:2] if len(self.ratings) > TRIED else folds
        for number, fold in enumerate(tried):
            parts.append(self._trial(fold, damping, number, len(tried)))
            weight, gain, error = best_weight(parts)
            if gain.mean() <= 0:  # the other folds would hardly say otherwise
                break
        figures = {
            "mean": rmse([part.ratings.squared(part.mean) for part in parts]),
            "biases": rmse([part.blend(0.0) for part in parts]),
        }
        if not gain.mean() > gain.std() / math.sqrt(len(gain)):
            return 0.0, figures | {"stars": figures["biases"]}
        return weight, figures | {"stars": error}

    def _trial(
        self, fold: np.ndarray, damping: tuple[float, float], number: int, folds: int
    ) -> Held:
        """Fits all but a fold, and predicts that."""
        rest = self.ratings.take(np.delete(np.arange(len(self.ratings)), fold))
        held = self.ratings.take(fold)
        biases = fit_biases(rest, damping)
        predicted = biases.predict(held)
        until = TRIAL_TIME * (number + 1) / folds * self.seconds
        total, count, sampler = np.zeros(len(held)), 0, self._sampler(rest)
        user, known_user = found(sampler.user_ids, held.user)
        item, known_item = found(sampler.item_ids, held.item)
        for _ in self._sweeps(sampler, self.settings.trial, until):
            users, items = sampler.users.theta[user], sampler.items.theta[item]
            total += np.einsum("nd,nd->n", users[:, :-1], items[:, :-1])
            total += users[:, -1] + items[:, -1]
            count += 1
        factors = sampler.mean + sampler.scale * total / max(count, 1)
        factors = np.where(known_user & known_item & (count > 0), factors, predicted)
        return Held(held, np.full(len(held), biases.mean), predicted, factors)

    def _factors(self, mean: float) -> Rows | None:
        """The average of factorisations of all ratings, as rows like the head's, around the mean;
        None if there was no time.
        """
        sampler = self._sampler(self.ratings)
        products, count = LowRankSum(2 * self.settings.factors), 0
        biases = np.zeros(len(sampler.user_ids)), np.zeros(len(sampler.item_ids))
        for _ in self._sweeps(sampler, self.settings.sweeps, self.seconds):
            users, items = sampler.users.theta, sampler.items.theta
            products.add(users[:, :-1].astype(np.float32), items[:, :-1].astype(np.float32))
            biases[0][:] += users[:, -1]
            biases[1][:] += items[:, -1]
            count += 1
        if not count:
            return None
        left, right = products.product()
        unit = sampler.scale / count
        users = np.zeros((self.ratings.users, left.shape[1] + 2))
        items = np.zeros((self.ratings.items, left.shape[1] + 2))
        users[sampler.user_ids] = np.column_stack(
            [left * unit, biases[0] * unit, np.ones(len(left))]
        )
        items[sampler.item_ids] = np.column_stack(
            [right, np.ones(len(right)), mean + biases[1] * unit]
        )
        return users, items

    def _sampler(self, ratings: Ratings) -> FactorSampler:
        features = features_of(ratings, self.attributes, self.settings.directions, self.seed)
        return FactorSampler(ratings, features, self.settings.factors, self.seed)

    def _sweeps(self, sampler: FactorSampler, most: int, until: float) -> Iterator[None]:
        """Sweeps, and stops after each that counts, for as long as there is time."""
        began, total = time.monotonic(), most
        for number in range(most):
            sampler.sweep()
            if number < 3:
                now = time.monotonic()
                left = until - (now - self.began)
                total = int(min(most, number + 1 + left / ((now - began) / (number + 1))))
            if number + 1 > total or total < SHORTEST or self._late(until):
                return
            if number >= min(BURN_IN, total // 3):
                yield

    def _late(self, until: float) -> bool:
        return time.monotonic() - self.began > until


def fit_stars(
    dataset: Dataset,
    rows: np.ndarray,
    *,
    seconds: float | None = None,
    seed: int = 0,
    log: Log = lambda _: None,
    settings: Settings | None = None,
) -> RatingHead:
    """Fits a complete rating head: a rating for every user and item.

    It starts from the mean and from biases, damped as a holdout of the rows says best. Factors
    (``stars_factors``) are added with the weight that is best there, if the gain is more than its
    standard error; then all rows are fitted. Without ``seconds``, equal arguments give equal heads.

    Args:
        dataset: the data set; its times and the order of its rows are not read.
        rows: int [n], the rows that training may see, one or more.
        seconds: after which the best so far is taken; None for no limit.
        seed: of the holdout and of all draws.
        log: called with what was chosen.
        settings: how much of everything; by the number of rows by default.

    Raises:
        TrainingError: interactions are events, which are no ratings.
    """
    if dataset.schema.events:
        raise TrainingError(f"{dataset.name} holds events: there are no ratings to predict")
    return Fit(dataset, rows, settings, seconds, seed, log).head()


def held_out(count: int, seed: int) -> list[np.ndarray]:
    """Positions to hold out in turn of so many ratings: int64 arrays, none for a few ratings."""
    if count < FEWEST:
        return []
    order = np.random.default_rng(seed).permutation(count)
    if count < FOLDED:
        return [np.sort(fold) for fold in np.array_split(order, FOLDS)]
    return [np.sort(order[: min(round(HELD * count), MOST_HELD)])]


def best_weight(parts: Sequence[Held]) -> tuple[float, np.ndarray, float]:
    """The best weight above 0; what it gains on each rating in squared error; and its RMSE."""
    blends = {w: [part.blend(w) for part in parts] for w in WEIGHTS}
    weight, errors = min(blends.items(), key=lambda one: rmse(one[1]))
    gain = np.concatenate([part.blend(0.0) for part in parts]) - np.concatenate(errors)
    return weight, gain, rmse(errors)


def found(ids: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where ids, int [n], stand in sorted ones, int64 [n]; and whether they do, bool [n]."""
    place = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return place, np.asarray(ids[place] == wanted)


def blended(biases: Biases, factors: Rows | None, weight: float) -> Rows:
    """Rows of users and items, float64: factors by weight, the rest of the way by biases."""
    users = np.column_stack([biases.user, np.ones(len(biases.user))])
    items = np.column_stack([np.ones(len(biases.item)), biases.mean + biases.item])
    if factors is None:
        return users, items
    of_users, of_items = factors
    users[:, 0] = (1.0 - weight) * users[:, 0] + weight * of_users[:, -2]
    items[:, 1] = (1.0 - weight) * items[:, 1] + weight * of_items[:, -1]
    return np.hstack([weight * of_users[:, :-2], users]), np.hstack([of_items[:, :-2], items])


def rmse(squared: Sequence[np.ndarray]) -> float:
    """The root of the mean of squared errors, float [n] each."""
    return round(math.sqrt(float(np.concatenate(squared).mean())), 4)


def said(damping: tuple[float, float], weight: float, figures: dict[str, float]) -> str:
    """What was chosen, in words."""
    chosen = f"factors by {weight:g}" if weight else "no factors"
    told = f"stars: biases damped by {damping[0]:g} and {damping[1]:g}, {chosen}"
    if not figures:
        return f"{told} (too few ratings to hold any out)"
    errors = ", ".join(f"{name} {figure:.4f}" for name, figure in figures.items())
    return f"{told} (RMSE held out: {errors})"
