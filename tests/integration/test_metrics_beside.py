"""`popstrat metrics` with files beside the list: a caseload, a plan, earlier months, an earlier scored table.

Every number is worked out again from the scored table, a person at a time, in plain Python.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from popstrat.cli import run

AS_OF = "2026-06-30"
COHORTS = ("frailty_int_priority", "mltc_int_priority", "cyp_int_segment")
SPELLS, PLAN = "patient_id,cohort,start,end\n", "metric,level,area,date,value\n"
EXACT = ("--no-disclosure-control", "--quiet", "--as-of", AS_OF)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of 4,000 people in six practices, scored this month and the month before."""
    folder = tmp_path_factory.mktemp("metrics")
    listed = str(folder / "list.parquet")
    assert run(["synth", "-n", "4000", "--practices", "6", "--seed", "3", "--as-of", AS_OF, "-o", listed]) == 0
    for day, name in ((AS_OF, "june"), ("2026-05-31", "may")):
        output = str(folder / f"{name}.parquet")
        assert run(["score", listed, "--as-of", day, "-o", output, "--quiet", "--pack", "neighbourhood-2026"]) == 0
    return folder


@pytest.fixture(autouse=True)
def here(work: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(work)
    yield
    for path in [*work.glob("out*"), *work.glob(".out*")]:
        path.unlink()


def people(name: str) -> dict[Any, dict[str, Any]]:
    return {row["patient_id"]: row for row in pq.read_table(f"{name}.parquet").to_pylist()}


def figures(*arguments: str) -> list[dict[str, Any]]:
    assert run(["metrics", "list.parquet", "-o", "out.parquet", *EXACT, *arguments]) == 0
    rows: list[dict[str, Any]] = pq.read_table("out.parquet").to_pylist()
    return rows


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["metrics", "list.parquet", "-o", "out.parquet", *EXACT, *arguments]) == 2
    assert not Path("out.parquet").exists()
    return capsys.readouterr().err


def spells() -> list[tuple[Any, str, str, str]]:
    """Every third person of each cohort from their own day on, half of them with a care plan, some ended; two more."""
    found = []
    for column in COHORTS:
        name = column.rpartition("_")[0]
        of = [key for key, row in people("june").items() if row[column]]
        for i, key in enumerate(of[::3]):
            start = dt.date(2025, 12, 1) + dt.timedelta(days=i % 240)
            end = "2026-06-01" if i % 7 == 0 and start < dt.date(2026, 6, 1) else ""
            found.append((key, name, f"{start},{end}", "2026-03-01" if i % 2 else ""))
    nobody = [key for key, row in people("june").items() if not any(row[c] for c in COHORTS)]
    return [*found, (nobody[0], "mltc_int", "2026-01-01,", ""), (10**9, "cyp_int", "2026-01-01,", "")]


def test_a_caseload_worked_out_again(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = spells()
    text = "".join(f"{key},{cohort},{span},{plan}\n" for key, cohort, span, plan in rows)
    (work / "caseload.csv").write_text("patient_id,cohort,start,end,care_plan_date\n" + text)
    listed = {row["patient_id"]: row for row in pq.read_table("list.parquet").to_pylist()}
    scored, today = people("june"), dt.date(2026, 6, 30)

    def on(key: Any, cohort: str | None) -> bool:
        return any(
            key == who and cohort in (None, of) and dt.date.fromisoformat(span.split(",")[0]) <= today
            and (span.split(",")[1] or "9999-12-31") > AS_OF
            for who, of, span, _ in rows
        )  # fmt: skip

    def planned(key: Any) -> dt.date | None:
        own = [dt.date.fromisoformat(plan) for who, _, _, plan in rows if who == key and plan]
        return max([*own, *([listed[key]["care_plan_date"]] if listed[key]["care_plan_date"] else [])], default=None)

    mine = [key for key in scored if on(key, None)]
    found = figures("--caseload", "caseload.csv", "--level", "icb", "--level", "practice", "--level", "place")
    values = {
        (row["metric"], row["cohort"], row["area"]): (row["numerator"], row["denominator"])
        for row in found if row["measure"] == "coverage" and row["group_by"] == "none"
    }  # fmt: skip
    assert values["caseload", "all", "all"] == (len(mine), 4000)
    of_practice = Counter(scored[key]["practice_code"] for key in mine)
    sizes = Counter(row["practice_code"] for row in scored.values())
    for practice, size in sizes.items():
        assert values["caseload", "all", practice] == (of_practice[practice], size)
    with_plan = [key for key in mine if planned(key)]
    assert values["caseload_care_plan", "all", "all"] == (len(with_plan), len(mine))
    due = [k for k in mine if listed[k]["last_admission_date"]
           and (planned(k) is None or listed[k]["last_admission_date"] > planned(k))]  # fmt: skip
    assert values["caseload_review_due", "all", "all"] == (len(due), len(mine))
    for column in ("frailty_int_segment", "frailty_int_priority"):
        of = [key for key, row in scored.items() if row[column]]
        reached = sum(on(key, "frailty_int") for key in of)
        assert values["on_caseload", column, "all"] == (reached, len(of))
        assert values["not_on_caseload", column, "all"] == (len(of) - reached, len(of))
    [floor] = [row for row in found if (row["metric"], row["area"], row["measure"]) == ("int_floor", "all", "floor")]
    of_place = Counter(row["place"] for row in scored.values())
    assert floor["value"] == sum(-(-size * 15 // 1000) for size in of_place.values())
    [gap] = [row for row in found if (row["metric"], row["area"]) == ("int_floor_gap", "all")]
    assert gap["value"] == floor["value"] - len(mine)
    [end_of_may] = [
        row for row in found if (row["metric"], row["group"], row["level"]) == ("caseload_active", "2026-05", "icb")
    ]
    assert end_of_may["numerator"] == len({
        who for who, _, span, _ in rows
        if who in scored and span.split(",")[0] <= "2026-05-31" and (span.split(",")[1] or "9999") > "2026-05-31"
    })  # fmt: skip


def test_a_series_and_a_plan(work: Path) -> None:
    history = work / "history"
    history.mkdir(exist_ok=True)
    for month in range(5, 0, -1):
        day = f"2026-{month:02}-28"
        command = ["metrics", "list.parquet", "-o", str(history / f"{month}.parquet"), "--as-of", day, "--level", "icb"]
        assert run([*command, "--no-disclosure-control", "--quiet", "--metric", "smoking_current", "--force"]) == 0
    (work / "plan.csv").write_text(
        "metric,level,area,date,value\nsmoking_current,icb,all,2026-06-30,0.99\nsmoking_current,icb,all,2027-06-30,0.01\n"
    )
    rows = figures("--history", "history", "--plan", "plan.csv", "--metric", "smoking_current", "--level", "icb")
    [row] = [row for row in rows if row["group_by"] == "none" and row["measure"] == "proportion"]
    earlier = {month: value_of(history / f"{month}.parquet") for month in (1, 5)}
    assert (row["previous"], row["baseline"], row["year_ago"]) == (earlier[5], earlier[1], None)
    assert (row["target"], row["trajectory"]) == (0.99, "on")  # low is good, and it is under 99%


def value_of(path: Path) -> float:
    rows = pq.read_table(path).to_pylist()
    [row] = [row for row in rows if row["group_by"] == "none" and row["measure"] == "proportion"]
    return float(row["value"])


def test_movers_worked_out_again() -> None:
    rows = figures("--previous", "may.parquet", "--metric", "smoking_current", "--level", "icb", "--level", "practice")
    before, now = people("may"), people("june")
    expected = Counter(
        (row["practice_code"], f"{before[key]['cvrm_rag'] or 'no group'}>{row['cvrm_rag'] or 'no group'}")
        for key, row in now.items()
    )
    found = {
        (row["area"], row["group"]): row["numerator"] for row in rows
        if (row["measure"], row["metric"], row["level"]) == ("movers", "cvrm_rag", "practice") and row["numerator"]
    }  # fmt: skip
    assert found == dict(expected)
    whole = [
        row["numerator"]
        for row in rows
        if row["measure"] == "movers" and (row["metric"], row["level"]) == ("need_rag", "icb")
    ]
    assert sum(whole) == 4000


@pytest.mark.parametrize(
    ("option", "content", "message"),
    [
        ("--caseload", SPELLS + "1,frail,2026-01-01,\n", "caseload.csv: column 'cohort': is no cohort of the pack"),
        ("--caseload", SPELLS + "1,cyp_int,2026-02-01,2026-01-01\n", "column 'end': is before the start (row 1)"),
        ("--plan", PLAN + "smoking_current,place,Atlantis,2026-09-30,0.1\n", "is not an area of this level"),
        ("--plan", PLAN.replace("level", "lebel"), "column 'level': is missing (did you mean 'lebel'?)"),
        ("--history", None, "there is no such folder"),
        ("--previous", "a,b\n1,2\n", "column 'patient_id': is missing"),
    ],
)  # fmt: skip
def test_bad_files_are_one_clear_error(
    work: Path, capsys: pytest.CaptureFixture[str], option: str, content: str | None, message: str
) -> None:
    path = work / f"{option.strip('-')}.csv"
    if content is not None:
        path.write_text(content)
    told = refused(capsys, option, str(path) if content is not None else "nowhere", "--metric", "smoking_current")
    assert told.startswith("error: ")
    assert message in told


def test_nothing_of_a_practice_follows_from_the_risk(work: Path) -> None:
    (work / "local.toml").write_text("""
[pack]
id = "local"
version = "1"
extends = "london-2026"
[definition.high_risk]
kind = "metric"
title = "High risk"
means = "For a test."
assumption = "none"
version = "1"
numerator = 'admission_risk > 0.05'
good = "low"
[definition.smokers]
kind = "metric"
title = "Smoking"
means = "For a test."
assumption = "none"
version = "1"
numerator = 'smoking == "current"'
good = "low"
""")
    rows = figures("--pack", "local.toml")
    prizes = {row["metric"] for row in rows if row["measure"].startswith("prize")}
    assert prizes == {"smokers"}
    assert all(row["value"] >= 0 and math.isfinite(row["value"]) for row in rows if row["measure"].startswith("prize"))
