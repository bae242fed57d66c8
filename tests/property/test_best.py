"""The best of each list, batch by batch, against all rows sorted at once; ties at the cut counted by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popstrat.worklists import best
from popstrat.worklists.best import Best, measures, ties

VALUES = st.sampled_from([None, float("nan"), -1.0, -0.0, 0.0, 0.1, 0.25, 1.0, float("inf")])
PEOPLE = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), VALUES), max_size=120)


@given(people=PEOPLE, capacity=st.lists(st.integers(1, 9), min_size=4, max_size=4), batch=st.integers(1, 40))
@pytest.mark.parametrize("held", [0, 1 << 14])
def test_the_best_are_those_of_all_rows_sorted(
    people: list[tuple[int, int, float | None]], capacity: list[int], batch: int, held: int
) -> None:
    before, best._LEAST_HELD = best._LEAST_HELD, held
    try:
        found = _by_batches(people, capacity, batch)
    finally:
        best._LEAST_HELD = before
    key = list(range(len(people)))
    tie = ties(pa.array(key, pa.int64()), 20_000).tolist()
    for number in range(4):
        mine = [i for i in key if people[i][0] == number]
        mine.sort(key=lambda i: (people[i][1], -_worth(people[i][2]), tie[i]))
        chosen = mine[: capacity[number]]
        here = np.flatnonzero(found.at == number)
        assert found.rows["id"].take(pa.array(here)).to_pylist() == chosen if len(here) else not chosen
        assert found.position[here].tolist() == list(range(1, len(chosen) + 1))
        if chosen:
            last = people[chosen[-1]]
            alike = [i for i in mine if (people[i][1], _worth(people[i][2])) == (last[1], _worth(last[2]))]
            on = [i for i in chosen if i in alike]
            assert (found.cuts[number].on_list, found.cuts[number].people) == (len(on), len(alike))
            assert found.tied[here].tolist() == [i in alike and len(on) < len(alike) for i in chosen]


def _worth(value: float | None) -> float:
    """No record is less than anything."""
    return -np.inf if value is None or np.isnan(value) else value + 0.0


def _by_batches(people: list[tuple[int, int, float | None]], capacity: list[int], batch: int) -> best.Chosen:
    lists = Best(lambda number: capacity[number])
    for start in range(0, len(people), batch):
        some = people[start : start + batch]
        at = np.array([p[0] for p in some], np.int32)
        rank = np.array([p[1] for p in some], np.uint8)
        measure = measures(pa.array([p[2] for p in some], pa.float64()))
        keep = np.flatnonzero(lists.may_be(at, rank, measure))
        ids = pa.array(keep + start)
        lists.add(at[keep], rank[keep], measure[keep], ties(ids, 20_000), pa.RecordBatch.from_pydict({"id": ids}))
    return lists.finish(pa.table({"id": pa.array([], pa.int64())}))


def test_measures_put_numbers_of_every_type_in_order() -> None:
    for kind in (pa.float64(), pa.float32(), pa.int16(), pa.uint8()):
        column = pa.array([3, None, 0, 2, 250 if kind != pa.int16() else -7], kind)
        order = np.argsort(measures(column), kind="stable").tolist()
        assert order == ([4, 0, 3, 2, 1] if kind != pa.int16() else [0, 3, 2, 4, 1])


def test_the_hash_of_a_tie_stays_what_it_is_from_release_to_release() -> None:
    """Whoever drew a list can show it: the same date and key give the same number, whatever the key's type."""
    whole = ties(pa.array([1, 7, 4_000_000_001], pa.int64()), 20_634)
    text = ties(pa.array(["1", "7", "4000000001"]), 20_634)
    assert whole.tolist() == text.tolist() == PINNED
    assert ties(pa.array([1], pa.int64()), 20_635).tolist() != whole[:1].tolist()


PINNED = [10207177860429841301, 706901446730698805, 5895675483687391192]
