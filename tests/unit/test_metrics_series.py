"""Months as a series: what a figure was, what it is to be, and what is said of a history that is not as it should."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from popstrat.errors import InputError
from popstrat.metrics.figures import Areas
from popstrat.metrics.plan import NO_PLAN, Plan, Planned, expected, next_target, plan_rows, read_plan
from popstrat.metrics.rows import Level, Measure, table_of_columns
from popstrat.metrics.series import FEW, OVERLAPPING, History, read_history, with_series

AS_OF = dt.date(2026, 6, 30)
AREAS = Areas(("P1", "P2"), (None, None), (None, None), ("East", "East"))


def month(day: dt.date, values: dict[str, float | None], *, version: str = "1", metric: str = "at_target") -> pa.Table:
    """The metrics of a month: a value of one metric for each area."""
    return table_of_columns(
        len(values), as_of=day, metric=metric, version=version, measure=Measure.PROPORTION, cohort="adults",
        level=["icb" if area == "all" else "practice" for area in values], area=list(values), group_by="none",
        value=np.array([np.nan if value is None else value for value in values.values()], dtype=float),
    )  # fmt: skip


def months_back(count: int) -> dt.date:
    year, number = divmod(AS_OF.year * 12 + AS_OF.month - 1 - count, 12)
    return dt.date(year, number + 1, 28)


def written(folder: Path, day: dt.date, values: dict[str, float | None], record: Any = None, **more: Any) -> None:
    pq.write_table(month(day, values, **more), folder / f"{day:%Y-%m}.parquet")
    told = {"pack": {"id": "p", "version": "1"}, "disclosure_control": True} if record is None else record
    (folder / f"{day:%Y-%m}.parquet.run.json").write_text(json.dumps(told))


def series(
    folder: Path | None, values: dict[str, float | None], plan: Plan = NO_PLAN, **more: Any
) -> tuple[list[dict[str, Any]], list[str]]:
    history = History(()) if folder is None else read_history(folder, AS_OF, pack="p 1")
    more.setdefault("good", {"at_target": "high"})
    rows, notices = with_series(month(AS_OF, values), AS_OF, history, plan, **more)
    return rows.to_pylist(), notices


def test_previous_year_ago_and_baseline(tmp_path: Path) -> None:
    written(tmp_path, months_back(14), {"all": 0.50, "P1": 0.40})
    for back in range(13, 0, -1):
        written(tmp_path, months_back(back), {"P1": 0.40 + back / 100, "all": 0.50 + back / 100})
    rows, notices = series(tmp_path, {"all": 0.7, "P1": 0.6, "P2": 0.5})
    assert [(row["area"], row["previous"], row["year_ago"], row["baseline"]) for row in rows] == [
        ("all", pytest.approx(0.51), pytest.approx(0.62), 0.5),
        ("P1", pytest.approx(0.41), pytest.approx(0.52), 0.4),
        ("P2", None, None, None),
    ]
    assert notices == []


def test_signals_come_with_the_series(tmp_path: Path) -> None:
    for back in range(12, 0, -1):
        written(tmp_path, months_back(back), {"all": 0.50 + back % 2 / 100, "P1": 0.5, "P2": None})
    rows, _ = series(tmp_path, {"all": 0.7, "P1": 0.5, "P2": 0.5})
    assert [(row["area"], row["signal"], row["reason"]) for row in rows] == [
        ("all", "beyond_3_sigma", None),
        ("P1", "none", None),
        ("P2", None, None),
    ]


COUNTS = [(10, 3295), (10, 3300), (10, 3305), (10, 3305), (10, 3305), (10, 3310), (10, 3305), (10, 3310), (15, 3320),
          (10, 3310), (15, 3320), (15, 3325), (15, 3320)]  # fmt: skip


@pytest.mark.parametrize(
    ("shown", "step", "signal"),
    [
        (COUNTS, 5.0, "none"),  # truly 12 and then 13 people
        (COUNTS, 0.0, "beyond_3_sigma+two_of_three_beyond_2_sigma"),
        ([(20, 65)] * 7 + [(15, 65)] * 6, 5.0, "none"),
        ([(300, 3300)] * 12 + [(305, 3300)], 5.0, "none"),
        ([(300, 3300)] * 12 + [(310, 3300)], 5.0, "beyond_3_sigma"),
        ([(10, 3300)] * 12 + [(20, 3300)], 5.0, "beyond_3_sigma"),
    ],
)
def test_counts_one_step_of_rounding_apart_are_no_signal(
    tmp_path: Path, shown: list[tuple[int, int]], step: float, signal: str
) -> None:
    for back, (people, of) in zip(range(12, 0, -1), shown, strict=False):
        written(tmp_path, months_back(back), {"all": people / of})
    people, of = shown[-1]
    rows = month(AS_OF, {"all": people / of})
    for name, number in (("numerator", people), ("denominator", of)):
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, rows.schema.field(at), pa.array([number], rows.schema.field(at).type))
    [row] = with_series(rows, AS_OF, read_history(tmp_path, AS_OF), good={}, step=step)[0].to_pylist()
    assert row["signal"] == signal


def test_windows_that_overlap_have_no_signal_and_say_why(tmp_path: Path) -> None:
    for back in range(12, 0, -1):
        written(tmp_path, months_back(back), {"all": 0.50 + back % 2 / 100})
    [row], _ = series(tmp_path, {"all": 0.7}, overlapping={"at_target"})
    assert (row["signal"], row["reason"]) == (None, OVERLAPPING)


def test_only_shares_and_rates_have_signals(tmp_path: Path) -> None:
    for back in range(12, 0, -1):
        written(tmp_path, months_back(back), {"all": 0.50 + back % 2 / 100})
    rows = month(AS_OF, {"all": 0.7})
    at = rows.schema.get_field_index("measure")
    rows = rows.set_column(at, rows.schema.field(at), pa.array(["prize_median"]))
    [row] = with_series(rows, AS_OF, read_history(tmp_path, AS_OF), good={}, overlapping={"at_target"})[0].to_pylist()
    assert (row["signal"], row["reason"]) == (None, None)


def test_a_missing_month_is_said_and_has_no_value(tmp_path: Path) -> None:
    for back in (15, 14, 13, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2):
        written(tmp_path, months_back(back), {"all": 0.5})
    [row], notices = series(tmp_path, {"all": 0.7})
    assert (row["previous"], row["year_ago"], row["signal"], row["reason"]) == (None, 0.5, None, None)
    missing = "history: no metrics of 2025-07, 2026-05; a series starts again after a missing month"
    assert notices == [missing, FEW]


def test_another_version_of_a_metric_is_not_compared_and_said(tmp_path: Path) -> None:
    written(tmp_path, months_back(2), {"all": 0.4}, version="0.9")
    written(tmp_path, months_back(1), {"all": 0.5})
    [row], notices = series(tmp_path, {"all": 0.7})
    assert (row["previous"], row["baseline"]) == (0.5, None)
    assert notices[1:] == [
        "history: at_target had another version in 1 of 2 months (latest 2026-04), which are not compared"
    ]


def test_another_pack_is_said(tmp_path: Path) -> None:
    written(tmp_path, months_back(1), {"all": 0.5}, {"pack": {"id": "p", "version": "0"}, "disclosure_control": True})
    [row], notices = series(tmp_path, {"all": 0.7})
    assert row["previous"] == 0.5
    assert notices[0].startswith("history: 1 file is of another pack or version (p 0); figures are compared where")


def test_figures_of_a_csv_are_the_same(tmp_path: Path) -> None:
    table = month(months_back(1), {"all": 0.5, "P1": 0.25})
    pyarrow.csv.write_csv(table, tmp_path / "may.csv")
    rows, notices = series(tmp_path, {"P1": 0.5, "all": 0.6})
    assert [row["previous"] for row in rows] == [0.25, 0.5]
    assert notices[1:] == ["history: 1 file is without a run record: whether disclosure was controlled is not known"]


def test_this_month_and_later_ones_are_passed_over(tmp_path: Path) -> None:
    for back in (1, 0, -1):
        written(tmp_path, months_back(back), {"all": 0.5 - back})
    _, notices = series(tmp_path, {"all": 0.7})
    assert notices[0] == "history: 2 files are of this month or later, not used"


def test_a_bad_history_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothere: there is no such folder"):
        read_history(tmp_path / "nothere", AS_OF)
    with pytest.raises(InputError, match=r"holds no metrics of a month before 2026-06"):
        read_history(tmp_path, AS_OF)
    written(tmp_path, months_back(1), {"all": 0.5}, {"disclosure_control": False})
    with pytest.raises(InputError, match=r"2026-05.parquet: was made without disclosure control"):
        read_history(tmp_path, AS_OF)
    assert len(read_history(tmp_path, AS_OF, controlled=False).months) == 1
    pq.write_table(month(months_back(1), {"all": 0.5}), tmp_path / "again.parquet")
    with pytest.raises(
        InputError,
        match=r"again.parquet: is of 2026-05, and so is 2026-05.parquet",
    ):
        read_history(tmp_path, AS_OF, controlled=False)
    pq.write_table(pa.table({"patient_id": [1]}), tmp_path / "0.parquet")
    with pytest.raises(InputError, match=r"0.parquet: column 'as_of': is missing: this is not a metrics file"):
        read_history(tmp_path, AS_OF, controlled=False)


def test_without_history_nothing_is_said() -> None:
    [row], notices = series(None, {"all": 0.7})
    assert (row["previous"], row["signal"], row["reason"], notices) == (None, None, None, [])


# -- plans -------------------------------------------------------------------------------------------------------------

POINTS = ((dt.date(2026, 3, 31), 0.6), (dt.date(2026, 9, 30), 0.8))


@pytest.mark.parametrize(
    ("day", "by_now", "following"),
    [
        (dt.date(2026, 3, 30), None, 0.6),
        (dt.date(2026, 3, 31), 0.6, 0.6),
        (dt.date(2026, 6, 30), 0.6 + 0.2 * 91 / 183, 0.8),
        (dt.date(2026, 9, 30), 0.8, 0.8),
        (dt.date(2027, 1, 1), 0.8, 0.8),
    ],
)
def test_what_a_plan_expects(day: dt.date, by_now: float | None, following: float) -> None:
    assert expected(POINTS, day) == (None if by_now is None else pytest.approx(by_now))
    assert next_target(POINTS, day) == following
    assert expected((), day) is next_target((), day) is None


@pytest.mark.parametrize(
    ("good", "value", "trajectory"),
    [
        ("high", 0.70, "on"), ("high", 0.69, "off"), ("low", 0.70, "off"), ("low", 0.69, "on"),
        ("none", 0.7, None), ("high", None, None),
    ],
)  # fmt: skip
def test_on_or_off_its_way(good: str, value: float | None, trajectory: str | None) -> None:
    plan = Plan({Planned("at_target", None, Level.ICB, "all"): POINTS})
    rows, _ = series(None, {"all": value, "P1": 0.9}, plan, good={"at_target": good})
    assert [(row["target"], row["trajectory"]) for row in rows] == [(0.8, trajectory), (None, None)]


def test_a_plan_that_names_a_cohort_goes_first() -> None:
    plan = Plan({
        Planned("at_target", None, Level.ICB, "all"): ((AS_OF, 0.5),),
        Planned("at_target", "adults", Level.ICB, "all"): ((AS_OF, 0.9),),
        Planned("at_target", "frail", Level.ICB, "all"): ((AS_OF, 0.7),),
    })  # fmt: skip
    assert plan.of("at_target", "adults", Level.ICB, "all") == ((AS_OF, 0.9),)
    assert plan.of("at_target", "other", Level.ICB, "all") == ((AS_OF, 0.5),)


HEAD = "metric,level,area,date,value\n"
KNOWN = {"at_target": Measure.PROPORTION, "caseload": Measure.COVERAGE}


def plan_of(folder: Path, text: str) -> Plan:
    (folder / "plan.csv").write_text(text)
    return read_plan(folder / "plan.csv", AREAS, KNOWN)


def test_a_plan_is_read_by_quarter(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        HEAD
        + "caseload,place,East,2026-12-31,300\ncaseload,place,East,2026-09-30,200\ncaseload,icb,all,2026-09-30,250\n",
    )
    rows = plan_rows(plan, "caseload", "1", AREAS, AS_OF).to_pylist()
    assert [
        (row["metric"], row["level"], row["area"], row["group_by"], row["group"], row["value"]) for row in rows
    ] == [
        ("caseload_plan", "icb", "all", "quarter", "2026-09-30", 250),
        ("caseload_plan", "place", "East", "quarter", "2026-09-30", 200),
        ("caseload_plan", "place", "East", "quarter", "2026-12-31", 300),
    ]
    assert plan_rows(plan, "at_target", "1", AREAS, AS_OF).num_rows == 0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("at_target,place,West,2026-09-30,0.5", "column 'area': is not an area of this level in the list (row 1)"),
        ("at_target,practice,East,2026-09-30,0.5", "column 'area': is not an area of this level in the list (row 1)"),
        ("at_tarjet,place,East,2026-09-30,0.5", "is no metric of these figures (did you mean 'at_target'?) (row 1)"),
        ("at_target,borough,East,2026-09-30,0.5", "column 'level': is no level of these figures (row 1)"),
        ("at_target,place,East,2026-09-30,50", "column 'value': a share is from 0 to 1 (row 1)"),
        ("at_target,place,East,2026-09-30,-1", "column 'value': a number of 0 or more is needed (row 1)"),
        ("at_target,place,East,,0.5", "column 'date': is empty (row 1)"),
        ("at_target,place,East,2026-09-30,0.5\nat_target,place,East,2026-09-30,0.6",
         "column 'date': the same metric, area and day are in a row above (row 2)"),
    ],
)  # fmt: skip
def test_a_bad_plan_is_one_clear_error(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        plan_of(tmp_path, HEAD + rows + "\n")
    assert message in str(caught.value)


def test_what_is_planned_of_a_floor_is_people() -> None:
    rows = table_of_columns(
        1, as_of=AS_OF, metric="int_floor_gap", version="1", measure=Measure.COVERAGE, cohort="all", level="place",
        area="East", group_by="none", numerator=np.array([250.0]), value=np.array([50.0]),
    )  # fmt: skip
    for planned, trajectory in ((250, "on"), (251, "off")):
        plan = Plan({Planned("int_floor", None, Level.PLACE, "East"): ((AS_OF, planned),)})
        [row] = with_series(rows, AS_OF, History(()), plan, good={"int_floor": "high"})[0].to_pylist()
        assert (row["target"], row["trajectory"]) == (planned, trajectory)
