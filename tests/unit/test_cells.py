"""Rows counted by cell: as a plain loop counts them, on every instruction set, and nothing outside its buffers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from cells_reference import Part, Rows, counted, within
from hypothesis import given, settings
from hypothesis import strategies as st

from popstrat.engine import LEVELS, levels
from popstrat.engine.arrays.cells import BLOCK, FINE, IN_TWO, NOWHERE, Cells, Coded, Tally

ALL = [LEVELS[name] for name in levels()]
INTEGERS: tuple[Any, ...] = (np.int8, np.int16, np.int32, np.int64)


def packed(bits: Any) -> Any:
    return np.packbits(np.asarray(bits, bool), bitorder="little")


def coded(numbers: Any, kind: Any = np.int32, offset: int = 0, *, nulls: bool = False) -> Coded:
    """Numbers as the indices of a dictionary in another order; -1 as null or as an entry of -1."""
    numbers = np.asarray(numbers, np.int64)
    entries = max(1, int(numbers.max(initial=0)) + 1)
    table = np.append(np.arange(entries)[::-1], -1).astype(np.int32)
    indices = np.where(numbers < 0, entries, entries - 1 - numbers)
    before = np.full(offset, -5)
    valid = None
    if nulls:
        indices[numbers < 0] = 77  # beneath null anything may be
        valid = packed(np.concatenate([before > 0, numbers >= 0]))
    values = np.concatenate([before, indices]).astype(kind)
    return Coded(values, np.dtype(kind).itemsize, valid, offset, len(numbers), table)


def of_engine(batch: Rows, whole: Coded, most: int, rng: np.random.Generator) -> Cells:
    """A batch as buffers, which begin within others and at odd bits."""
    tables = []
    for table in batch.tables:
        groups = []
        for part in table:
            offset = int(rng.integers(0, 9))
            codes = np.concatenate([np.full(offset, 99), part.codes]).astype(np.uint8)
            valid = packed([*[False] * offset, *part.valid]) if not all(part.valid) or offset % 2 else None
            groups.append((codes, valid, offset, part.size))
        tables.append(groups)
    numbers = []
    for values in batch.numbers:
        kind = (np.int16, np.float64)[int(rng.integers(2))]
        given = np.array([9 if value is None else value for value in values], kind)
        there = [value is not None for value in values]
        numbers.append((given, given.itemsize, None if all(there) else packed(there)))
    return Cells(whole, most, tables, [packed(plane) for plane in batch.planes], numbers)


def drawn(rng: np.random.Generator, rows: int, most: int, like: Rows | None, shape: dict[str, Any]) -> Rows:
    whole = rng.integers(0, most, rows)
    if shape["in order"]:
        whole = np.sort(whole)
    sizes = shape["sizes"] if like is None else [[part.size for part in table] for table in like.tables]
    tables = []
    for some in sizes:
        parts = []
        for size in some:
            valid = rng.random(rows) < rng.choice([0.8, 1.0])
            parts.append(Part(rng.integers(0, size + 2, rows).tolist(), valid.tolist(), size))
        tables.append(parts)
    share = shape["share"]
    planes = [(rng.random(rows) < share).tolist() for _ in range(shape["planes"])]
    numbers = [
        [None if rng.random() < 0.1 else int(n) for n in rng.integers(-3, 400, rows) * (rng.random(rows) < 0.5)]
        for _ in range(shape["numbers"])
    ]
    return Rows(whole.tolist(), tables, planes, numbers)


SHAPES = st.fixed_dictionaries({
    "sizes": st.lists(st.lists(st.integers(1, 5), max_size=2), min_size=1, max_size=4),
    "planes": st.sampled_from([0, 1, 15, 16, 17, 63, 64, 65, 130, 200]),
    "numbers": st.integers(0, 3),
    "share": st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    "in order": st.booleans(),
})  # fmt: skip


@given(
    SHAPES,
    st.lists(st.sampled_from([0, 1, 7, 8, 63, 64, 65, BLOCK - 1, BLOCK, BLOCK + 1, 1300]), min_size=1, max_size=3),
    st.sampled_from([1, 2, 9]),
    st.integers(1, 3),
    st.integers(0, 2**32),
)
@settings(deadline=None)
def test_as_a_plain_loop_counts(shape: dict[str, Any], sizes: list[int], most: int, threads: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    batches: list[Rows] = []
    for rows in sizes:
        batches.append(drawn(rng, rows, most, batches[0] if batches else None, shape))
    expected = counted(batches, most)
    for level in ALL:
        tally = Tally(expected.everybody.shape[1], shape["planes"], shape["numbers"], threads)
        for number, batch in enumerate(batches):
            known = most if number else max(1, max(batch.whole, default=0) + 1)  # there may be more later
            if tally.most < known:
                tally.grow(known)
            kind = INTEGERS[int(rng.integers(4))]
            cells = of_engine(batch, coded(batch.whole, kind, int(rng.integers(0, 9))), known, rng)
            assert cells.width == tally.width
            for start in range(0, len(batch.whole), BLOCK):
                stop = min(start + BLOCK, len(batch.whole))
                assert tally.add(cells, start, stop, start // BLOCK % threads, level=level) == FINE
        tally.grow(max(most, tally.most))
        everybody, planes, sums = tally.finish()
        assert np.array_equal(everybody, expected.everybody)
        assert np.array_equal(planes, expected.planes)
        assert np.array_equal(sums, expected.sums)


@pytest.mark.parametrize("in_order", [True, False])
def test_many_of_one_cell(in_order: bool) -> None:
    """More rows than a byte holds, by several threads at once."""
    rng = np.random.default_rng(4)
    rows, most, planes = 60_000, 3, 70
    whole = rng.integers(0, most, rows)
    whole = np.sort(whole) if in_order else whole
    sex = np.zeros(rows, np.uint8)
    bits = rng.random((planes, rows)) < 0.9
    values = rng.integers(0, 3000, rows).astype(np.int16)
    cells = Cells(coded(whole), most, [[(sex, None, 0, 3)], []], [packed(plane) for plane in bits], [(values, 2, None)])
    for level in ALL:
        tally = Tally(4, planes, 1, 4)
        tally.grow(most)
        step = 15 * BLOCK
        with ThreadPoolExecutor(4) as pool:
            for again in range(2):
                starts = range(0, rows, step)
                jobs = [pool.submit(tally.add, cells, s, min(s + step, rows), i % 4, level=level)
                        for i, s in enumerate(starts) if i < 4]  # fmt: skip
                assert all(job.result() == FINE for job in jobs)
                assert sum(min(s + step, rows) - s for s in starts) == rows
                for i, s in enumerate(starts):
                    if i >= 4:
                        assert tally.add(cells, s, min(s + step, rows), 0, level=level) == FINE
                everybody, counts, sums = tally.finish()
                people = np.bincount(whole, minlength=most) * (again + 1)
                assert np.array_equal(everybody[:, 0], people)
                assert np.array_equal(everybody[:, 3], people)
                for i, plane in enumerate(bits):
                    assert np.array_equal(counts[:, 3, i], np.bincount(whole[plane], minlength=most) * (again + 1))
                added = np.bincount(whole, values, minlength=most) * (again + 1)
                squared = np.bincount(whole, values.astype(float) ** 2, minlength=most) * (again + 1)
                assert np.array_equal(sums[:, 0, 0], np.transpose([added, squared]))
                assert not sums[:, 1:3].any()


def test_numbers_of_a_dictionary() -> None:
    table, out = np.array([7, 9], np.int32), np.zeros(5, np.int32)
    indices = np.array([9, 0, 1, 5, 1, 0], np.int16)
    valid = packed([True, True, True, False, True, True])
    assert Coded(indices, 2, valid, 1, 5, table).numbers(out) == -1
    assert out.tolist() == [7, 9, -1, 9, 7]
    assert Coded(indices, 2, None, 1, 5, table).numbers(out) == 2
    assert Coded(np.array([-1], np.int8), 1, None, 0, 1, table).numbers(out) == 0
    assert Coded(b"", 4, None, 0, 0, np.empty(0, np.int32)).numbers(np.empty(0, np.int32)) == -1


@given(st.integers(0, 2**32), st.booleans(), st.booleans())
@settings(deadline=None)
def test_what_each_whole_is_in(seed: int, in_order: bool, nulls: bool) -> None:
    """As a plain loop sees it; counting says where there is anything to see, and else keeps the same."""
    rng = np.random.default_rng(seed)
    rows, most = int(rng.choice([1, 64, BLOCK, 1300])), int(rng.integers(1, 6))
    whole = rng.integers(0, most, rows)
    whole = np.sort(whole) if in_order else whole
    things = whole % 3
    things[rng.random(rows) < rng.choice([0.0, 0.3])] = -1
    if rng.random() < 0.3:
        things[rng.integers(0, rows)] = 3
    plain: dict[int, int] = {}
    first = within(whole.tolist(), things.tolist(), plain)
    kind = INTEGERS[int(rng.integers(4))]
    inside = coded(things, kind, int(rng.integers(0, 9)), nulls=nulls)
    held = np.full(most, -1, np.int32)
    assert inside.within(whole.astype(np.int32), held) == first
    assert {i: int(n) for i, n in enumerate(held) if n >= 0} == plain
    for level in ALL:
        tally = Tally(1, 0, 0)
        tally.grow(most)
        kept = np.full(most, -1, np.int32)
        found = tally.add(Cells(coded(whole), most, [[]], within=[inside]), 0, rows, held=[kept], level=level)
        assert found == (FINE if first < 0 else IN_TWO)
        assert first >= 0 or np.array_equal(kept, held)


def test_what_is_in_two_is_found() -> None:
    held, table = np.full(3, -1, np.int32), np.array([4, 6, -1, 9], np.int32)
    whole = np.array([0, 1, 0, 2, -1], np.int32)

    def of(indices: Any, valid: Any = None, offset: int = 0, rows: int = 5) -> Coded:
        return Coded(indices, indices.dtype.itemsize, valid, offset, rows, table)

    assert of(np.array([9, 0, 2, 0, 1, 0], np.int8), None, 1).within(whole, held) == -1
    assert held.tolist() == [4, -1, 6]
    assert of(np.array([0, 3, 0, 0, 0], np.int16)).within(whole, held) == 3
    assert of(np.array([0, 3, 0, 0, 0], np.int16), packed([1, 1, 1, 0, 1])).within(whole, held) == -1
    assert Coded(b"", 4, None, 0, 0, table).within(whole[:0], held) == -1
    for wrong in (4, -1):
        inside = of(np.array([wrong] * 5, np.int64))
        with pytest.raises(ValueError, match="outside"):
            inside.within(whole, held)
        tally = Tally(1, 0, 0)
        tally.grow(3)
        assert tally.add(Cells(coded([0] * 5), 3, [[]], within=[inside]), 0, 5, held=[held]) == IN_TWO
    with pytest.raises(ValueError, match="beyond"):
        of(np.array([0], np.int8), rows=1).within(np.array([3], np.int32), held)
    with pytest.raises(ValueError, match="no whole"):
        of(np.array([0], np.int8), rows=1).within(np.array([3], np.int32), held[:0])
    with pytest.raises(ValueError, match="shorter"):
        of(np.array([0] * 4, np.int8))


def test_rows_of_no_whole_are_named() -> None:
    for level in ALL:
        tally = Tally(1, 0, 0)
        assert tally.add(Cells(coded([]), 0, [[]]), 0, 0, level=level) == FINE
        assert tally.add(Cells(coded([0]), 0, [[]]), 0, 1, level=level) == NOWHERE
        tally.grow(2)
        for nulls in (True, False):
            assert tally.add(Cells(coded([0, 1, -1], nulls=nulls), 2, [[]]), 0, 3, level=level) == NOWHERE
        assert tally.add(Cells(coded([0, 1, 2]), 2, [[]]), 0, 3, level=level) == NOWHERE
        outside = Coded(np.array([0, 0, 5], np.int32), 4, None, 0, 3, np.zeros(1, np.int32))
        assert tally.add(Cells(outside, 2, [[]]), 0, 3, level=level) == 2
        assert not any(part.any() for part in tally.finish())


def test_buffers_that_are_too_short_are_refused() -> None:
    whole, codes, bits = coded([0] * 100), np.zeros(100, np.uint8), np.zeros(13, np.uint8)
    shorts = np.zeros(100, np.int16)
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
    with pytest.raises(ValueError, match="numbered"):
        Cells(whole, 1, [[(codes, None, 0, 256)] * 5])
    with pytest.raises(ValueError, match="too many"):
        Cells(whole, 1, [[]], within=[whole] * 9)
    with pytest.raises(ValueError, match="as many rows"):
        Cells(whole, 1, [[]], within=[coded([0] * 99)])
    with pytest.raises(ValueError, match="shorter"):
        Cells(whole, 1, [[]], [bits[:12]])
    with pytest.raises(ValueError, match="shorter"):
        Cells(whole, 1, [[]], [bits], [(shorts[:99], 2, None)])
    with pytest.raises(ValueError, match="shorter"):
        Cells(whole, 1, [[]], [bits], [(shorts, 2, bits[:12])])
    with pytest.raises(ValueError, match="2 or 8"):
        Cells(whole, 1, [[]], [bits], [(shorts, 4, None)])
    with pytest.raises(ValueError, match="range"):
        Coded(codes, 3, None, 0, 1, np.zeros(1, np.int32))
    with pytest.raises(ValueError, match="shorter"):
        Coded(codes, 4, None, 0, 26, np.zeros(1, np.int32))
    with pytest.raises(ValueError, match="range"):
        whole.numbers(np.zeros(99, np.int32))


def test_sizes_that_do_not_fit_are_refused() -> None:
    whole, bits, shorts = coded([0] * 1000), np.zeros(125, np.uint8), np.zeros(1000, np.int16)
    cells = Cells(whole, 1, [[]], [bits], [(shorts, 2, None)], [whole])
    held = np.zeros(1, np.int32)
    for wrong in ((0, 0, 0), (1, -1, 0), (1, 0, -1), (1, 0, 0, 0)):
        with pytest.raises(ValueError, match="range"):
            Tally(*wrong)
    tally = Tally(1, 1, 1)
    with pytest.raises(ValueError, match="fewer cells"):
        tally.add(cells, 0, 1000, 0, [held])
    tally.grow(4)
    assert (tally.width, tally.planes, tally.numbers, tally.threads, tally.most) == (1, 1, 1, 1, 4)
    for fewer in (3, 1 << 40):
        with pytest.raises(ValueError, match="numbered"):
            tally.grow(fewer)
    for start, stop, thread in ((0, 1001, 0), (1, 1000, 0), (-512, 1000, 0), (0, 1000, 1)):
        with pytest.raises(ValueError, match="range"):
            tally.add(cells, start, stop, thread, [held])
    for level in (1, 6, -1):
        with pytest.raises(ValueError, match="instruction set"):
            tally.add(cells, 0, 1000, 0, [held], level)
    with pytest.raises(ValueError, match="as many"):
        tally.add(cells, 0, 1000)
    with pytest.raises(ValueError, match="fewer things"):
        tally.add(cells, 0, 1000, 0, [held[:0]])
    for other in (Tally(2, 1, 1), Tally(1, 2, 1), Tally(1, 1, 2)):
        other.grow(4)
        with pytest.raises(ValueError, match="fewer cells" if other.width == 2 else "as many"):
            other.add(cells, 0, 1000, 0, [held])
    assert tally.add(cells, 512, 1000, 0, [held]) == FINE
    assert tally.finish()[0].tolist() == [[488], [0], [0], [0]]
