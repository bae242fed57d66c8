"""People counted in parts, as on several machines, are those counted of the whole."""

from __future__ import annotations

import datetime as dt
import pickle

import numpy as np
import pyarrow as pa
import pytest

from popstrat import synthetic
from popstrat.core.arrow import from_numpy
from popstrat.errors import InputError
from popstrat.metrics.counting import Counted, Counter, together
from popstrat.metrics.request import Request

AS_OF = dt.date(2026, 6, 30)
REQUEST = Request()
SCORER = REQUEST.scorer("neighbourhood-2026", AS_OF, "direct-care")


def counted(*batches: pa.RecordBatch) -> Counted:
    counter = Counter(REQUEST.counting(SCORER))
    for batch in batches:
        counter.add(SCORER.score_batch(batch))
    return pickle.loads(pickle.dumps(counter.finish()))  # type: ignore[no-any-return]


def same(one: Counted, other: Counted) -> None:
    assert one.practices == other.practices
    assert dict(one.within) == dict(other.within)
    assert np.array_equal(one.registered, other.registered)
    assert all(np.array_equal(one.people[n], other.people[n]) for n in one.people)
    assert all(np.array_equal(one.events[n][i], other.events[n][i]) for n in one.events for i in (0, 1))


def test_parts_add_up() -> None:
    """Whichever practices are in which part; parts of nobody too."""
    rng = np.random.default_rng(3)
    people = synthetic.table(4_000, seed=3, as_of=AS_OF, practices=9).combine_chunks()
    whole = counted(*people.to_batches())
    for _ in range(5):
        part = rng.integers(0, 4, people.num_rows)
        parts = [people.take(from_numpy(np.flatnonzero(part == i))).combine_chunks().to_batches() for i in range(3)]
        parts += [[], people.take(from_numpy(np.flatnonzero(part == 3))).combine_chunks().to_batches()]
        same(together([counted(*some) for some in parts]), whole)


def test_a_practice_is_in_one_area() -> None:
    people = synthetic.table(200, seed=3, as_of=AS_OF, practices=1).combine_chunks()
    at = people.column_names.index("place")
    one, other = (people.set_column(at, "place", pa.array([name] * 200)).to_batches() for name in ("Bexley", "Bromley"))
    with pytest.raises(InputError, match="'Bexley' and in 'Bromley': a practice is in one"):
        together([counted(*one), counted(*other)])


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("at", [1, 8_192, 12_000, 24_999])
def test_a_practice_is_in_one_area_whoever_counts_it(threads: int, at: int) -> None:
    """The two may be in one block, in blocks that two threads count, or in two batches."""
    people = synthetic.table(25_000, seed=3, as_of=AS_OF, practices=1).combine_chunks()
    column = people.column_names.index("place")
    places = pa.array([*["Bexley"] * at, *["Bromley"] * (25_000 - at)]).dictionary_encode()
    batch = people.set_column(column, "place", places).combine_chunks().to_batches()[0]
    for parts in ([batch], [batch.slice(0, at), batch.slice(at)]):
        counter, scored = Counter(REQUEST.counting(SCORER), threads), [SCORER.score_batch(part) for part in parts]
        with pytest.raises(InputError, match="'Bexley' and in 'Bromley': a practice is in one") as told:
            _ = [counter.add(part) for part in scored]
        assert told.value.rows == (at if len(parts) == 1 else 0,)
