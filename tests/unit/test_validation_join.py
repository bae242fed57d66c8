"""Joining scores, outcomes and the list: what is read, what is counted, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("statsmodels")

import popstrat
from popstrat.validation import validate
from popstrat.validation.join import Joined, join
from popstrat.validation.spec import Spec
from popstrat.validation.tables import Names

pytestmark = pytest.mark.smoke

N = 40
BY_COLUMN = Spec(column="y")
NAMES = Names("scored.parquet", "outcomes.parquet", "list.parquet")


def scored(**columns: Any) -> pa.Table:
    base: dict[str, Any] = {
        "patient_id": pa.array(range(100, 100 + N), pa.int64()),
        "practice_code": pa.array(["E85001", "E85002"] * (N // 2)).dictionary_encode(),
        "age": pa.array([17 + i for i in range(N)], pa.int16()),
        "ltc_count": pa.array([i % 8 for i in range(N)], pa.uint8()),
        "admission_risk": pa.array([0.01 + i / 100 for i in range(N)]),
    }
    return pa.table({k: v for k, v in {**base, **columns}.items() if v is not None})


def outcomes(**columns: Any) -> pa.Table:
    base: dict[str, Any] = {
        "patient_id": pa.array(range(100, 100 + N), pa.int64()),
        "y": pa.array([i % 3 == 0 for i in range(N)]),
        "days": pa.array([30 if i % 3 == 0 else 365 for i in range(N)], pa.int16()),
        "event": pa.array([i % 3 == 0 for i in range(N)]),
        "censoring": pa.array([None] * N, pa.string()).dictionary_encode(),
    }
    return pa.table({k: v for k, v in {**base, **columns}.items() if v is not None})


def joined(s: pa.Table, o: pa.Table, spec: Spec = BY_COLUMN, patients: pa.Table | None = None) -> Joined:
    return join(s, o, patients, spec, NAMES)


def test_rows_meet_by_id_whatever_their_order_and_type() -> None:
    order = np.random.default_rng(0).permutation(N)
    expected = joined(scored(), outcomes())
    assert expected.outcome is not None
    assert expected.outcome.tolist() == [i % 3 == 0 for i in range(N)]
    text = pa.array([str(i) for i in range(100, 100 + N)])
    views = text.cast(pa.string_view())
    coded = pa.DictionaryArray.from_arrays(pa.array(range(N), pa.int16()), views)
    for ids in (pa.array(range(100, 100 + N), pa.int32()), text, text.cast(pa.large_string()), views, coded):
        found = joined(scored().take(pa.array(order)), outcomes(patient_id=ids))
        assert found.outcome is not None
        assert found.outcome.tolist() == [i % 3 == 0 for i in order]
        turned = joined(scored(patient_id=ids), outcomes().take(pa.array(order)))
        assert turned.outcome is not None
        assert turned.outcome.tolist() == expected.outcome.tolist()


@pytest.mark.parametrize(
    "values",
    [
        [True, False, None, True], [1, 0, None, 1], [3, 0, None, 1], [2.0, 0.0, None, 1.0], ["true", "False", "", "1"],
        ["yes", " no ", None, "Y"], ["2", "0", "", "1"],
    ],
)  # fmt: skip
def test_outcomes_of_every_kind(values: list[Any]) -> None:
    few = outcomes().slice(0, 4).set_column(1, "y", pa.array(values))
    found = joined(scored().slice(0, 4), few, Spec(column="y", allow_missing=True))
    assert found.outcome is not None
    assert found.outcome.tolist() == [True, False, True]
    assert found.counts["without_outcome"] == 1


def test_chunks_slices_and_dictionaries_read_as_one() -> None:
    whole = scored()
    pieces = pa.concat_tables([whole.slice(0, 7), whole.slice(7, 0), whole.slice(7, 13), whole.slice(20)])
    a, b = joined(whole, outcomes()), joined(pieces, pa.concat_tables([outcomes().slice(0, 9), outcomes().slice(9)]))
    assert a.risk.tolist() == b.risk.tolist()
    assert a.groups["ltc_count"].codes.tolist() == b.groups["ltc_count"].codes.tolist()
    assert a.practices is not None
    assert b.practices is not None
    assert a.practices.codes.tolist() == b.practices.codes.tolist()


def test_people_without_a_risk_are_counted_and_left_out() -> None:
    risk = [None if i < 5 else 0.1 + i / 100 for i in range(N)]
    found = joined(scored(admission_risk=pa.array(risk)), outcomes())
    assert (found.counts["without_risk"], found.counts["assessed"], len(found.risk)) == (5, N - 5, N - 5)
    assert found.counts["without_outcome"] == 0


def test_missing_and_unknown_are_counted_if_allowed() -> None:
    fewer = outcomes().slice(3)
    more = pa.concat_tables([fewer, outcomes(patient_id=pa.array(range(900, 900 + N), pa.int64())).slice(0, 2)])
    found = joined(scored(), more, Spec(column="y", allow_missing=True, allow_unknown=True))
    assert (found.counts["without_outcome"], found.counts["unknown"], found.counts["assessed"]) == (3, 2, N - 3)


NULLS: pa.Array = pa.nulls(N, pa.float64())
FOLLOWED = Spec(time_column="days", event_column="event")
REST = [False] * (N - 1)
# columns of the scored table, of the outcomes, what is asked | what is said
REFUSED: list[tuple[dict[str, Any], dict[str, Any], Spec, str]] = [
    ({}, {"y": None}, BY_COLUMN, r"outcomes.parquet: column 'y': is missing"),
    ({"admission_risk": None}, {}, BY_COLUMN, r"scored.parquet: column 'admission_risk': is missing"),
    ({"admission_risk": None, "admision_risk": NULLS}, {}, BY_COLUMN, r"did you mean 'admision_risk'"),
    ({"admission_risk": NULLS}, {}, BY_COLUMN, r"null in every row"),
    ({"admission_risk": pa.array([1.5] * N)}, {}, BY_COLUMN, r"0 and 1 is needed \(rows 1, 2, 3, 4, 5 and 35 more\)"),
    ({"admission_risk": pa.array(["high"] * N)}, {}, BY_COLUMN, r"a probability is needed"),
    ({"patient_id": pa.array([7] * N)}, {}, BY_COLUMN, r"scored.parquet: column 'patient_id'"),
    ({}, {"patient_id": pa.array([*range(100, 99 + N), 100])}, BY_COLUMN, r"outcomes.parquet: column 'patient_id'"),
    ({}, {"patient_id": pa.array([None, *range(101, 100 + N)])}, BY_COLUMN, r"every patient needs an id \(row 1\)"),
    ({}, {"patient_id": pa.array(range(9000, 9000 + N))}, BY_COLUMN, r"no patient of it is in scored.parquet"),
    ({}, {"patient_id": pa.array(range(103, 103 + N))}, BY_COLUMN, r"3 of 40 patients are not in .*--allow-unknown"),
    ({}, {"y": pa.array([None, *REST])}, BY_COLUMN, r"1 of 40 patients with a risk have no outcome.*\(row 1\)"),
    ({}, {"y": pa.array([2.5, *[0.0] * (N - 1)])}, BY_COLUMN, r"1 or 0, or a count is needed \(row 1\)"),
    ({}, {"y": pa.array([-1, *[0] * (N - 1)])}, BY_COLUMN, r"column 'y': .*\(row 1\)"),
    ({}, {"y": pa.array(["maybe", *["0"] * (N - 1)])}, BY_COLUMN, r"column 'y': .*\(row 1\)"),
    ({}, {"y": pa.array([False] * N)}, BY_COLUMN, r"constant: nobody has the outcome"),
    ({}, {"y": pa.array([True] * N)}, BY_COLUMN, r"constant: everybody has the outcome"),
    ({}, {"days": pa.array([-1, *[365] * (N - 1)])}, FOLLOWED, r"negative or infinite \(row 1\)"),
    ({}, {"event": pa.array([2, *[0] * (N - 1)])}, FOLLOWED, r"column 'event': .*, 1 or 0 is needed \(row 1\)"),
    ({}, {}, replace(FOLLOWED, horizon=10), r"nobody has the event by day 10"),
    ({}, {}, replace(FOLLOWED, horizon=900), r"nobody is followed to day 900"),
    (
        {},
        {"y": pa.array([True] * N)},
        replace(FOLLOWED, column="y"),
        r"contradicts 'days' and 'event' by day 365 \(r",
    ),
    ({}, {}, replace(FOLLOWED, competing=("censoring", ("died",))), r"holds no 'died'"),
    ({}, {}, Spec(column="y", by=("shoe_size",)), r"column 'shoe_size': is neither"),
]


@pytest.mark.parametrize(("s", "o", "spec", "says"), REFUSED)
def test_what_is_wrong_is_said(s: dict[str, Any], o: dict[str, Any], spec: Spec, says: str) -> None:
    with pytest.raises(popstrat.InputError, match=says):
        joined(scored(**s), outcomes(**o), spec)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "--column, or"),
        ({"time_column": "days"}, "go together"),
        ({"column": "y", "competing": ("a", ("b",))}, "--competing needs"),
        ({"column": "y", "horizon": 0}, "--horizon"),
    ],
)
def test_specs_that_ask_for_too_little(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(popstrat.InputError, match=says):
        Spec(**arguments)


def test_too_many_values_to_divide_by() -> None:
    many = scored(note=pa.array([f"n{i}" for i in range(N)]))
    assert len(joined(many, outcomes(), Spec(column="y", by=("note",))).groups["note"].labels) == N + 1
    wide = pa.concat_tables(
        [many, scored(patient_id=pa.array(range(500, 500 + N), pa.int64()), note=pa.array([f"m{i}" for i in range(N)]))]
    )
    ends = pa.concat_tables([outcomes(), outcomes(patient_id=pa.array(range(500, 500 + N), pa.int64()))])
    with pytest.raises(popstrat.InputError, match="81 different values"):
        joined(wide, ends, Spec(column="y", by=("note",)))


# -- groups -----------------------------------------------------------------------------------------------------


def labels(found: Joined, name: str) -> list[str]:
    grouping = found.groups[name]
    return [grouping.labels[code] for code in grouping.codes]


# name, column of the table, its values | the groups they fall in
GROUPS: list[tuple[str, str, list[Any], str]] = [
    ("age", "age", [17, 18, 39, 40, 64, 85, None], "under 18|18–39|18–39|40–54|55–64|85 and over|not recorded"),
    ("ltc_count", "ltc_count", [0, 4, 5, 9, None, 1, 2], "0|4|5 or more|5 or more|not recorded|1|2"),
    ("sex", "sex", ["F", "male", "1", "U", None, "robot"], "female|male|male|unknown|unknown|unknown"),
    (
        "ethnicity",
        "ethnicity",
        ["A", "g", "R", None, "M"],
        "White|Mixed|Chinese or other|not recorded|Black or Black British",
    ),
    ("ethnicity", "ethnicity", ["99", "Z", "?", "J"], "not recorded|not recorded|not recorded|Asian or Asian British"),
    ("deprivation", "imd_decile", [1, 2, 3, 9], "1 (most deprived)|1 (most deprived)|2|5 (least deprived)"),
    ("deprivation", "imd_decile", [11, None, 5], "not recorded|not recorded|3"),
    ("frailty", "frailty_category", ["fit", "severe", None, "mild", ""], "fit|severe|not recorded|mild|not recorded"),
    ("place", "place", ["Ashmarsh", None, " ", "B"], "Ashmarsh|not recorded|not recorded|B"),
]


@pytest.mark.parametrize(("name", "column", "values", "expected"), GROUPS)
def test_groups(name: str, column: str, values: list[Any], expected: str) -> None:
    few = scored().slice(0, len(values))
    if column in few.column_names:
        few = few.drop_columns(column)
    found = joined(few.append_column(column, pa.array(values)), outcomes().slice(0, len(values)))
    assert labels(found, name) == expected.split("|")


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.float64(), pa.string()])
def test_sex_and_deciles_of_every_type(kind: pa.DataType) -> None:
    codes = pa.array([1, 2, 1, 2], pa.int8()).cast(kind)
    few = scored().slice(0, 4).append_column("sex", codes).append_column("imd_decile", codes)
    found = joined(few, outcomes().slice(0, 4))
    assert labels(found, "sex") == ["male", "female", "male", "female"]
    assert labels(found, "deprivation") == ["1 (most deprived)"] * 4


def test_the_list_gives_what_the_scored_table_lacks() -> None:
    order = np.random.default_rng(1).permutation(N)[: N - 4]
    sexes = pa.array(["F" if i % 2 else "M" for i in order])
    listed = pa.table({"patient_id": pa.array([str(100 + i) for i in order]), "sex": sexes})
    found = joined(scored(), outcomes(), patients=listed)
    for i, label in enumerate(labels(found, "sex")):
        assert label == ("unknown" if i not in order else "female" if i % 2 else "male")
    assert found.counts["not_listed"] == 4
    assert any("not on the list" in n for n in found.notices)
    other = listed.set_column(0, "patient_id", pa.array([f"x{i}" for i in order]))
    with pytest.raises(popstrat.InputError, match=r"list.parquet: .*is it the right list"):
        joined(scored(), outcomes(), patients=other)


def test_what_cannot_be_divided_by_is_said() -> None:
    assert any("Sex" in n and "Deprivation" in n for n in joined(scored(), outcomes()).notices)


# -- the library call -------------------------------------------------------------------------------------------


def test_validate_takes_what_speaks_arrow() -> None:
    pl = pytest.importorskip("polars")
    a = validate(scored(), outcomes(), column="y", bootstrap=0)
    b = validate(pl.from_arrow(scored()), pl.from_arrow(outcomes()), column="y", bootstrap=0)
    assert repr(a.whole) == repr(b.whole)  # not ==, by which from 3.13 on a part with a figure of NaN is not itself
    assert validate(scored(), outcomes(), time_column="days", event_column="event", bootstrap=0).whole.events == 14


def test_a_capacity_over_the_list_is_refused() -> None:
    with pytest.raises(popstrat.InputError, match="capacity of 41"):
        validate(scored(), outcomes(), column="y", bootstrap=0, capacity=41)


def test_zero_rows_are_refused() -> None:
    with pytest.raises(popstrat.InputError, match="no rows"):
        validate(scored().slice(0, 0), outcomes(), column="y")
    with pytest.raises(popstrat.InputError, match="has no rows"):
        validate(scored(), outcomes().slice(0, 0), column="y")
