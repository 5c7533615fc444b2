"""What a tower reads of a history: levels of ratings and times, packed and padded."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fusionrec.features.history import (
    DATES,
    GAPS,
    RATINGS,
    UNKNOWN,
    Clock,
    History,
    HistoryFeatures,
    gap_levels,
    rating_levels,
)

SCALE = (1.0, 5.0)
VECTORS = np.eye(6, 4, dtype=np.float32)
CLOCK = Clock(first=1000.0, last=1000.0 + 64_000.0, longest=12)


def test_gap_levels_double():
    seconds = np.array([0, 0.9, 1, 2, 3, 4, 7, 8, 3600, np.nan, -5, 1e30, np.inf])
    levels = gap_levels(seconds)
    assert levels.tolist() == [1, 1, 2, 3, 3, 4, 4, 5, 13, 0, 1, GAPS - 1, GAPS - 1]
    assert levels.dtype == np.int64


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_time_has_a_level_and_longer_ones_no_lower(seconds):
    [level] = gap_levels(np.array([seconds]))
    assert (level == UNKNOWN) == math.isnan(seconds)
    assert 0 <= level < GAPS
    if not math.isnan(seconds):
        assert gap_levels(np.array([abs(seconds) * 2 + 1]))[0] >= level


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_rating_and_date_has_a_level(value):
    [rating], [date] = rating_levels(np.array([value]), SCALE), CLOCK.dates(np.array([value]))
    assert (rating == UNKNOWN) == (date == UNKNOWN) == math.isnan(value)
    assert 0 <= rating <= RATINGS
    assert 0 <= date <= DATES


def test_dates_are_equal_parts_and_end_where_training_ended():
    times = np.array([-1e12, 1000, 1999, 2000, 64_999, 65_000, 1e12])
    assert CLOCK.dates(times).tolist() == [1, 1, 1, 2, 64, 64, 64]


def test_the_clock_is_fitted_on_what_follows_within_one_user():
    user = np.array([0, 0, 0, 1, 1])
    time = np.array([10, 11, 15, 9_999, 10_000])
    clock = Clock.fit(user, time)
    assert clock == Clock(10.0, 10_000.0, int(gap_levels(np.array([4.0]))[0]))
    assert clock.since(np.array([1e9, 1.0, np.nan])).tolist() == [clock.longest, 2, UNKNOWN]
    alone = Clock.fit(np.array([0]), np.array([5]))
    assert alone.dates(np.array([5.0])).tolist() == [1]


def test_history_features_are_written_and_read_back():
    for gaps, clock in ((False, None), (True, None), (True, CLOCK)):
        reading = HistoryFeatures(7, SCALE, gaps, clock)
        assert HistoryFeatures.from_json(reading.to_json(), SCALE) == reading
    assert HistoryFeatures.from_json({"length": 7}, SCALE) == HistoryFeatures(7, SCALE)


def test_histories_are_packed_newest_last():
    reading = HistoryFeatures(2, SCALE, gaps=True, clock=CLOCK)
    long = History.of([0, 1, 2], [1, 5, 3], [1000, 2000, 2008])
    short = History.of([3], None, [3000])
    read, levels, count, gaps, since, date = reading.pack(
        [long, short, History.of()], VECTORS, np.array([2009.0, 4000.0, 5000.0])
    )
    assert np.array_equal(read[0], VECTORS[[1, 2]])
    assert np.array_equal(read[1], [VECTORS[3], np.zeros(4)])
    assert not read[2].any()
    assert levels.tolist() == [[10, 5], [0, 0], [0, 0]]
    assert count.tolist() == [[2], [1], [0]]
    eight = int(gap_levels(np.array([8.0]))[0])
    assert gaps[0].tolist() == [[0, 0, 0], [0, 1, eight], [0, eight, 1]]
    assert gaps[1].tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    # Of each token, the time from its item to the one behind it; of the last, to now.
    assert since[0].tolist() == [0, eight, 2]
    assert since[1].tolist() == [0, gap_levels(np.array([1000.0]))[0], 0]
    assert date[0].tolist() == [0, *CLOCK.dates(np.array([2008.0, 2009.0]))]
    assert not gaps[2].any()
    assert not since[2].any()
    assert not date[2].any(), "the profile alone does not read the clock"


def test_unknown_times_are_read_as_such_and_those_not_read_are_left_out():
    history = [History.of([0, 1], None, [1000, 2000])]
    *_, since, date = HistoryFeatures(3, SCALE, clock=CLOCK).pack(history, VECTORS)
    assert since.tolist() == [[0, gap_levels(np.array([1000.0]))[0], 0]]
    assert date.tolist() == [[0, CLOCK.dates(np.array([2000.0]))[0], 0]]
    assert len(HistoryFeatures(3, SCALE).pack(history, VECTORS, np.array([5.0]))) == 3


def test_a_later_history_takes_the_place_of_what_it_repeats():
    before = History.of([4, 5, 2], [1, 2, 3], [10, 20, 30])
    both = before.followed_by(History.of([5, 9], [4, np.nan]))
    assert both.items.tolist() == [4, 2, 5, 9]
    assert both.ratings.tolist()[:3] == [1, 3, 4]
    assert both.times.tolist()[:2] == [10, 30]
    assert np.isnan(both.times[2:]).all()
    assert len(before.followed_by(History.of())) == 3
    assert len(before.followed_by(History.of([5]), repeats=True)) == 4
