"""Floors, and who is on the caseload: tables that a reader can check by hand."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from popstrat.errors import InputError
from popstrat.metrics.caseload import Caseload, cohorts_of, month_ends, read_caseload
from popstrat.metrics.coverage import APPORTIONED, CaseloadCounts, finish, floor_rows, floors
from popstrat.metrics.estimates import Shown, rows_of
from popstrat.metrics.figures import Areas, Figures, Groups, Metric
from popstrat.metrics.rows import LEVELS, Level, Measure, table_of_columns
from popstrat.metrics.side_files import NO_DAY

AS_OF = dt.date(2026, 6, 30)
FLAGS = (
    "frailty_int_segment",
    "frailty_int_priority",
    "mltc_int_segment",
    "mltc_int_priority",
    "cyp_int_segment",
    "core20",
)
COHORTS = cohorts_of(FLAGS)
FLOOR = Metric("int_floor", "Floor", "1", Measure.FLOOR, "all", "high", target=0.015)

# -- floors ------------------------------------------------------------------------------------------------------------

AREAS = Areas(
    ("P1", "P2", "P3", "P4"),
    pcn=("PCN1", "PCN1", "PCN2", "PCN2"),
    neighbourhood=("N1", "N1", "N1", "N2"),
    place=("East", "East", "West", "West"),
)


def registered(*practices: float) -> dict[Level, np.ndarray[Any, Any]]:
    """People of each area, as they follow from those of the practices."""
    people = np.array(practices, dtype=float)
    found = {}
    for level in LEVELS:
        of = AREAS.of_practice(level)
        found[level] = np.bincount(of[of >= 0], people[of >= 0], len(AREAS.names(level)))
    return found


@pytest.mark.parametrize(
    ("people", "floor"),
    [(1000, 15), (1001, 16), (1066, 16), (1067, 17), (66, 1), (67, 2), (200, 3), (0, 0), (1, 1), (300_000, 4500)],
)
def test_a_floor_is_rounded_up(people: int, floor: int) -> None:
    found = floors(AREAS, registered(people, 0, 200, 0), 0.015, rounded=False)
    assert found[Level.PLACE].value.tolist() == [floor, 3]


def test_the_icbs_floor_is_the_sum_of_its_places() -> None:
    # 1,001 and 1,001 people: 16 and 16, where 2,002 together would need 31.
    found = floors(AREAS, registered(1000, 1, 1001, 0), 0.015, rounded=False)
    assert found[Level.ICB].value.tolist() == [32]


def test_below_place_the_floor_is_shared_by_list_size_and_marked() -> None:
    """East has 1,000 people and a floor of 15, West 2,000 and 30; N1 holds all of East and a quarter of West."""
    found = floors(AREAS, registered(250, 750, 500, 1500), 0.015, rounded=False)
    assert found[Level.PRACTICE].value.tolist() == pytest.approx([3.75, 11.25, 7.5, 22.5])
    assert found[Level.PCN].value.tolist() == pytest.approx([15, 30])
    assert found[Level.NEIGHBOURHOOD].value.tolist() == pytest.approx([22.5, 22.5])
    assert set(found[Level.PRACTICE].reason) == set(found[Level.NEIGHBOURHOOD].reason) == {APPORTIONED}
    assert found[Level.PLACE].reason == [None, None]


@pytest.mark.parametrize(
    ("shown", "value", "low", "high"),
    [
        (1000, 15, 15, 16),  # 998 to 1,002: 15 up to a thousand, then 16
        (1005, 16, 16, 16),  # 1,003 to 1,007 all need 16
        (1065, 16, 16, 17),
        (1070, 17, 17, 17),
    ],
)
def test_a_floor_is_exact_where_every_count_that_rounds_so_has_it(shown: int, value: int, low: int, high: int) -> None:
    table = floor_rows(FLOOR, AREAS, registered(shown, 0, 200, 0), AS_OF, rounded=True)
    [row] = [row for row in table.to_pylist() if row["area"] == "East"]
    assert row["value"] == value
    expected = (None, None, None) if low == high else (low, high, "rounding of the registered people")
    assert (row["low"], row["high"], row["interval"]) == expected


def test_every_floor_that_is_exact_is_the_true_one() -> None:
    for true in range(8, 3000):
        shown = 5 * ((true + 2) // 5)
        found = floors(AREAS, registered(shown, 0, 200, 0), 0.015, rounded=True)[Level.PLACE]
        assert found.low[0] <= -(-true * 15 // 1000) <= found.high[0]


def test_withheld_people_have_no_floor_and_say_so() -> None:
    people = registered(1000, 500, 1000, 500)
    people[Level.PLACE][0] = np.nan
    people[Level.PRACTICE][2] = np.nan
    rows = floor_rows(FLOOR, AREAS, people, AS_OF, rounded=True).to_pylist()
    reasons = {(row["level"], row["area"]): (row["value"], row["reason"]) for row in rows}
    assert reasons["icb", "all"] == (None, "the floor of a place is withheld")
    assert reasons["place", "East"] == (None, "the registered people are withheld")
    assert reasons["practice", "P1"] == (None, "the registered people, or those of its place, are withheld")
    assert reasons["practice", "P3"] == (None, "the registered people, or those of its place, are withheld")
    assert reasons["practice", "P4"] == (pytest.approx(500 * 23 / 1500), APPORTIONED)


def test_without_places_there_is_no_floor() -> None:
    nowhere = Areas(("P1", "P2"), (None, None), (None, None), (None, None))
    people = {level: np.array([500.0] * len(nowhere.names(level))) for level in LEVELS}
    rows = floor_rows(FLOOR, nowhere, people, AS_OF, rounded=False).to_pylist()
    assert [(row["level"], row["value"], row["reason"]) for row in rows] == [
        ("icb", None, "no practice is in a place"),
        ("practice", None, "it is in no place"),
        ("practice", None, "it is in no place"),
    ]


def test_a_practice_in_no_place_is_not_in_the_icbs_floor() -> None:
    some = Areas(("P1", "P2"), (None, None), (None, None), ("East", None))
    people = {level: np.array([400.0] * len(some.names(level))) for level in LEVELS}
    [icb, *_] = floor_rows(FLOOR, some, people, AS_OF, rounded=False).to_pylist()
    assert (icb["value"], icb["reason"]) == (6, "of the places: 1 of 2 practices are in none")


def test_the_gap_is_what_the_floor_still_asks_for() -> None:
    on = {level: values / 100 for level, values in registered(1000, 1000, 1000, 3000).items()}
    on[Level.PRACTICE][0] = np.nan
    rows = floor_rows(FLOOR, AREAS, registered(1000, 1000, 1000, 3000), AS_OF, rounded=False, caseload=on).to_pylist()
    found = {row["area"]: row for row in rows if row["metric"] == "int_floor_gap"}
    assert (found["all"]["value"], found["all"]["numerator"], found["all"]["denominator"]) == (90 - 60, 60, 6000)
    assert (found["East"]["value"], found["P2"]["value"]) == (10, 5)
    assert (found["P1"]["value"], found["P1"]["reason"]) == (None, "the people on the caseload are withheld")
    assert {row["measure"] for row in found.values()} == {"coverage"}


# -- caseloads ---------------------------------------------------------------------------------------------------------

CASELOAD = """patient_id,cohort,start,end,care_plan_date,cga_date,coordinator
1,frailty_int,2026-01-10,,2026-02-01,2026-02-03,A. Nurse
2,Frailty INT,2026-01-10,2026-06-30,2026-02-01,,
3,frailty_int_priority,2026-06-30,,,,
4,mltc_int,2025-03-01,,2025-04-01,," "
4,cyp_int,2026-05-01,,2026-05-20,,B. Link
9,mltc_int,2026-05-01,,,,
"""


def caseload(folder: Path, text: str = CASELOAD) -> Caseload:
    (folder / "caseload.csv").write_text(text, encoding="utf-8")
    return read_caseload(folder / "caseload.csv", COHORTS, AS_OF)


def test_cohorts_are_the_segments_of_a_pack() -> None:
    assert [(one.name, one.columns) for one in COHORTS] == [
        ("frailty_int", ("frailty_int_segment", "frailty_int_priority")),
        ("mltc_int", ("mltc_int_segment", "mltc_int_priority")),
        ("cyp_int", ("cyp_int_segment",)),
    ]


def test_who_is_on_it_today(tmp_path: Path) -> None:
    found = caseload(tmp_path)
    assert found.people.to_pylist() == ["1", "2", "3", "4", "9"]
    assert found.on.tolist() == [
        [True, False, False],
        [False, False, False],  # ended today
        [True, False, False],  # started today
        [False, True, True],
        [False, True, False],
    ]
    assert found.notices == []


def test_who_was_on_it_month_by_month(tmp_path: Path) -> None:
    found = caseload(tmp_path)
    assert found.months[0], found.months[-1] == ("2025-07", "2026-06")
    people = found.active.any(axis=2).sum(axis=1).tolist()
    assert people == [1, 1, 1, 1, 1, 1, 3, 3, 3, 3, 4, 4]


def test_months_end_on_their_last_days() -> None:
    assert month_ends(dt.date(2026, 3, 15), 3) == [dt.date(2026, 1, 31), dt.date(2026, 2, 28), dt.date(2026, 3, 15)]
    assert month_ends(dt.date(2026, 1, 31), 2) == [dt.date(2025, 12, 31), dt.date(2026, 1, 31)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,frailty_int,2026-02-01,2026-01-31,,,", "column 'end': is before the start (row 1)"),
        ("1,frailty_int,2026-02-01,,,,\n,frailty_int,2026-02-01,,,,", "column 'patient_id': is empty (row 2)"),
        ("1,frailty_int,,,,,", "column 'start': is empty (row 1)"),
        ("1,,2026-02-01,,,,", "column 'cohort': is empty (row 1)"),
        ("1,frailty,2026-02-01,,,,", "is no cohort of the pack (did you mean 'frailty_int'?); it has frailty_int, m"),
        ("1,frailty_int,soon,,,,", "column 'start'"),
    ],
)  # fmt: skip
def test_a_bad_caseload_is_one_clear_error(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        caseload(tmp_path, CASELOAD.partition("\n")[0] + "\n" + rows + "\n")
    assert message in str(caught.value)
    assert "caseload.csv" in str(caught.value)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"column 'start': is missing \(did you mean 'starts'\?\)"):
        caseload(tmp_path, "patient_id,cohort,starts\n1,frailty_int,2026-01-01\n")


def test_odd_spells_are_counted_and_said(tmp_path: Path) -> None:
    found = caseload(
        tmp_path,
        "patient_id,cohort,start,end,care_plan_date\n"
        "1,frailty_int,2026-01-01,2026-03-01,\n"
        "1,frailty_int,2026-02-01,,2026-07-01\n"
        "1,frailty_int,2026-05-01,,2026-03-01\n"
        "1,mltc_int,2026-02-01,,\n"
        "2,frailty_int,2026-07-01,,\n"
        "3,frailty_int,2026-01-01,2026-02-01,\n"
        "3,frailty_int,2026-02-01,2026-03-01,\n",
    )
    assert found.notices == [
        "1 spell starts after the as-of date: not counted yet",
        "2 spells overlap another of the same person and cohort: counted once",
        "1 care plan is dated after the as-of date: taken for none",
    ]
    assert found.care_plan[0, 0] == (dt.date(2026, 3, 1) - dt.date(1970, 1, 1)).days


@pytest.mark.parametrize("kind", [pa.int64(), pa.string(), pa.dictionary(pa.int32(), pa.string())])
def test_ids_of_any_type_meet_those_of_the_list(tmp_path: Path, kind: pa.DataType) -> None:
    table = pa.table({
        "patient_id": pa.array([4, 5]), "cohort": pa.array(["cyp_int"] * 2).dictionary_encode(),
        "start": pa.array([dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 2)], pa.timestamp("us")),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "c.parquet")
    found = read_caseload(tmp_path / "c.parquet", COHORTS, AS_OF)
    ids = pa.array(["7", "5"]) if not pa.types.is_integer(kind) else pa.array([7, 5])
    assert found.find(
        ids.cast(pa.string()).dictionary_encode() if pa.types.is_dictionary(kind) else ids.cast(kind)
    ).tolist() == [-1, 1]
    assert found.said() == [
        "1 person on the caseload is not among those counted: not registered, or left out by the profile"
    ]


# -- both together -----------------------------------------------------------------------------------------------------


def counted(load: Caseload) -> dict[tuple[str, str], tuple[int, int]]:
    """Five registered people, 1 to 4 and 6. Frail are 1, 2 and 6 (1 and 6 come first); 4 has several conditions."""
    flags = {
        "frailty_int_segment": [1, 1, 0, 0, 1], "frailty_int_priority": [1, 0, 0, 0, 1],
        "mltc_int_segment": [0, 0, 0, 1, 0], "mltc_int_priority": [0, 0, 0, 1, 0], "cyp_int_segment": [0, 0, 0, 0, 0],
    }  # fmt: skip
    day = (dt.date(2026, 5, 25) - dt.date(1970, 1, 1)).days
    days = {
        "last_admission_date": [day, NO_DAY, day, day, day],
        "care_plan_date": [NO_DAY, NO_DAY, NO_DAY, day + 1, NO_DAY],
        "cga_date": [NO_DAY] * 5,
    }
    counts = CaseloadCounts(load, "1")
    found = counts.counted(
        pa.array(["1", "2", "3", "4", "6"]),
        {name: np.array(values, dtype=bool) for name, values in flags.items()},
        {name: np.array(values, dtype=np.int32) for name, values in days.items()},
    )
    assert [one.metric for one in found] == list(counts.metrics)
    assert not any((one.part & ~one.whole).any() for one in found)
    return {(one.metric.id, one.metric.cohort): (int(one.part.sum()), int(one.whole.sum())) for one in found}


def test_the_caseload_against_the_list(tmp_path: Path) -> None:
    load = caseload(tmp_path)
    found = counted(load)
    expected = {
        ("caseload", "all"): (3, 5),  # 1, 3 and 4, who is on two caseloads and counts once; 9 is not registered
        ("caseload", "frailty_int"): (2, 5), ("caseload", "mltc_int"): (1, 5), ("caseload", "cyp_int"): (1, 5),
        ("on_caseload", "all"): (2, 4), ("on_caseload", "frailty_int_segment"): (1, 3),
        ("on_caseload", "frailty_int_priority"): (1, 2), ("on_caseload", "mltc_int_segment"): (1, 1),
        ("caseload_outside_cohort", "all"): (1, 3), ("caseload_outside_cohort", "frailty_int_segment"): (1, 2),
        ("caseload_outside_cohort", "cyp_int_segment"): (1, 1),
        ("caseload_care_plan", "all"): (2, 3), ("caseload_care_plan", "frailty_int"): (1, 2),
        ("caseload_cga", "all"): (1, 3), ("caseload_coordinator", "all"): (2, 3),
        ("caseload_coordinator", "mltc_int"): (0, 1), ("caseload_coordinator", "cyp_int"): (1, 1),
        # 1 was admitted after the plan, 3 has none; of 4 the plan in the list is the later one
        ("caseload_review_due", "all"): (2, 3), ("caseload_review_due", "mltc_int"): (0, 1),
        ("caseload_active@2026-01", "all"): (3, 5), ("caseload_active@2026-06", "all"): (3, 5),
    }  # fmt: skip
    assert {key: found[key] for key in expected} == expected
    assert load.said() == [
        "1 person on the caseload is not among those counted: not registered, or left out by the profile"
    ]


def test_an_empty_caseload_is_nobody(tmp_path: Path) -> None:
    found = counted(caseload(tmp_path, CASELOAD.partition("\n")[0] + "\n"))
    assert {part for (name, _), (part, _) in found.items() if "caseload" in name} == {0}


def test_care_plans_have_a_target(tmp_path: Path) -> None:
    targets = {one.id: one.target for one in CaseloadCounts(caseload(tmp_path), "1").metrics}
    assert {name for name, target in targets.items() if target is not None} == {"caseload_care_plan"}
    assert targets["caseload_care_plan"] == 0.95


def test_rows_as_they_are_published() -> None:
    metrics = (
        Metric("on_caseload", "", "1", Measure.COVERAGE, "all", "high"),
        Metric("caseload_active@2026-05", "", "1", Measure.COVERAGE, "all", "high"),
    )
    one = np.zeros(2, dtype=np.int64)
    part, whole = np.array([30, 40]), np.array([100, 6000])
    figures = Figures(
        AREAS,
        metrics,
        (Groups("none", (None,)),),
        np.arange(2),
        one,
        one,
        one,
        one,
        part,
        whole,
        part,
        registered=whole,
    )
    rows = finish(rows_of(figures, Shown.uncontrolled(figures), AS_OF)).to_pylist()
    keys = ("metric", "measure", "group_by", "group", "numerator", "denominator", "value")
    assert [tuple(row[key] for key in keys) for row in rows] == [
        ("on_caseload", "coverage", "none", None, 30, 100, 0.3),
        ("caseload_active", "coverage", "month", "2026-05", 40, 6000, pytest.approx(40 / 6000)),
        ("not_on_caseload", "coverage", "none", None, 70, 100, 0.7),
    ]
    assert rows[2]["low"] == pytest.approx(1 - rows[0]["high"])


def test_a_month_is_not_divided_further(tmp_path: Path) -> None:
    metrics = CaseloadCounts(caseload(tmp_path), "1").metrics
    assert {one.id.startswith("caseload_active@") for one in metrics if one.undivided} == {True}
    assert sum(one.undivided for one in metrics) == 12


def test_what_is_left_over_of_a_gap_is_no_row() -> None:
    rows = table_of_columns(
        1, as_of=AS_OF, metric="on_caseload", version="1", measure=Measure.GAP_ABSOLUTE, cohort="all", level="icb",
        area="all", group_by="imd_quintile", value=np.array([0.1]),
    )  # fmt: skip
    assert finish(rows).num_rows == 1
