"""Each layout that ships, on a made-up extract in its real shape; and how layouts are written, merged and refused."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import extracts
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from extracts import DIABETES, DIASTOLIC, EGFR, HBA1C, STATIN, SYSTOLIC, guid

from popstrat.deriving.canonical import KINDS
from popstrat.deriving.folds import beyond
from popstrat.deriving.layout import AnyTable, Layout, layouts, load_layout
from popstrat.deriving.people import People, read_people
from popstrat.deriving.rows import RowFiles, open_rows
from popstrat.errors import InputError

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
        {**usual, "code": EGFR, "value": beyond(90, ">"), "unit": "mL/min/1.73m²"},
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
        {**usual, "code": EGFR, "value": beyond(90, ">"), "unit": "%"},
    ]
    assert found.counts == {"rows": 4, "comparator": 1, "not_in_lookup": 1}
    rows, _ = rows_of("medications", folder, "omop")
    assert rows == [{**usual, "date": dt.date(2026, 6, 1), "code": STATIN}]
    rows, found = rows_of("activity", folder, "omop")
    assert [r.get("code") for r in rows] == [0, 1, 3, 2, None]
    assert found.counts == {"rows": 5, "another_kind": 1}


def test_omop_from_parquet_and_from_numbers_with_a_point(tmp_path: Path) -> None:
    folder = extracts.omop(tmp_path / "csv")
    other = tmp_path / "parquet"
    other.mkdir()
    for path in folder.glob("*.csv"):
        between = "\t" if path.stem == "CONCEPT" else ","
        options = pa_csv.ParseOptions(delimiter=between, quote_char=False if between == "\t" else '"')
        pq.write_table(pa_csv.read_csv(path, parse_options=options), other / f"{path.stem}.parquet")
    for table in ("events", "medications", "activity"):
        one, other_rows = (rows_of(table, at, "omop", ids=pa.int64())[0] for at in (folder, other))
        assert one == other_rows
        assert {type(row["patient_id"]) for row in one} == {int}
    from_text, numbers = (read_people(at, at, "omop", as_of=AS_OF) for at in (folder, other))
    assert [(str(i), *rest) for i, *rest in shown(numbers)] == shown(from_text)
    person = (folder / "person.csv").read_text().replace(",8532,", ",8532.0,").replace(",5,", ",5.0,")
    (folder / "person.csv").write_text(person)
    assert shown(read_people(folder, folder, "omop", as_of=AS_OF)) == shown(from_text)


# -- layouts of one's own -----------------------------------------------------------------------------------------


def test_a_layout_of_ones_own_says_only_what_differs(tmp_path: Path) -> None:
    folder = extracts.emis(tmp_path / "extract")
    for lookup in folder.glob("*Coding_*"):
        lookup.unlink()
    with pytest.raises(InputError, match=r"looks up clinical_code in .*Coding_ClinicalCode.*no such file"):
        rows_of("events", folder, "emis")
    local = tmp_path / "local.toml"
    local.write_text("""
extends = "emis"

[events.CareRecord_Observation.columns]
code = "CodeId"                     # SNOMED CT as it stands

[events.CareRecord_Observation.set_aside]
confidential = false
""")
    rows, found = rows_of("events", folder, local)
    assert len(rows) == 9
    assert found.counts["deleted"] == 1
    assert "confidential" not in found.counts
    assert found.layout.name == "local.toml"
    assert found.layout.shapes["events"][0].name == "CareRecord_Observation"
    further = tmp_path / "further.toml"
    further.write_text('extends = "local.toml"\n[text]\nencoding = "cp1252"\n')
    assert load_layout(further).encoding == "cp1252"
    assert load_layout(further).shapes == load_layout(local).shapes
    assert len({load_layout(one).sha256 for one in ("emis", local, further)}) == 3


def test_a_key_that_stands_for_two_things_is_refused(tmp_path: Path) -> None:
    folder = extracts.emis(tmp_path)
    lookup = next(folder.glob("*Coding_ClinicalCode*"))
    lines = lookup.read_text(encoding="utf-8").splitlines()
    lookup.write_text("\n".join([*lines, lines[1]]) + "\n", encoding="utf-8")  # twice the same is the same
    rows_of("events", folder, "emis")
    cells = lines[1].rsplit(",", 2)
    lookup.write_text("\n".join([*lines, ",".join([cells[0], str(HBA1C), cells[2]])]) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"Coding_ClinicalCode.*column 'CodeId': 1 of its keys occur again"):
        rows_of("events", folder, "emis")


@pytest.mark.parametrize("name", layouts())
def test_every_layout_has_its_patients_and_a_source(name: str) -> None:
    layout = load_layout(name)
    assert layout.title
    assert layout.source.startswith("https://")
    assert all(layout.shapes[table] for table in ("patients", "registrations", "events", "medications", "activity"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[event.x]", "event: is not known (did you mean 'events'?)"),
        ("[events]\nx = 1", "events.x: must be a table, written [events.x]"),
        ("[events.x]\nfils = 'a'", "[events.x] fils: is not known (did you mean 'files'?)"),
        ("[events.x]", "[events.x]: does not say where patient_id is taken from"),
        ("[events.x.columns]\ncod = 'a'", "[events.x] cod: events have no such column (did you mean 'code'?)"),
        ("[events.x.columns]\ncode = 1", "[events.x] code from: needs a text, or a list of texts"),
        ("[events.x.columns]\ncode = {}", "[events.x] code: needs `from`"),
        ("[events.x.columns]\ncode = { form = 'a' }", "[events.x] code form: is not known (did you mean 'from'?)"),
        ("[events.x.columns]\ncode = { from = 'a', through = 'b' }", "goes through [lookup.b], which does not exist"),
        ("[events.x.columns]\ncode = { from = 'a', precision = 'b' }", "precision: is for a date alone"),
        ("[activity.x.columns]\ncode = { from = 'a', values = { b = 'visit' } }", "'visit' is none of emergency_adm"),
        ("[lookup.x]\nfiles = 'a'", "[lookup.x]: needs `key`"),
        ("[text]\ndates = 'dd/mm'", "[text] dates: 'dd/mm' is not a form of dates"),
        ("[text]\ntimes = 'bst'", '[text] times: needs "utc" or "local"'),
        ("[text.bp]\nnulls = 'x'", "[text] bp: is neither a word for how text is spelt nor a column of ours"),
        ("[text]\nnull = 'x'", "[text] null: is neither a word for how text is spelt nor a column of ours"),
        ("extends = 'emsi'", "there is no layout 'emsi' (did you mean 'emis'?)"),
        ("extends = 'local.toml'", "which extends it"),
        ("title = 1", "title: needs a text"),
        ("[", "is not valid TOML"),
    ],
)  # fmt: skip
def test_layouts_that_are_wrong_say_where(tmp_path: Path, text: str, problem: str) -> None:
    local = tmp_path / "local.toml"
    local.write_text(text)
    with pytest.raises(InputError) as error:
        load_layout(local)
    assert problem in str(error.value)


def test_a_layout_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such layout file"):
        load_layout(tmp_path / "none.toml")
    with pytest.raises(InputError, match=r"there is no layout 'visions'.*there are canonical, emis, omop, tpp"):
        load_layout("visions")
