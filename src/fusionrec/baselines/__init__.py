"""Baselines that a model has to beat: small classes on NumPy and SciPy with one interface."""

from fusionrec.baselines.bias import Bias
from fusionrec.baselines.cold_start import Newest, RandomOrder
from fusionrec.baselines.common import Ranker, category_vectors, item_sets, popularity, user_counts
from fusionrec.baselines.knn import CategoryKNN, ItemKNN
from fusionrec.baselines.linear import EASE, ProfileRidge
from fusionrec.baselines.popular import Popular, PopularByGroup, RecentlyPopular, TakenBefore

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
