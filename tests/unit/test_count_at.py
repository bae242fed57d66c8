"""How many rows have each place, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from popstrat.engine import count_at


@pytest.mark.parametrize("seed", range(20))
def test_rows_are_counted_at_their_places(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, most = int(rng.integers(0, 500)), int(rng.integers(1, 60))
    there = (rng.random(rows) < rng.random()).astype(np.uint8)
    places = rng.integers(0, most, rows).astype(np.int32)
    counts = rng.integers(0, 5, most)
    expected = counts + np.bincount(places[there == 1], minlength=most)
    count_at(there, places, counts)
    assert counts.tolist() == expected.tolist()


@pytest.mark.parametrize("seed", range(20))
def test_places_that_count_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    there = (rng.random(300) < 0.7).astype(np.uint8)
    days = rng.choice([-(2**31), 2**31 - 1, *range(90, 130)], 300).astype(np.int32)
    counts = np.zeros(20, np.int64)
    count_at(there, days, counts, 110)
    ages = 110 - days.astype(np.int64)
    kept = ages[(there == 1) & (ages >= 0) & (ages < 20)]
    assert counts.tolist() == np.bincount(kept, minlength=20).tolist()


def test_what_cannot_be_counted() -> None:
    ones, places = np.ones(3, np.uint8), np.array([0, 1, 2], np.int32)
    for there, at, counts in ((ones[:2], places, 3), (ones, places, 2), (ones, -places, 3)):
        with pytest.raises(ValueError, match="place"):
            count_at(there, at, np.zeros(counts, np.int64))
