"""The contract of scores: 5·cos, and its affine map to ratings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusionrec.features.score_scale import SCALE, ScoreMap

STARS = ScoreMap(1.0, 5.0)


def test_the_articles_map():
    assert SCALE == 5.0
    for stars in (1.0, 2.0, 3.5, 5.0):
        assert STARS.target(stars) == pytest.approx(2 * stars - 5)
        assert STARS.rating(2 * stars - 5) == pytest.approx(stars)
    assert STARS.rating(4.2) == pytest.approx((4.2 + 5) / 2)
    assert STARS.unit == 0.5


def test_ratings_stay_within_their_range_and_rise_with_the_score():
    assert (STARS.rating(-5.0), STARS.rating(99.0)) == (1.0, 5.0)
    assert STARS.rating(np.array([-5.0, 0.0, 4.0, 9.0])).tolist() == [1.0, 2.5, 4.5, 5.0]


@given(st.floats(-100, 100), st.floats(0.01, 100), st.floats(0, 1))
def test_any_scale_comes_back_and_spans_the_same_targets(low, width, share):
    scale = ScoreMap(low, low + width)
    rating = low + share * width
    assert scale.rating(scale.target(rating)) == pytest.approx(rating, abs=1e-6 * (1 + width))
    assert scale.target(low) == pytest.approx(-3, abs=1e-6)
    assert scale.target(low + width) == pytest.approx(5, abs=1e-6)


def test_what_the_manifest_says_is_enough_to_compute_stars():
    said = STARS.to_json()
    score = said["scale"] * 0.6  # of a cosine of 0.6
    assert said["rating_at_zero"] + said["rating_per_score"] * score == STARS.rating(score)
