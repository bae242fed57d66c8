"""The built-in pack gives what three programs agree on: popstrat, and the rules written out twice more by hand.

benchmarks/peer_polars.py and benchmarks/peer_duckdb.py share no code with the package. Every column of the scored
table must be the same in all three, on a list as it is, on one with the faults of real extracts, on one made of corner
cases (nulls everywhere, values and dates at and beside every threshold, birthdays around the as-of date) and on one
made of implausible values at and beside every limit.
"""

from __future__ import annotations

import datetime as dt
import sys
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import popstrat
from popstrat import synthetic
from popstrat.core.dates import days, months_before
from popstrat.packs.patient_table import Column, patient_schema

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import compare
import peer_duckdb
import peer_polars

PATIENTS = 60_000
AS_OF = dt.date(2026, 6, 30)
DATES = [
    AS_OF,
    dt.date(2026, 7, 1),  # severe mental illness counts from here on
    dt.date(2027, 2, 28),  # not yet a birthday for those born on 29 February
    dt.date(2027, 3, 1),
    dt.date(2028, 2, 29),
]

FLOATS = {
    "efi": (0.0, 0.1199, 0.12, 0.1201, 0.24, 0.25, 0.36, 0.3600001, 1.0),
    "hba1c": (15, 47.9, 48, 58, 58.1, 75, 75.1, 200),
    "egfr": (1, 19.9, 20, 29.9, 30, 44.9, 45, 59.9, 60, 90, 90.1, 200),
    "egfr_previous": (1, 59.9, 60, 60.1),
    "acr": (0, 2.9, 3, 22.5, 22.6, 29.9, 30, 69.9, 70, 3000),
    "bmi": (10, 18.4, 18.5, 39.9, 40, 100),
    "ldl": (0.1, 1.9, 2.0, 2.1, 20),
    "non_hdl": (0.1, 2.5, 2.6, 2.7, 3.0, 3.1, 20),
    "non_hdl_baseline": (0.1, 4.4, 4.5, 5.0, 5.1, 20),
    "cvd_risk_10y": (0, 9.9, 10, 10.1, 100),
}
INTEGERS = {
    "cfs": range(1, 10),
    "imd_decile": range(1, 11),
    "systolic_bp": (50, 125, 126, 130, 131, 135, 136, 139, 140, 141, 145, 146, 149, 150, 151, 300),
    "diastolic_bp": (20, 75, 76, 80, 81, 84, 85, 86, 89, 90, 91, 200),
    "haemoglobin": (30, 109, 110, 111, 250),
    "platelets": (1, 480, 481, 2000),
    "alcohol_units_week": (0, 1, 48, 49, 500),
    "emergency_admissions_12m": (0, 1, 2, 3, 4, 10_000),
}
# What the rules with the most conditions start from; all other flags are true once in ten or in thirty.
COMMON = {"hypertension", "diabetes", "ckd", "atrial_fibrillation", "statin", "ras_inhibitor"}
AGES = (0, 15, 16, 17, 18, 39, 40, 64, 65, 70, 74, 75, 77, 78, 79, 80, 84, 85, 86, 87, 99, 100, 101, 119)


@cache
def registered(as_of: dt.date) -> pa.Table:
    return synthetic.table(PATIENTS, seed=11, as_of=as_of)


@cache
def corner_cases(as_of: dt.date) -> pa.Table:
    """Every value drawn anew, from a few at and beside the thresholds; one in eight of them null."""
    rng = np.random.default_rng(7)
    table = registered(as_of)
    rows = len(table)

    def holes() -> np.ndarray:
        return rng.random(rows) < 0.125

    born = _births(rng, as_of, rows)
    made: dict[str, pa.Array] = {}
    for field in table.schema:
        name, kind = field.name, field.type
        if name == "date_of_birth":
            made[name] = pa.array(born, pa.int32(), mask=holes()).view(pa.date32())
        elif pa.types.is_boolean(kind):
            share = 0.5 if name in COMMON else rng.choice([0.03, 0.1])
            made[name] = pa.array(rng.random(rows) < share, mask=holes())
        elif name in FLOATS or name in INTEGERS:
            values = FLOATS.get(name) or INTEGERS[name]
            made[name] = pa.array(rng.choice(np.array(values), rows), pa.float64(), mask=holes()).cast(kind, safe=False)
        elif pa.types.is_date32(kind):
            drawn = rng.choice(np.array(_around(as_of)), rows)
            if name == "egfr_previous_date":  # 89, 90 or 91 days from the other, either way
                other = np.nan_to_num(pc.cast(made["egfr_date"].view(pa.int32()), pa.float64()).to_numpy(False), nan=0)
                drawn = other.astype(np.int64) - rng.choice([-91, -90, -89, 0, 89, 90, 91, 400], rows)
            # nobody is measured before birth or after the as-of date
            implausible = (drawn < born) | (drawn > days(as_of))
            made[name] = pa.array(drawn, pa.int32(), mask=holes() | implausible).view(pa.date32())
        elif pa.types.is_dictionary(kind) and name not in ("practice_code", "pcn_code", "neighbourhood", "place"):
            labels = popstrat.Scorer(as_of=as_of).pack.schema[name].labels
            codes = pa.array(rng.integers(0, len(labels), rows), pa.int8(), mask=holes())
            made[name] = pa.DictionaryArray.from_arrays(codes, pa.array(labels))
        else:
            made[name] = table[name].combine_chunks()
    return pa.table(made)


def _births(rng: np.random.Generator, as_of: dt.date, rows: int) -> np.ndarray:
    """Birthdays of the ages at which a rule turns, from three days before to three days after, and 29 Februaries."""
    exact = [days(months_before(as_of, 12 * age)) for age in AGES]
    near = rng.choice(np.array(exact), rows) + rng.integers(-3, 4, rows)
    leap = np.array([days(dt.date(year, 2, 29)) for year in range(1912, as_of.year - 1, 4)])
    born = np.where(rng.random(rows) < 0.1, rng.choice(leap, rows), near)
    return np.minimum(born, days(as_of))


def _around(as_of: dt.date) -> list[int]:
    turns = [days(months_before(as_of, months)) for months in (0, 12, 24)]
    return [turn + step for turn in turns for step in (-2, -1, 0, 1, 2)]


@cache
def dirty(as_of: dt.date) -> pa.Table:
    return synthetic.table(PATIENTS, seed=11, as_of=as_of, dirty=True)


@cache
def implausible(as_of: dt.date) -> pa.Table:
    """The corner cases, with one value in five at a limit of what is plausible, beside it or far outside."""
    rng = np.random.default_rng(8)
    table = corner_cases(as_of)
    rows, schema = len(table), patient_schema()
    first, today = days(dt.date(1900, 1, 1)), days(as_of)
    oldest = days(months_before(as_of, 12 * 121))
    births = np.array([first - 1, first, oldest, oldest + 1, oldest + 2, today - 1, today, today + 1, today + 4000])
    born = np.where(rng.random(rows) < 0.2, rng.choice(births, rows), np.array(_days(table["date_of_birth"]), int))
    made: dict[str, pa.ChunkedArray | pa.Array] = {}
    for name, kind in zip(table.schema.names, table.schema.types, strict=True):
        column, old, hit = schema[name], table[name], rng.random(rows) < 0.2
        if name == "date_of_birth":
            value = pa.array(born, pa.int32()).view(kind)
        elif column.type == "date":
            drawn = np.stack([born - 1, born, born + 1, *(np.full(rows, d) for d in (first - 1, first, today + 1))])
            value = pa.array(drawn[rng.integers(0, len(drawn), rows), np.arange(rows)], pa.int32()).view(kind)
        elif column.type in ("int", "float"):
            value = pa.array(rng.choice(np.array(_limits(column, kind)), rows), pa.float64()).cast(kind, safe=False)
        elif column.type == "category":
            value, old = pa.array(["no such label"] * rows), old.cast(pa.string())
        else:
            made[name] = old
            continue
        chosen = pc.if_else(pa.array(hit), value, old)
        made[name] = chosen.dictionary_encode() if column.type == "category" else chosen
    return pa.table(made)


def _days(dates: pa.ChunkedArray) -> np.ndarray:
    return np.array(pc.fill_null(dates.combine_chunks().view(pa.int32()), 0))


def _limits(column: Column, kind: pa.DataType) -> list[float]:
    """The limits of a column, what lies next to them and what its type can hold."""
    low, high = column.minimum, column.maximum
    assert low is not None
    assert high is not None
    if pa.types.is_integer(kind):
        most = 2 ** (kind.bit_width - 1) - 1
        return [x for x in (low - 1, low, low + 1, high - 1, high, high + 1, -most - 1, most) if -most - 1 <= x <= most]
    low, high = np.float32(low), np.float32(high)
    away = np.float32(np.inf)
    beside = [np.nextafter(low, -away), np.nextafter(low, away), np.nextafter(high, -away), np.nextafter(high, away)]
    return [float(x) for x in (low, high, *beside, -1.0, np.nan, away, -away)]


LISTS = {"registered": registered, "corner_cases": corner_cases, "dirty": dirty, "implausible": implausible}


@pytest.mark.parametrize("make", LISTS)
@pytest.mark.parametrize("as_of", DATES, ids=str)
def test_three_programs_agree(make: str, as_of: dt.date) -> None:
    table = LISTS[make](as_of)
    ours = popstrat.score(table, as_of=as_of)
    clean = pc.max(ours["quality_flags"]).as_py() == 0
    assert clean == (make == "registered")

    frame, database = peer_polars.prepare(table), peer_duckdb.prepare(table)
    peers = {
        "polars": peer_polars.score_frame(frame, as_of),
        "polars in memory": peer_polars.score_frame(frame, as_of, engine="in-memory"),
        "duckdb": peer_duckdb.score(database, as_of),
    }
    if clean:  # they may then leave the checks out
        peers["polars, no checks"] = peer_polars.score_frame(frame, as_of, checks=False)
        peers["duckdb, no checks"] = peer_duckdb.score(database, as_of, checks=False)
    for name, theirs in peers.items():
        found = compare.differences(ours, theirs, flags="no checks" not in name)
        if found.pop(compare.RISK, 0):
            assert compare.risks_beyond_rounding(table, ours, theirs, as_of) == 0, name
        assert found == {}, name


def test_polars_takes_labels_as_a_file_has_them() -> None:
    """Labels of a file are no Enum yet; those that are not listed are then found by the query itself."""
    table = dirty(AS_OF)
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    text = frame.with_columns(pl.col(c).cast(pl.String) for c in peer_polars.CATEGORIES)
    for lf in (frame.lazy(), text.lazy()):
        assert compare.differences(popstrat.score(table, as_of=AS_OF), peer_polars.lazy(lf, AS_OF).collect()) == {}


def test_every_flag_comes_up() -> None:
    """Agreement on flags says something only about those that are set."""
    found = np.bitwise_or.reduce(popstrat.score(implausible(AS_OF), as_of=AS_OF)["quality_flags"].to_numpy())
    dated = [bit + i for bit in peer_polars.MEASURED.values() for i in range(3)]
    bits = [1, 2, *dated, *peer_polars.UNLISTED.values(), *(bit for _, _, bit in peer_polars.PLAUSIBLE.values())]
    assert int(found) == sum(1 << bit for bit in bits)


def test_corner_cases_reach_every_label() -> None:
    """Agreement says something only about what comes up."""
    scored = popstrat.score(corner_cases(AS_OF), as_of=AS_OF)
    for field in scored.schema:
        if pa.types.is_dictionary(field.type) and field.name not in peer_polars.KEYS:
            column = scored[field.name].combine_chunks()
            labels = set(column.dictionary.to_pylist())
            if field.name in ("lipid_status", "heart_failure_status"):
                labels -= {"undiagnosed"}  # which they never are
            assert labels <= set(column.drop_null().cast(pa.string()).to_pylist()), field
        elif field.name in peer_polars.SINCE_2:
            assert set(pc.unique(scored[field.name]).to_pylist()) == {True, False}, field
    # Every leaf of the tree, and null, but for two: cancer and learning disability are among the conditions counted.
    assert len(pc.unique(scored["expected_cost_2014"])) == 16 + 1
    assert pc.max(scored["inputs_missing"]).as_py() >= 6
    assert pc.max(scored["ltc_count"]).as_py() >= 7


def test_a_peer_refuses_terms_it_does_not_know() -> None:
    _, points = peer_polars._model()
    with pytest.raises(ValueError, match="shoe_size"):
        peer_polars._terms({**points, "shoe_size": 1})
    with pytest.raises(ValueError, match="dementia"):
        peer_polars._terms({name: n for name, n in points.items() if name != "dementia"})
