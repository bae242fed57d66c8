"""Each layout that ships, on a made-up extract in its real shape; and how layouts are written, merged and refused."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import extracts
from extracts import DIABETES, DIASTOLIC, EGFR, HBA1C, STATIN, SYSTOLIC, guid

from popstrat.derive.canonical import KINDS
from popstrat.derive.layout import AnyTable, Layout
from popstrat.derive.people import People, read_people
from popstrat.derive.rows import RowFiles, open_rows

AS_OF = dt.date(2026, 6, 30)
MAY = dt.date(2026, 5, 1)


def rows_of(table: AnyTable, files: Any, layout: str | Path | Layout, **options: Any) -> tuple[list[Any], RowFiles]:
    """The rows of a table without their nulls, and the files that they were read from."""
    found = open_rows(table, files, layout, **options)
    rows = [row for batch in found.batches() for row in batch.to_pylist()]
    return [{k: v for k, v in row.items() if v is not None} for row in rows], found


def shown(people: People) -> list[tuple[Any, ...]]:
    names = ("patient_id", "sex", "date_of_birth", "practice_code", "start_date", "end_date")
    return [tuple(row[n] for n in names) for row in people.table.to_pylist()]


# -- the layouts that ship ----------------------------------------------------------------------------------------


def test_emis_people(tmp_path: Path) -> None:
    folder = extracts.emis(tmp_path / "extract")
    people = read_people(folder, folder, "emis", as_of=AS_OF)
    start = dt.date(2001, 5, 1)
    assert shown(people) == [
        (guid(1), "F", dt.date(1950, 3, 7), "Y90001", start, None),
        (guid(8), "I", dt.date(2011, 11, 11), "Y90001", start, None),
    ]
    assert people.counts == {
        "patients": {"rows": 8, "confidential": 1, "deleted": 1, "dummy": 1},
        "registrations": {"rows": 8, "confidential": 1, "deleted": 1, "dummy": 1, "not_regular": 1},
        "people": {"rows": 2, "dead": 1, "not_registered": 2},
    }
    assert [f["name"].split("_")[2] for f in people.inputs] == ["Admin", "Admin", "Admin"]


def test_emis_observations(tmp_path: Path) -> None:
    rows, found = rows_of("events", extracts.emis(tmp_path), "emis")
    groups = [row.pop("group_id", None) for row in rows]
    assert groups[0] == groups[1] != groups[2] == groups[3]
    assert groups[4:] == [None] * 4
    usual = {"patient_id": guid(1), "date": MAY}
    assert rows == [
        {**usual, "code": SYSTOLIC, "value": 128.0, "unit": "mmHg"},
        {**usual, "code": DIASTOLIC, "value": 76.0, "unit": "mmHg"},
        {**usual, "code": SYSTOLIC, "value": 131.0, "unit": "mmHg"},
        {**usual, "code": DIASTOLIC, "value": 70.0, "unit": "mmHg"},
        {**usual, "date": dt.date(1999, 1, 1), "code": DIABETES},
        {**usual, "date": dt.date(2003, 6, 1), "code": DIABETES},
        {"patient_id": guid(1), "code": HBA1C, "value": 48.0},
        {**usual, "value": 1.0},
    ]
    assert found.counts == {
        "rows": 10, "confidential": 1, "deleted": 1, "month_only": 1, "not_in_lookup": 1, "year_only": 1,
    }  # fmt: skip


def test_emis_medications_are_issues_or_else_authorisations(tmp_path: Path) -> None:
    rows, found = rows_of("medications", extracts.emis(tmp_path / "one"), "emis")
    usual = {"patient_id": guid(1), "date": MAY}
    assert rows == [{**usual, "code": STATIN}, {**usual, "date": dt.date(2026, 6, 1), "code": STATIN}, usual]
    assert found.counts == {"rows": 4, "deleted": 1, "not_in_lookup": 1}
    rows, _ = rows_of("medications", extracts.emis(tmp_path / "other", issues=False), "emis")
    assert rows == [{"patient_id": guid(1), "date": dt.date(2019, 1, 1), "code": STATIN}]


def test_emis_appointments(tmp_path: Path) -> None:
    rows, found = rows_of("activity", extracts.emis(tmp_path), "emis")
    assert rows == [{"patient_id": guid(1), "date": dt.date(2026, 6, 2), "code": KINDS.index("gp_appointment")}]
    assert found.counts == {"rows": 4, "cancelled": 1, "did_not_attend": 1, "no_patient_id": 1}


def test_tpp_people(tmp_path: Path) -> None:
    folder = extracts.tpp(tmp_path)
    people = read_people(folder, folder, "tpp", as_of=AS_OF)
    start = dt.date(2001, 5, 1)
    assert shown(people) == [
        ("11", "F", dt.date(1950, 3, 7), "Y90003", start, None),
        ("15", "U", dt.date(2015, 6, 1), "Y90002", start, None),
    ]
    assert people.counts == {
        "patients": {"rows": 5, "deleted": 1, "dummy": 1},
        "registrations": {"rows": 5, "not_regular": 1, "unknown_patient": 1},
        "people": {"rows": 2, "dead": 1},
    }


def test_tpp_rows(tmp_path: Path) -> None:
    folder = extracts.tpp(tmp_path)
    rows, found = rows_of("events", folder, "tpp")
    groups = [row.pop("group_id", None) for row in rows]
    assert groups[0] == groups[1]
    assert groups[2:] == [None] * 3
    usual = {"patient_id": "11", "date": MAY}
    assert rows == [
        {**usual, "code": SYSTOLIC, "value": 128.0, "unit": "mmHg"},
        {**usual, "code": DIASTOLIC, "value": 76.0, "unit": "mmHg"},
        {**usual, "code": EGFR, "value": 90.00000000000001, "unit": "mL/min/1.73m²"},
        usual,
        {"patient_id": "11", "code": DIABETES},
    ]
    assert found.counts == {"rows": 6, "comparator": 1, "deleted": 1, "no_code": 1}
    rows, found = rows_of("medications", folder, "tpp")
    assert rows == [{**usual, "date": dt.date(2026, 5, 3), "code": STATIN}, {**usual, "code": STATIN}, usual]
    assert found.counts == {"rows": 3, "no_code": 1}
    rows, found = rows_of("activity", folder, "tpp")
    assert rows == [{"patient_id": "11", "date": dt.date(2026, 6, 2), "code": KINDS.index("gp_appointment")}]
    assert found.counts == {"rows": 3, "cancelled": 1, "did_not_attend": 1}


def test_omop_people(tmp_path: Path) -> None:
    folder = extracts.omop(tmp_path)
    people = read_people(folder, folder, "omop", as_of=AS_OF)
    start, end = dt.date(2001, 5, 1), dt.date(2026, 12, 31)
    assert shown(people) == [
        ("21", "female", dt.date(1950, 3, 7), "Y90004", start, end),
        ("23", "male", dt.date(2015, 1, 1), "Y90004", start, end),
    ]
    assert people.counts == {
        "patients": {"rows": 4, "year_only_date_of_birth": 2},
        "registrations": {"rows": 4, "not_in_lookup": 1, "without_practice": 1},
        "people": {"rows": 2, "dead": 1, "not_registered": 1},
    }


def test_omop_rows(tmp_path: Path) -> None:
    folder = extracts.omop(tmp_path)
    rows, found = rows_of("events", folder, "omop")
    usual = {"patient_id": "21", "date": MAY}
    assert rows == [
        {**usual, "date": dt.date(1999, 1, 1), "code": DIABETES},
        {**usual, "date": dt.date(2001, 1, 1)},
        {**usual, "code": SYSTOLIC, "value": 128.0, "unit": "mmHg"},
        {**usual, "code": EGFR, "value": 90.00000000000001, "unit": "%"},
    ]
    assert found.counts == {"rows": 4, "comparator": 1, "not_in_lookup": 1}
    rows, _ = rows_of("medications", folder, "omop")
    assert rows == [{**usual, "date": dt.date(2026, 6, 1), "code": STATIN}]
    rows, found = rows_of("activity", folder, "omop")
    assert [r.get("code") for r in rows] == [0, 1, 3, 2, None]
    assert found.counts == {"rows": 5, "another_kind": 1}
