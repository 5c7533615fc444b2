"""Measures two versions on the rows that neither learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusionrec.baselines import item_sets
from fusionrec.evaluation.bootstrap import MIN_USERS
from fusionrec.evaluation.report.holdout import DIGITS, Holdout
from fusionrec.evaluation.report.quality import K
from fusionrec.evaluation.report.scoring import Scorer
from fusionrec.evaluation.report.training_data import TrainingData
from fusionrec.evaluation.report.verdict import SURE, Difference
from fusionrec.metrics import Ranked, Ranking, rmse
from fusionrec.registry import Artifact
from fusionrec.registry.worth import FIGURE

Pair = tuple[Artifact, Artifact]

_DRAWS = 1000  # of a bootstrap


@dataclass(frozen=True)
class Compared:
    """One figure of both versions.

    Attributes:
        name: of the figure.
        first, second: the figures.
        apart: second less first, with its interval.
        rising: whether higher is better.
    """

    name: str
    first: float
    second: float
    apart: Difference
    rising: bool = True

    @property
    def mark(self) -> str:
        """Whether the second is better, worse, or that is unclear."""
        if not self.apart.sure:
            return "unclear"
        return "better" if (self.apart.mean > 0) == self.rising else "worse"


@dataclass(frozen=True)
class Measured:
    """What could be measured of two versions.

    Attributes:
        figures: NDCG first; empty where the two cannot be compared by figures.
        why: then why.
        users, rows: how many are asked, 0 where the figures come from the manifests.
    """

    figures: Sequence[Compared] = ()
    why: str = ""
    users: int = 0
    rows: int = 0


def measure_both(versions: Pair, data: tuple[TrainingData, TrainingData]) -> Measured:
    """The figures of two versions on the same held-out users, as far as there are such."""
    if why := _other_data(versions):
        return Measured(why=why)
    if (found := _by_manifests(versions)) is not None:
        return found
    first, second = data[0].holdout, data[1].holdout
    if first is None or second is None:
        return Measured(why="; ".join(dict.fromkeys(d.trouble for d in data if d.trouble)))
    for artifact in versions:
        if "start" in artifact.manifest:
            begun = artifact.manifest["start"]["version"]
            return Measured(
                why=f"{artifact.version} began with {begun}, which may have learned from the rows "
                f"that {artifact.version} held out"
            )
    learned = np.union1d(first.trained, second.trained)
    rows = np.setdiff1d(np.arange(len(first.dataset)), learned)
    users = len(np.unique(first.dataset.user[rows]))
    if users < MIN_USERS:
        whole = [
            a.version for a, h in zip(versions, (first, second), strict=True) if not len(h.rows)
        ]
        who = " and ".join(whole)
        because = f", as {who} learned from every row in the end" if whole else ""
        left = f"those of {users} users" if users else "none"
        return Measured(why=f"of the rows that neither has learned from, {left} is left{because}")
    return _on_rows(versions, (first, second), rows)


def _other_data(versions: Pair) -> str:
    """Why two versions of different rows cannot be compared; empty for the same rows."""
    one, two = (a.manifest for a in versions)
    if one["rows"] == two["rows"]:
        return ""
    said = []
    for artifact in versions:
        m = artifact.manifest
        part = f", {m['part']['protocol']} {m['part']['split']}" if m.get("part") else ""
        said.append(
            f"{artifact.version} on {m['interactions']:,} rows of {m['data']}{part} "
            f"({m['rows'][:DIGITS]})"
        )
    return f"they were trained on different rows, {said[0]} and {said[1]}"


def _by_manifests(versions: Pair) -> Measured | None:
    """NDCG@10 that training measured, where both were measured on the same holdout: then the
    baselines' figures are the same. Without values of each user the interval is that of unpaired
    differences, which is wider.
    """
    one, two = (a.worth for a in versions)
    if one is None or two is None or not one["baselines"]:
        return None
    if any(one[key] != two[key] for key in ("goal", "users", "baselines")):
        return None
    margins = [worth.get("margins", {}).get("model") for worth in (one, two)]
    if None in margins:
        return None
    margin = float(np.hypot(*margins))
    apart = Difference(two["ndcg@10"] - one["ndcg@10"], margin)
    return Measured([Compared(FIGURE, one["ndcg@10"], two["ndcg@10"], apart)], users=one["users"])


def _on_rows(versions: Pair, holdouts: tuple[Holdout, Holdout], rows: np.ndarray) -> Measured:
    data = holdouts[0].dataset
    seen = item_sets(data, np.setdiff1d(np.arange(len(data)), rows))
    scorers = [
        Scorer(artifact, Holdout(data, holdout.trained, rows))
        for artifact, holdout in zip(versions, holdouts, strict=True)
    ]
    rows = rows[np.isin(data.user[rows], scorers[0].users)]
    relevant, users = item_sets(data, rows), np.unique(data.user[rows])
    lists: list[Ranked] = []
    for scorer in scorers:
        ranking = Ranking(relevant, len(data.items), K, None if data.schema.repeats else seen)
        for block, scores in scorer.blocks(users):
            ranking.add(block, scores)
        lists.append(ranking.result())
    figures = []
    for name, of in (("NDCG", Ranked.ndcg), ("HR", Ranked.hit_rate), ("Recall", Ranked.recall)):
        one, two = (np.asarray(of(ranked, K), dtype=float) for ranked in lists)
        apart = Difference.of(two, one)
        figures.append(Compared(f"{name}@{K}", float(one.mean()), float(two.mean()), apart))
    if all(artifact.predicts_ratings for artifact in versions):
        figures.append(
            _errors(versions, scorers, data.user[rows], data.item[rows], data.rating[rows])
        )
    return Measured(figures, users=len(users), rows=len(rows))


def _errors(
    versions: Pair, scorers: Sequence[Scorer], user: np.ndarray, item: np.ndarray, given: np.ndarray
) -> Compared:
    """RMSE of both, and its difference by a bootstrap over users."""
    stars = [a.scores.rating(s.pairs(user, item)) for a, s in zip(versions, scorers, strict=True)]
    _, own = np.unique(user, return_inverse=True)
    squares = np.stack([np.bincount(own, (p - given) ** 2) for p in stars], axis=1)
    count, rng = np.bincount(own), np.random.default_rng(0)
    apart = np.empty(_DRAWS)
    for n in range(_DRAWS):
        drawn = np.bincount(rng.integers(len(count), size=len(count)), minlength=len(count))
        one, two = np.sqrt(drawn @ squares / (drawn @ count))
        apart[n] = two - one
    one, two = (rmse(predicted, given) for predicted in stars)
    error = Difference(two - one, SURE * float(apart.std(ddof=1)))
    return Compared("RMSE (stars)", one, two, error, rising=False)
