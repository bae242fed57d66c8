"""Rows counted by cell: as NumPy counts them, and nothing outside its buffers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from popstrat.engine.arrays.cells import Cells, numbered, within


def packed(bits: Any) -> Any:
    return np.packbits(bits, bitorder="little")


@pytest.mark.parametrize("seed", range(30))
def test_counts_and_sums(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = int(rng.choice([0, 1, 63, 64, 65, 1000, 70_000]))
    most = int(rng.integers(1, 9))
    whole = rng.integers(0, most, rows).astype(np.int32)
    tables, expected = [], []
    start = 0
    for _ in range(int(rng.integers(1, 5))):
        groups, at = [], np.zeros(rows, np.int64)
        width = 1
        for _ in range(int(rng.integers(0, 3))):
            size, offset = int(rng.integers(1, 6)), int(rng.integers(0, 9))
            codes = rng.integers(0, 8, offset + rows).astype(np.uint8)  # some beyond the size
            valid = rng.random(offset + rows) < 0.8 if rng.random() < 0.5 else None
            groups.append((codes, None if valid is None else packed(valid), offset, size))
            code = np.minimum(codes[offset:], size - 1).astype(np.int64)
            if valid is not None:
                code[~valid[offset:]] = size - 1
            at, width = at * size + code, width * size
        tables.append(groups)
        expected.append(start + at)
        start += width
    cells = Cells(whole, most, tables)
    assert (cells.rows, cells.width) == (rows, start)
    middle = rows // 3
    assert cells.fill(0, middle) == cells.fill(middle, rows) == -1
    bits = rng.random(rows) < rng.choice([0.01, 0.5, 1.0])
    counts = np.ones((2, most * start + 3), np.uint32)
    everybody = None
    if rng.random() < 0.5:
        everybody = np.zeros(max(1, most * start), np.uint32)
        cells.count([None], [everybody])
    cells.count([packed(bits), None], list(counts), everybody)
    values = rng.integers(-3, 1000, rows)
    sums, squares = np.zeros((2, most * start), np.int64)
    kind = np.float64 if rng.random() < 0.5 else np.int16
    cells.sum(values.astype(kind), np.dtype(kind).itemsize, packed(bits), sums, squares)
    for at in expected:
        where = whole * start + at
        for found, some in zip(counts, (bits, np.ones(rows, bool)), strict=True):
            found[: most * start] -= np.bincount(where[some], minlength=most * start).astype(np.uint32)
        np.subtract.at(sums, where[bits], values[bits])
        np.subtract.at(squares, where[bits], values[bits] ** 2)
    assert (counts == 1).all()
    assert not sums.any()
    assert not squares.any()


def test_somebody_in_no_whole_is_named() -> None:
    cells = Cells(np.array([0, 1, -1, 2], np.int32), 2, [[]])
    assert cells.fill(0, 2) == -1
    assert cells.fill(0, 4) == 2


def test_numbers_of_a_dictionary() -> None:
    table, out = np.array([7, 9], np.int32), np.zeros(5, np.int32)
    indices = np.array([9, 0, 1, 5, 1, 0], np.int16)
    valid = packed([True, True, True, False, True, True])
    assert numbered(indices, 2, valid, 1, 5, table, out) == -1
    assert out.tolist() == [7, 9, -1, 9, 7]
    assert numbered(indices, 2, None, 1, 5, table, out) == 2
    assert numbered(np.array([-1], np.int8), 1, None, 0, 1, table, out) == 0
    assert numbered(b"", 4, None, 0, 0, np.empty(0, np.int32), np.empty(0, np.int32)) == -1


def test_what_is_in_two_is_found() -> None:
    held, table = np.full(3, -1, np.int32), np.array([4, 6, -1, 9], np.int32)
    whole = np.array([0, 1, 0, 2, -1], np.int32)
    assert within(whole, np.array([9, 0, 2, 0, 1, 0], np.int8), 1, None, 1, table, held) == -1
    assert held.tolist() == [4, -1, 6]
    assert within(whole, np.array([0, 3, 0, 0, 0], np.int16), 2, None, 0, table, held) == 3
    assert within(whole, np.array([0, 3, 0, 0, 0], np.int16), 2, packed([1, 1, 1, 0, 1]), 0, table, held) == -1
    assert within(whole[:0], b"", 4, None, 0, table, held) == -1
    for wrong in (4, -1):
        with pytest.raises(ValueError, match="outside"):
            within(whole, np.array([wrong] * 5, np.int64), 8, None, 0, table, held)
    with pytest.raises(ValueError, match="beyond"):
        within(np.array([3], np.int32), np.array([0], np.int8), 1, None, 0, table, held)
    with pytest.raises(ValueError, match="shorter"):
        within(whole, np.array([0] * 4, np.int8), 1, None, 0, table, held)


def test_buffers_that_are_too_short_are_refused() -> None:
    whole = np.zeros(100, np.int32)
    codes = np.zeros(100, np.uint8)
    with pytest.raises(ValueError, match="shorter"):
        Cells(whole, 1, [[(codes[:99], None, 0, 2)]])
    with pytest.raises(ValueError, match="shorter"):
        Cells(whole, 1, [[(codes, codes[:12], 0, 2)]])
    with pytest.raises(ValueError, match="256"):
        Cells(whole, 1, [[(codes, None, 0, 257)]])
    with pytest.raises(ValueError, match="tables"):
        Cells(whole, 1, [[]] * 9)
    with pytest.raises(ValueError, match="numbered"):
        Cells(whole, 1 << 20, [[(codes, None, 0, 256), (codes, None, 0, 256)]])
    cells = Cells(whole, 1, [[(codes, None, 0, 2)]])
    with pytest.raises(ValueError, match="range"):
        cells.fill(0, 101)
    with pytest.raises(ValueError, match="shorter"):
        cells.count([codes[:12]], [np.zeros(2, np.uint32)])
    with pytest.raises(ValueError, match="cells"):
        cells.count([None], [np.zeros(1, np.uint32)])
    with pytest.raises(ValueError, match="cells"):
        cells.count([None], [np.zeros(2, np.uint32)], np.zeros(1, np.uint32))
    with pytest.raises(ValueError, match="as many"):
        cells.count([None], [])
    with pytest.raises(ValueError, match="sums"):
        cells.sum(np.zeros(100), 8, None, np.zeros(2, np.int64), np.zeros(1, np.int64))
    for kind, width in ((np.float64, 8), (np.int16, 2)):
        with pytest.raises(ValueError, match="shorter"):
            cells.sum(np.zeros(99, kind), width, None, np.zeros(2, np.int64), np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="bytes"):
        cells.sum(np.zeros(100), 4, None, np.zeros(2, np.int64), np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="range"):
        numbered(codes, 3, None, 0, 1, whole, whole.copy())
    with pytest.raises(ValueError, match="shorter"):
        numbered(codes, 4, None, 0, 26, whole, whole.copy())
