"""Published and earlier figures on ml-1m, for comparison.

Figures are comparable only under the same protocol; each names its source.
"""

from __future__ import annotations

from dataclasses import dataclass

INTERPOLATED = ("ml-1m",)  # data sets whose times are partly made up in some copies


@dataclass(frozen=True)
class PublishedResult:
    """One figure from elsewhere."""

    protocol: str  # under which it is comparable
    name: str  # of the model
    figures: dict[str, float]  # metric -> value
    source: str  # who measured it
    note: str = ""  # how its protocol differs
    row: str = ""  # the name of our baseline for the same model; empty if none


_OWN = "own earlier measurement"
_FILMS = "ranks 3,416 or 3,706 films"
_REPORTED = "split as its authors report it"
_TARGET_TIME = "reads the time of the target: not comparable"
_DAY = "also reads the day: not comparable"
_SASREC = "antklen/sasrec-bert4rec-recsys23"


def _next(
    name: str, hr: float, ndcg: float, source: str, note: str = "", row: str = ""
) -> PublishedResult:
    return PublishedResult("next-item", name, {"hr@10": hr, "ndcg@10": ndcg}, source, note, row)


def _rating(name: str, rmse: float, source: str, note: str = "", row: str = "") -> PublishedResult:
    return PublishedResult("rating", name, {"rmse": rmse}, source, note, row)


def _users(
    name: str, row: str, ndcg: float, liked: float, hr: float = 0.0, hr_liked: float = 0.0
) -> PublishedResult:
    figures = {"ndcg@10": ndcg, "hr@10": hr, "ndcg@10 liked": liked, "hr@10 liked": hr_liked}
    known = {metric: value for metric, value in figures.items() if value}
    return PublishedResult("new-user", name, known, _OWN, row=row)


PUBLISHED = (
    _next("popularity", 0.037, 0.018, _OWN, row="popular"),
    _next("EASE, whole history", 0.096, 0.047, _OWN, row="ease"),
    _next("SASRec, 1 negative, BCE", 0.250, 0.134, _SASREC, _FILMS),
    _next("BERT4Rec", 0.292, 0.162, "blondered/bert4rec_repro", _FILMS),
    _next("gSASRec", 0.300, 0.173, "asash/gSASRec-pytorch", _FILMS),
    _next("eSASRec", 0.313, 0.177, "blondered/transformer_benchmark", _FILMS),
    _next("SASRec, 3,000 negatives", 0.316, 0.186, _SASREC, _FILMS),
    _next("HSTU-large", 0.364, 0.216, "RecTools, HSTU tutorial", _TARGET_TIME),
    _rating("global, user and item bias", 0.907, _OWN, row="bias"),
    _rating("kNN-baseline", 0.895, "Surprise", "5 folds"),
    _rating("SVD", 0.873, "Surprise", "5 folds"),
    _rating("SVD++", 0.862, "Surprise", "5 folds"),
    _rating("GC-MC", 0.832, "GC-MC", _REPORTED),
    _rating("I-AutoRec", 0.831, "AutoRec", _REPORTED),
    _rating("GHRS", 0.833, "GHRS", _REPORTED),
    _rating("SparseFC", 0.824, "SparseFC", _REPORTED),
    _rating("GLocal-K", 0.823, "GLocal-K", _REPORTED),
    _rating("SVD++ flipped, ordered probit", 0.814, "myFM", _DAY),
    _users("most popular", "popular", 0.482, 0.403, 0.935, 0.898),
    _users("most popular of the profile's group", "popular-by-group", 0.498, 0.419),
    _users("ridge on the profile", "profile-ridge", 0.501, 0.424, 0.944, 0.909),
)


def published_for(protocol: str, data: str) -> list[PublishedResult]:
    """Published results of a protocol on a data set; none for most data sets."""
    return [a for a in PUBLISHED if a.protocol == protocol] if data == "ml-1m" else []
