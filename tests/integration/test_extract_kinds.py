"""Kinds of problem of extracts that other people report, each of which gave a wrong value or a loss in silence."""

from __future__ import annotations

import datetime as dt
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat import synthetic
from popstrat.cli import run
from popstrat.packs.keys import key

AS_OF = "2026-06-30"
ROWS = 2_000


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return synthetic.table(ROWS, seed=3, as_of=dt.date(2026, 6, 30))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def replaced(table: pa.Table, column: str, values: Any) -> pa.Table:
    array = pa.array(values)
    at = table.column_names.index(column) if column in table.column_names else -1
    return table.append_column(column, array) if at < 0 else table.set_column(at, column, array)


def checked(table: pa.Table, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    pq.write_table(table, "list.parquet")
    assert run(["check", "list.parquet", "--as-of", AS_OF, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def warned(table: pa.Table) -> list[str]:
    """What `score` says of a table in memory."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        popstrat.score(table, AS_OF)
    return [str(w.message) for w in told]


def every(nth: int, value: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda held: [value if i % nth == 0 else v for i, v in enumerate(held)]


def for_null(value: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda held: [value if v is None else v for v in held]


@pytest.mark.parametrize(
    ("column", "change", "told"),
    [
        ("acr", for_null(0.0), "acr is 0 in "),
        ("cvd_risk_10y", for_null(0.0), "cvd_risk_10y is 0 in "),
        ("emergency_admissions_12m", every(50, 99), "emergency_admissions_12m is 99, 999 or 9999 in 40 of "),
        ("gp_appointments_12m", every(50, 999), "gp_appointments_12m is 99, 999 or 9999 in 40 of "),
        ("ae_attendances_12m", every(40, 9999), "ae_attendances_12m is 99, 999 or 9999 in 50 of "),
        ("medicines_count", every(40, 99), "medicines_count is 99, 999 or 9999 in 50 of "),
        ("alcohol_units_week", every(40, 99.0), "alcohol_units_week is 99 or 999 in 50 of "),
        ("date_of_birth", every(20, dt.date(1970, 1, 1)), "date_of_birth is 1970-01-01 or 1960-01-01 in 100 of "),
        ("date_of_birth", every(7, dt.date(2026, 6, 30)), "age is 0 in "),
    ],
)  # fmt: skip
def test_values_that_stand_for_no_record_are_asked_about(
    people: pa.Table,
    column: str,
    change: Callable[[list[Any]], list[Any]],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = checked(replaced(people, column, change(people[column].to_pylist())), capsys)
    assert [w for w in found["warnings"] if w.startswith(told) and w.endswith("stand for no record?")]
    assert not [w for w in checked(people, capsys)["warnings"] if "stand for no record" in w]


@pytest.mark.parametrize("flag", ["diabetes", "hypertension", "copd", "dementia"])
def test_a_flag_that_is_reversed(people: pa.Table, flag: str) -> None:
    reversed_ = replaced(people, flag, [not v for v in people[flag].to_pylist()])
    (told,) = [w for w in warned(reversed_) if "is it reversed" in w]
    assert told.startswith(f"{flag} is true for 1,")
    assert not [w for w in warned(people) if "is it reversed" in w]


def test_spellings_of_one_place_are_one(people: pa.Table) -> None:
    spelt = ["Bexley", "Bexley ", "\u200bBexley", " Bexley\u00a0", '="Bexley"', "", "NULL", "NA", "N/A", None]
    table = replaced(people.slice(0, 1_000), "place", spelt * 100)
    scored, record = popstrat.score(table, AS_OF, record=True)
    assert scored["place"].to_pylist() == (["Bexley"] * 5 + [None] * 5) * 100
    assert any(w.startswith("place: 800 rows are written in another form") for w in record["notices"])
    pq.write_table(table, "list.parquet")
    assert run(["score", "list.parquet", "-o", "out.parquet", "--as-of", AS_OF, "-q"]) == 0
    assert pq.read_table("out.parquet")["place"].to_pylist() == scored["place"].to_pylist()


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("kind", ["double", "spreadsheet"])
def test_long_ids_that_were_rounded(people: pa.Table, kind: str, text: bool) -> None:
    """Of ids of 17 digits each could be somebody else's; of those as they were, nothing is said."""
    rng = np.random.default_rng(5)
    whole = rng.choice(np.arange(10**16, 10**16 + 10**7, 3), ROWS, replace=False) * 9 + 1
    rounded = (
        [int(float(i)) for i in whole]
        if kind == "double"
        else [int(str(i)[:15]) * 100 for i in range(10**16, 10**16 + ROWS * 100, 100)]
    )
    for ids, expected in ((rounded, True), (whole.tolist(), False)):
        ids = list(dict.fromkeys(ids))
        table = replaced(people.slice(0, len(ids)), "patient_id", [str(i) for i in ids] if text else ids)
        told = [w for w in warned(table) if "have been rounded" in w]
        assert bool(told) == expected
        assert not any(str(i) in w for w in told for i in ids[:50])


def test_who_has_died_or_left_is_not_taken_out_in_silence(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    for column in ("Date of Death", "deceased", "DEDUCTED_DATE", "Registration End Date", "is_dead"):
        found = checked(replaced(people, column, ["2026-01-01"] * ROWS), capsys)
        assert (
            f"{column} is not used: people who have died or left are counted for as long as the list has them"
            in found["notices"]
        )
    for column in ("Usual GP", "death_risk_model", "left eye"):
        assert not [n for n in checked(replaced(people, column, ["x"] * ROWS), capsys)["notices"] if "died" in n]


def test_a_column_that_is_there_twice_in_other_capitals(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    twice = replaced(people, "BMI", [40.0] * ROWS)
    assert "column 'BMI' is not read: bmi is another column of the input" in checked(twice, capsys)["notices"]
    assert "column 'BMI' is not read: bmi is another column of the input" in warned(twice)
    assert popstrat.score(twice, AS_OF)["admission_risk"].equals(popstrat.score(people, AS_OF)["admission_risk"])


def test_coded_labels_beside_no_record(people: pa.Table) -> None:
    """A null made them floating: they are the same labels."""
    coded = replaced(people, "sex", pa.array([1.0, 2.0, float("nan"), None] * (ROWS // 4)))
    words = replaced(people, "sex", pa.array(["male", "female", None, None] * (ROWS // 4)))
    assert popstrat.score(coded, AS_OF).equals(popstrat.score(words, AS_OF))


def test_a_file_that_may_have_been_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """Within its last row nothing else tells: 37 or 3?"""
    text = "patient_id,practice_code,age,sex,bmi\n1,Y90001,50,F,27.5\n2,Y90001,60,M,3"
    for whole, end in ((False, ""), (True, "7\n"), (True, "7\r\n")):
        Path("a.csv").write_bytes((text + end).encode())
        assert run(["check", "a.csv", "--as-of", AS_OF, "--json"]) == 0
        told = (
            "a.csv does not end with a line end: is its last row whole?"
            in json.loads(capsys.readouterr().out)["notices"]
        )
        assert told is not whole


def test_quotes_that_a_word_processor_made() -> None:
    assert [key(t) for t in ("“9990000018”", "‘A1’", "“ A1 ”", "A’1")] == ["9990000018", "A1", "A1", "A’1"]
