"""The packs that ship, on generated tables: the engine gives what the reference gives, to the bit on every path."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import warnings
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from generated import AS_OF, Table, bits, compare, fewer_passes, invariances, odd_flag, physical, plain, tables, take
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

import popstrat
from popstrat import InputError
from popstrat.compiler.options import NAMES
from popstrat.packs.read import builtin_packs
from popstrat.scoring.scorer import Scorer
from popstrat.scoring.tally import Tally


@cache
def scorer_at(as_of: dt.date, pack: str = "london-2026") -> Scorer:
    return Scorer(pack, as_of)


@given(st.data())
def test_engine_and_reference_agree(data: Any) -> None:
    """Any columns in any accepted types, any nulls and implausible values, any as-of date."""
    scorer = scorer_at(data.draw(AS_OF))
    table = tables(data.draw, scorer.resolved)
    scored, tally = compare(scorer, table)
    plain(scorer, table, scored, tally)
    invariances(scorer, table, scored, np.random.default_rng(data.draw(st.integers(0, 99))))


@given(st.data())
def test_canonical_types(data: Any) -> None:
    """The canonical types, every column there: what `popstrat synth` and most extracts hold."""
    scorer = scorer_at(dt.date(2026, 6, 30))
    table = tables(data.draw, scorer.resolved, canonical=True, most=200)
    compare(scorer, table)


@settings(max_examples=settings.default.max_examples // 8)
@given(st.data())
def test_no_pass_of_the_compiler_changes_an_answer(data: Any) -> None:
    """Whichever are left out, each alone and some together, results are the same to the last bit."""
    scorer = scorer_at(data.draw(AS_OF), data.draw(st.sampled_from(builtin_packs())))
    table = tables(data.draw, scorer.resolved)
    fewer_passes(scorer, table, data.draw(st.sets(st.sampled_from(NAMES))))


@given(st.data())
def test_an_odd_flag_stops_the_run(data: Any) -> None:
    """A number other than 0 and 1 in a flag that is read: refused by name, with the rows, counted or not, on one
    thread or several, in any type of number, in a slice or not."""
    scorer = scorer_at(dt.date(2026, 6, 30))
    table = tables(data.draw, scorer.resolved, least=1)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    read = {c for c in scorer.columns if scorer.pack.schema[c].type == "bool"}
    flags = [c for c, kind in table.types.items() if c in read and kind.startswith(("int", "uint", "float", "decimal"))]
    assume(flags)
    name = str(rng.choice(flags))
    rows = np.flatnonzero(rng.random(len(table.rows)) < 0.2)
    assume(len(rows))
    values = [row[name] for row in table.rows]
    for row in rows:
        values[row] = odd_flag(table.types[name], rng)
    array, _ = physical(scorer.pack.schema[name], table.types[name], values, rng)
    odd = table.batch.set_column(table.batch.schema.get_field_index(name), name, array)
    for counted, threads in ((True, 1), (False, 1), (False, 2)):
        with pytest.raises(InputError, match="a number other than 0 and 1") as caught:
            scorer.bind(odd.schema, counted=counted).score(odd, threads=threads)
        error = caught.value
        assert (error.column, error.rows, error.more) == (name, tuple(rows[:5]), max(0, len(rows) - 5))


def close(a: Tally, b: Tally) -> bool:
    """Equal counts, and sums but for the order of summing."""
    near = all(math.isclose(a.sums[k], b.sums[k], rel_tol=1e-12, abs_tol=1e-9) for k in a.sums)
    return near and replace(a, sums={}) == replace(b, sums={})


@settings(max_examples=settings.default.max_examples // 8, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.data())
def test_chunks_threads_and_places(data: Any) -> None:
    """A long table made of a short one: each row gets the same answer wherever it stands, on one thread or several,
    in one chunk or many of odd sizes."""
    scorer = scorer_at(dt.date(2026, 6, 30))
    table: Table = tables(data.draw, scorer.resolved, most=40, least=1)
    bound = scorer.bind(table.batch.schema)
    exact = [bits(c) for c in bound.score(table.batch)[0].columns]
    size = table.batch.num_rows
    rows = data.draw(st.sampled_from([4095, 4096, 4097, 131_072 + 64, 140_001]))
    places = np.arange(rows) % size
    long = take(table.batch, places)
    one, tally_one = bound.score(long, threads=1)
    for threads in (2, 3):
        many, tally_many = bound.score(long, threads=threads)
        assert many.equals(one)
        assert close(tally_many, tally_one)
    first = data.draw(st.integers(0, rows - size))
    for start in (0, first, rows - size):
        part = [bits(c) for c in one.slice(start, size).columns]
        assert part == [[column[(start + i) % size] for i in range(size)] for column in exact]
    cuts = sorted({0, rows, *data.draw(st.lists(st.integers(0, rows), max_size=4))})
    pieces = [bound.score(long.slice(a, b - a)) for a, b in itertools.pairwise(cuts)]
    assert pa.Table.from_batches([p[0] for p in pieces]).equals(pa.Table.from_batches([one]))
    total = pieces[0][1]
    for _, tally in pieces[1:]:
        total = total + tally
    assert close(total, tally_one)


@settings(max_examples=settings.default.max_examples // 4)
@given(st.data())
def test_score_is_score_batch(data: Any) -> None:
    """`popstrat.score` gives the batches' answers, whatever the chunks; other columns are passed over."""
    scorer = scorer_at(dt.date(2026, 6, 30))
    table: Table = tables(data.draw, scorer.resolved, most=60)
    batch = table.batch
    one = scorer.score_batch(batch)
    cut = data.draw(st.integers(0, batch.num_rows))
    whole = pa.Table.from_batches([batch.slice(0, cut), batch.slice(cut)], schema=batch.schema)
    extra = whole.append_column("something_else", pa.nulls(whole.num_rows, pa.list_(pa.int8())))
    for given_table in (whole, extra):
        scored = popstrat.score(given_table, "2026-06-30")
        assert scored.schema.equals(one.schema)
        assert scored.to_pylist() == pa.Table.from_batches([one]).to_pylist()


@settings(max_examples=settings.default.max_examples // 2)
@given(st.data())
def test_the_other_packs_that_ship(data: Any) -> None:
    """As for the London pack."""
    others = [p for p in builtin_packs() if p != "london-2026"]
    if not others:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scorer = scorer_at(data.draw(AS_OF), data.draw(st.sampled_from(others)))
    table = tables(data.draw, scorer.resolved)
    scored, tally = compare(scorer, table)
    plain(scorer, table, scored, tally)
    invariances(scorer, table, scored, np.random.default_rng(data.draw(st.integers(0, 99))))
