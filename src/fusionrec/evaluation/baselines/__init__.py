"""Baselines that a model has to beat: small classes on NumPy and SciPy with one interface."""

from fusionrec.evaluation.baselines.bias import Bias
from fusionrec.evaluation.baselines.cold_start import Newest, RandomOrder
from fusionrec.evaluation.baselines.common import (
    Ranker,
    category_vectors,
    item_sets,
    popularity,
    user_counts,
)
from fusionrec.evaluation.baselines.knn import CategoryKNN, ItemKNN
from fusionrec.evaluation.baselines.linear import EASE, ProfileRidge
from fusionrec.evaluation.baselines.popular import (
    Popular,
    PopularByGroup,
    RecentlyPopular,
    TakenBefore,
)

__all__ = [
    "EASE",
    "Bias",
    "CategoryKNN",
    "ItemKNN",
    "Newest",
    "Popular",
    "PopularByGroup",
    "ProfileRidge",
    "RandomOrder",
    "Ranker",
    "RecentlyPopular",
    "TakenBefore",
    "category_vectors",
    "item_sets",
    "popularity",
    "user_counts",
]
