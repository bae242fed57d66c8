"""The engine's choice of the largest, against sorting; on random columns, row counts and ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popstrat.engine.arrays.top_k import MOST, top_k

AMOUNTS = st.sampled_from([0.0, -0.0, 0.25, -0.25, 0.5, 1.0, -1.5, 1e-14, 3.0])


def packed(flags: np.ndarray) -> bytes:
    return np.packbits(flags, bitorder="little").tobytes()


@st.composite
def cases(
    draw: st.DrawFn,
) -> tuple[list[tuple[int, float | None, np.ndarray, np.ndarray | None]], np.ndarray | None, int]:
    rows = draw(st.one_of(st.integers(0, 10), st.integers(60, 70), st.integers(126, 200)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    columns: list[tuple[int, float | None, np.ndarray, np.ndarray | None]] = []
    for code in range(draw(st.integers(0, 12))):
        if draw(st.booleans()):
            columns.append((code, draw(AMOUNTS), rng.random(rows) < draw(st.sampled_from([0.0, 0.1, 0.6, 1.0])), None))
        else:
            values = rng.choice([0.0, 0.25, -0.25, 0.5, -2.0, 1e-14], rows)
            columns.append((code, None, values, rng.random(rows) < 0.7 if draw(st.booleans()) else None))
    present = rng.random(rows) < 0.8 if draw(st.booleans()) else None
    return columns, present, rows


@given(cases(), st.integers(1, 8), st.integers(0, 3))
def test_largest_against_sorting(case: tuple[list, np.ndarray | None, int], k: int, skipped: int) -> None:  # type: ignore[type-arg]
    columns, present, rows = case
    start = min(64 * skipped, rows // 64 * 64)
    given_columns = [
        (
            code,
            amount,
            packed(values) if amount is not None else values.tobytes(),
            None if valid is None else packed(valid),
        )
        for code, amount, values, valid in columns
    ]
    offsets, codes, amounts = top_k(given_columns, None if present is None else packed(present), rows, start, rows, k)
    assert offsets[0] == 0
    for row in range(start, rows):
        found = []
        for code, amount, values, valid in columns:
            adds = amount if amount is not None and values[row] else 0.0 if amount is not None else values[row]
            if adds and (valid is None or valid[row]) and (present is None or present[row]):
                found.append((-abs(adds), code, adds))
        at = slice(offsets[row - start], offsets[row - start + 1])
        wanted = sorted(found)[:k]
        assert list(zip(codes[at].tolist(), amounts[at].tolist(), strict=True)) == [(c, a) for _, c, a in wanted]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (([], None, 10, 0, 10, 0), "between 1 and"),
        (([], None, 10, 0, 10, MOST + 1), "between 1 and"),
        (([], None, 10, 0, 11, 1), "rows out of range"),
        (([], None, 100, 1, 64, 1), "rows out of range"),
        (([(0, 1.0, b"\0", None)], None, 10, 0, 10, 1), "shorter than its rows"),
        (([(0, None, b"\0" * 79, None)], None, 10, 0, 10, 1), "shorter than its rows"),
        (([(0, None, b"\0" * 80, b"\0")], None, 10, 0, 10, 1), "shorter than its rows"),
        (([], b"\0", 10, 0, 10, 1), "shorter than its rows"),
    ],
)
def test_sizes_are_checked(arguments: tuple, told: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=told):
        top_k(*arguments)
