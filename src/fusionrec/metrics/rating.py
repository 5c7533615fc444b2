"""The error of predicted ratings."""

from __future__ import annotations

import numpy as np

from fusionrec.errors import UsageError


def rmse(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Root mean squared error of two arrays [n], in their unit.

    ``sqrt(mean((predicted − actual)²))`` (Herlocker et al., Evaluating collaborative filtering
    recommender systems, TOIS 2004).

    Raises:
        UsageError: a value is NaN, the lengths differ, or there is none.
    """
    return float(np.sqrt(np.mean(_errors(predicted, actual) ** 2)))


def mae(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Mean absolute error of two arrays [n], in their unit; source and errors as of ``rmse``."""
    return float(np.mean(np.abs(_errors(predicted, actual))))


def _errors(predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
    if predicted.shape != actual.shape or predicted.size == 0:
        raise UsageError(f"expected two equal lengths, got {predicted.shape} and {actual.shape}")
    errors: np.ndarray = predicted.astype(np.float64) - actual
    if np.isnan(errors).any():
        raise UsageError("a predicted or an actual value is NaN")
    return errors
