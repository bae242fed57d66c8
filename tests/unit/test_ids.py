"""Uniqueness of ids is exact, whatever their type and order, and however little memory there is."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popstrat import engine
from popstrat.errors import InputError
from popstrat.scoring import unique_ids as ids_module
from popstrat.scoring.unique_ids import IdBatch, UniqueIds, check_unique, hash_ids

pytestmark = pytest.mark.smoke

KEY = np.uint64(0x1234_5678_9ABC_DEF0)
TYPES = [
    pa.int64(),
    pa.string(),
    pa.large_string(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.string_view(),
    pa.dictionary(pa.uint32(), pa.string_view()),
]


def as_type(values: list[int], kind: pa.DataType) -> pa.Array:
    if pa.types.is_integer(kind):
        return pa.array(values, kind)
    text = pa.array([f"P{v}" for v in values], pa.string())
    return coded(text, kind) if pa.types.is_dictionary(kind) else text.cast(kind)


def coded(text: pa.Array, kind: pa.DataType) -> pa.Array:
    plain = text.dictionary_encode()
    return pa.DictionaryArray.from_arrays(plain.indices.cast(kind.index_type), plain.dictionary.cast(kind.value_type))


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled"])
def test_unique_ids_pass(kind: pa.DataType, order: str) -> None:
    values = list(range(95, 1105))
    if order == "descending":
        values.reverse()
    elif order == "shuffled":
        np.random.default_rng(1).shuffle(values)
    check_unique(pa.chunked_array([as_type(values[i : i + 100], kind) for i in range(0, 1010, 100)]), limit=64)


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("limit", [16, 1 << 20])
def test_a_repeat_is_found_wherever_it_is(kind: pa.DataType, limit: int) -> None:
    values = list(range(1000, 2000))
    values[700] = values[3]
    values[701] = values[950]
    chunks = [as_type(values[i : i + 97], kind) for i in range(0, 1000, 97)]
    with pytest.raises(InputError) as caught:
        check_unique(pa.chunked_array(chunks), limit=limit)
    assert caught.value.column == "patient_id"
    assert caught.value.rows == (700, 950)
    assert "2 ids occur more than once: row 701 repeats row 4" in str(caught.value)
    assert "1003" not in str(caught.value)


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_equal_neighbours_break_an_ascending_list(kind: pa.DataType) -> None:
    with pytest.raises(InputError, match="row 3 repeats row 2"):
        check_unique(as_type([10, 11, 11, 12], kind))


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_nulls_are_named_by_row(kind: pa.DataType) -> None:
    values = as_type(list(range(20)), kind).to_pylist()
    for row in range(4, 12):
        values[row] = None
    plain = pa.string() if pa.types.is_dictionary(kind) else kind
    chunks = [pa.array(values[i : i + 6], plain) for i in range(0, 20, 6)]
    with pytest.raises(InputError, match="is null") as caught:
        check_unique(pa.chunked_array([coded(c, kind) for c in chunks] if plain != kind else chunks))
    assert caught.value.rows == (4, 5)


@given(
    values=st.lists(st.one_of(st.text(max_size=20), st.text("01", max_size=18)), max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=4),
    limit=st.integers(1, 80),
)
@settings(max_examples=2 * settings.default.max_examples)
def test_the_verdict_is_exact(values: list[str], cuts: list[int], limit: int) -> None:
    edges = [0, *sorted(min(c, len(values)) for c in cuts), len(values)]
    parts = [pa.array(values[a:b], pa.string()) for a, b in itertools.pairwise(edges)]
    repeated = [v for v, n in Counter(values).items() if n > 1]
    ids = pa.chunked_array(parts, pa.string())
    if not repeated:
        check_unique(ids, limit=limit)
        return
    with pytest.raises(InputError) as caught:
        check_unique(ids, limit=limit)
    assert caught.value.rows[0] == next(i for i, v in enumerate(values) if v in values[:i])


def test_colliding_hashes_never_stop_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def few_hashes(ids: pa.Array, key: np.uint64) -> np.ndarray:
        return hash_ids(ids, key) & np.uint64(7)

    monkeypatch.setattr(ids_module, "hash_ids", few_hashes)
    unique = pa.array([f"{i}" for i in range(300, 0, -1)])
    check_unique(unique)
    with pytest.raises(InputError, match="row 301 repeats row 10"):
        check_unique(pa.concat_arrays([unique, pa.array(["291"])]))


def test_a_long_list_given_twice_is_bounded_and_named(tmp_path: Path) -> None:
    values = np.random.default_rng(2).permutation(30_000)
    chunk = pa.array(values)

    def batches() -> Iterator[IdBatch]:
        yield IdBatch(chunk, 0, 0)
        yield IdBatch(chunk, 1, 0)

    with UniqueIds(files=["a.csv", "b.csv"], spill_dir=tmp_path, limit=4096) as unique:
        for batch in batches():
            unique.add(batch)
        assert unique.spilled == 14
        assert list(tmp_path.iterdir()) == []  # it has no name that could outlive the process
        with pytest.raises(InputError) as caught:
            unique.finish(batches)
    assert list(tmp_path.iterdir()) == []
    assert "30,000 ids occur more than once: row 1 repeats row 1 of a.csv" in str(caught.value)
    assert caught.value.file == "b.csv"
    assert caught.value.rows == (0, 1, 2, 3, 4)


def test_ascending_ids_need_no_second_pass() -> None:
    with UniqueIds() as unique:
        for start in range(0, 1000, 100):
            unique.add(IdBatch(pa.array(np.arange(start, start + 100)), 0, start))
        assert unique.in_passing
        unique.finish(lambda: pytest.fail("read again"))


@pytest.mark.parametrize("text", [["9", "10", "100"], ["A1", "A10", "A2"], ["", "a", "b"]])
def test_text_ascends_by_length_or_by_letter(text: list[str]) -> None:
    with UniqueIds() as unique:
        unique.add(IdBatch(pa.array(text[:1])))
        unique.add(IdBatch(pa.array(text[1:]), 0, 1))
        assert unique.in_passing


@given(st.lists(st.text(max_size=30), unique=True, max_size=40), st.integers(0, 3), st.sampled_from(TYPES[1:3]))
@settings(max_examples=2 * settings.default.max_examples)
def test_text_hashes_depend_on_the_text_alone(values: list[str], skip: int, kind: pa.DataType) -> None:
    whole = pa.array(values, kind)
    hashes = hash_ids(whole, KEY)
    assert len(set(hashes.tolist())) == len(values)
    assert hash_ids(whole.slice(skip), KEY).tolist() == hashes[skip:].tolist()
    for value, expected in zip(values, hashes.tolist(), strict=True):
        assert hash_ids(pa.array([value], pa.string()), KEY).tolist() == [expected]


def test_widths_and_signs_of_integers() -> None:
    check_unique(pa.array([3, -1, 2], pa.int8()))
    check_unique(pa.array([2**64 - 1, 0, 2**63], pa.uint64()))
    with pytest.raises(InputError):
        check_unique(pa.array([2**64 - 1, 0, 2**64 - 1], pa.uint64()))
    check_unique(pa.array([], pa.int64()))
    check_unique(pa.chunked_array([], pa.string()))


@pytest.mark.parametrize("spread", [1, 3, 10**6, 10**9])
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 1000, 70_000])
def test_distinct(rows: int, spread: int) -> None:
    """Close together or far apart, in one list or several, at any offset: one repeat is seen wherever it is."""
    rng = np.random.default_rng(rows)
    ids = rng.permutation(np.arange(rows, dtype=np.int64) * spread - rows * spread // 2)
    cuts = sorted(rng.integers(0, rows + 1, 3).tolist())
    lists = [(np.concatenate([np.zeros(5, np.int64), part]), 5, len(part)) for part in np.split(ids, cuts)]
    assert engine.distinct(lists)
    if rows > 1:
        twice = ids.copy()
        twice[int(rng.integers(1, rows))] = twice[0]
        assert not engine.distinct([(twice, 0, rows)])
        assert not engine.distinct([(ids, 0, rows), (ids[-1:].copy(), 0, 1)])
    extremes = np.array([-(2**63), 2**63 - 1, 0, -1], np.int64)
    assert engine.distinct([(extremes, 0, 4)])
    with pytest.raises(ValueError, match="needed"):
        engine.distinct([(ids, 1, rows)])


@pytest.mark.parametrize("odd", ["far", "alike", "low", "high"])
def test_distinct_where_few_of_many_are_odd(odd: str) -> None:
    """Ids of which a few lie far from all others, or whose hashes are alike: the quick way for most lists is not for
    those."""
    window, first = 1 << 40, 7 * 10**12
    inverse = pow(0x9E3779B97F4A7C15, -1, window)
    hashes = np.arange(1, 100_001, dtype=np.uint64)
    if odd != "alike":
        hashes = hashes * np.uint64(window // 100_003)
    found = hashes * np.uint64(inverse) & np.uint64(window - 1)
    found ^= found >> np.uint64(20)
    ends = np.array([0, window - 2], np.uint64)  # by which the window is known, since each list's first is looked at
    ids, ends = (first + x.astype(np.int64) for x in (found[~np.isin(found, ends)], ends))
    if odd != "alike":
        ids[777] = {"far": 2**62, "low": first - 1, "high": first + window}[odd]
    lists = [(ends, 0, 1), (ends, 1, 1), (ids, 0, len(ids))]
    assert engine.distinct(lists)
    assert not engine.distinct([*lists, (ids, 777, 1)])
    ids[99_000] = ids[500]
    assert not engine.distinct(lists)
