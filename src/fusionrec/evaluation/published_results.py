"""Published and earlier figures on ml-1m, for comparison.

Figures are comparable only under the same protocol; each names its source.
"""

from __future__ import annotations

from dataclasses import dataclass, field

INTERPOLATED = ("ml-1m",)  # data sets whose times are partly made up in some copies


@dataclass(frozen=True)
class PublishedResult:
    """One figure from elsewhere.

    Attributes:
        protocol: the protocol it is comparable under.
        name: of the model.
        figures: metric -> value.
        source: who measured it.
        note: how its protocol differs.
        row: the name of our baseline for the same model; empty if none.
    """

    protocol: str
    name: str
    figures: dict[str, float] = field(default_factory=dict)
    source: str = ""
    note: str = ""
    row: str = ""


_OWN = "own earlier measurement"
_FILMS = "ranks 3,416 or 3,706 films"
_REPORTED = "split as its authors report it"


def _next(hr: float, ndcg: float) -> dict[str, float]:
    return {"hr@10": hr, "ndcg@10": ndcg}


def _users(ndcg: float, liked: float, hr: float, hr_liked: float) -> dict[str, float]:
    figures = {"ndcg@10": ndcg, "hr@10": hr, "ndcg@10 liked": liked, "hr@10 liked": hr_liked}
    return {name: value for name, value in figures.items() if value}


PUBLISHED = (
    PublishedResult("next-item", "popularity", _next(0.037, 0.018), _OWN, row="popular"),
    PublishedResult("next-item", "EASE, whole history", _next(0.096, 0.047), _OWN, row="ease"),
    PublishedResult(
        "next-item",
        "SASRec, 1 negative, BCE",
        _next(0.250, 0.134),
        "antklen/sasrec-bert4rec-recsys23",
        _FILMS,
    ),
    PublishedResult(
        "next-item", "BERT4Rec", _next(0.292, 0.162), "blondered/bert4rec_repro", _FILMS
    ),
    PublishedResult("next-item", "gSASRec", _next(0.300, 0.173), "asash/gSASRec-pytorch", _FILMS),
    PublishedResult(
        "next-item", "eSASRec", _next(0.313, 0.177), "blondered/transformer_benchmark", _FILMS
    ),
    PublishedResult(
        "next-item",
        "SASRec, 3,000 negatives",
        _next(0.316, 0.186),
        "antklen/sasrec-bert4rec-recsys23",
        _FILMS,
    ),
    PublishedResult(
        "next-item",
        "HSTU-large",
        _next(0.364, 0.216),
        "RecTools, HSTU tutorial",
        "reads the time of the target: not comparable",
    ),
    PublishedResult("rating", "global, user and item bias", {"rmse": 0.907}, _OWN, row="bias"),
    PublishedResult("rating", "kNN-baseline", {"rmse": 0.895}, "Surprise", "5 folds"),
    PublishedResult("rating", "SVD", {"rmse": 0.873}, "Surprise", "5 folds"),
    PublishedResult("rating", "SVD++", {"rmse": 0.862}, "Surprise", "5 folds"),
    PublishedResult("rating", "GC-MC", {"rmse": 0.832}, "GC-MC", _REPORTED),
    PublishedResult("rating", "I-AutoRec", {"rmse": 0.831}, "AutoRec", _REPORTED),
    PublishedResult("rating", "GHRS", {"rmse": 0.833}, "GHRS", _REPORTED),
    PublishedResult("rating", "SparseFC", {"rmse": 0.824}, "SparseFC", _REPORTED),
    PublishedResult("rating", "GLocal-K", {"rmse": 0.823}, "GLocal-K", _REPORTED),
    PublishedResult(
        "rating",
        "SVD++ flipped, ordered probit",
        {"rmse": 0.814},
        "myFM",
        "also reads the day: not comparable",
    ),
    PublishedResult(
        "new-user", "most popular", _users(0.482, 0.403, 0.935, 0.898), _OWN, row="popular"
    ),
    PublishedResult(
        "new-user",
        "most popular of the profile's group",
        _users(0.498, 0.419, 0.0, 0.0),
        _OWN,
        row="popular-by-group",
    ),
    PublishedResult(
        "new-user",
        "ridge on the profile",
        _users(0.501, 0.424, 0.944, 0.909),
        _OWN,
        row="profile-ridge",
    ),
)


def published_for(protocol: str, data: str) -> list[PublishedResult]:
    """Published results of a protocol on a data set; none for most data sets."""
    return [a for a in PUBLISHED if a.protocol == protocol] if data == "ml-1m" else []
