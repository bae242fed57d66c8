"""What a run warns of though nothing stops it: wrong units, absent columns, empty opt-outs, NHS numbers for keys."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat import synthetic
from popstrat.cli import run
from popstrat.quality import suspicions
from popstrat.schema import patient_schema

AS_OF = "2026-06-30"
ROWS = 4000


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return synthetic.table(ROWS, seed=5, as_of=dt.date(2026, 6, 30))


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def warnings_of(data: pa.Table, *options: str, as_of: str = AS_OF, command: str = "score") -> list[str]:
    """The warnings of a run, which are those of the library as well."""
    pq.write_table(data, "list.parquet")
    output = ["-o", "out.parquet"] if command == "score" else []
    assert run([command, "list.parquet", *output, "--as-of", as_of, "-q", *options]) == 0
    if command == "check":
        return []
    record: dict[str, Any] = json.loads(Path("out.parquet.run.json").read_text())
    profile = options[options.index("--profile") + 1] if "--profile" in options else "direct-care"
    _, memory = popstrat.score(data, as_of, profile=profile, record=True)
    assert memory["warnings"] == record["warnings"]
    assert memory["absent_columns"] == record["absent_columns"]
    return list(record["warnings"])


def replaced(data: pa.Table, columns: Mapping[str, Any]) -> pa.Table:
    for name, values in columns.items():
        data = data.set_column(data.column_names.index(name), name, values)
    return data


def test_a_sound_list_raises_no_doubt(people: pa.Table) -> None:
    assert warnings_of(people) == []
    assert warnings_of(people, "--profile", "secondary-use") == []


def test_a_list_with_the_faults_of_real_extracts_raises_no_doubt() -> None:
    """A few tenths of a per cent are implausible in any list; warnings about those would not be read for long."""
    dirty = pa.Table.from_batches(list(synthetic.generate(ROWS, seed=5, as_of=dt.date(2026, 6, 30), dirty=True)))
    found = warnings_of(dirty)
    assert not [w for w in found if "hba1c:" in w or "haemoglobin:" in w]


# -- units --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "change", "question"),
    [
        (
            "hba1c",
            lambda v: pc.add(pc.divide(v, 10.929), 2.15),
            "is it % (DCCT; 4 to 14, where mmol/mol is 20 to 130)?",
        ),
        ("haemoglobin", lambda v: pc.divide(v, 10), "is it g/dL?"),
        ("efi", lambda v: pc.round(pc.multiply(v, 36)), "is it a count of deficits, or another index?"),
        ("bmi", lambda v: pc.add(v, 140), "is it a height or a weight?"),
        ("systolic_bp", lambda v: pc.divide(v, 10), "is it in mmHg?"),
        ("cfs", lambda v: pc.add(v, 9), "is it the right column?"),
    ],
)
def test_a_column_in_another_unit_is_named_with_its_likely_unit(
    people: pa.Table, column: str, change: Any, question: str
) -> None:
    wrong = replaced(people, {column: change(people.column(column))})
    found = [w for w in warnings_of(wrong) if w.startswith(f"{column}: ")]
    assert len(found) == 1
    assert found[0].endswith(f"set aside: {question}")


def test_check_looks_at_columns_that_no_rule_reads(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(replaced(people, {"ldl": pc.multiply(people.column("ldl"), 38.67)}), "list.parquet")
    assert run(["check", "list.parquet", "--as-of", AS_OF, "--json"]) == 0
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert warning.startswith("ldl: ")
    assert warning.endswith("is it mg/dL?")


def test_hba1c_in_per_cent_never_reaches_a_rule(people: pa.Table) -> None:
    percent = pc.add(pc.divide(people.column("hba1c"), 10.929), 2.15)
    scored = popstrat.score(replaced(people, {"hba1c": percent}), AS_OF)
    without = popstrat.score(replaced(people, {"hba1c": pa.nulls(ROWS, pa.float32())}), AS_OF)
    for column in ("diabetes_status", "cvrm_rag", "admission_risk"):
        assert scored.column(column).equals(without.column(column))


def test_unmapped_labels_and_a_wrong_as_of_date(people: pa.Table) -> None:
    shouted = replaced(people, {"smoking": pa.array(["Ex smoker"] * ROWS)})
    assert any(w.startswith("smoking: 4,000 values (100.0 % of rows) are unknown label") for w in warnings_of(shouted))
    early = warnings_of(people, as_of="2026-03-01")
    assert any(w.startswith("bp_date: ") and w.endswith("is the as-of date that of the extract?") for w in early)


@pytest.mark.parametrize(
    ("count", "rows", "warned"),
    [(9, 20, False), (10, 1000, True), (10, 1001, False), (99, 10_000, False), (100, 10_000, True)],
)
def test_where_many_begins(count: int, rows: int, warned: bool) -> None:
    found = suspicions({"hba1c": {"outside 15 to 200 mmol/mol": count}}, rows, patient_schema())
    assert bool(found) is warned


def test_the_summary_shows_the_warning(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(replaced(people, {"haemoglobin": pc.divide(people.column("haemoglobin"), 10)}), "list.parquet")
    for command in (["check", "list.parquet"], ["score", "list.parquet", "-o", "out.parquet"]):
        assert run([*command, "--as-of", AS_OF]) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert "warning: haemoglobin: " in text
        assert "is it g/dL?" in text


# -- absent columns -----------------------------------------------------------------------------------------------


def test_absent_columns_are_named_and_so_is_the_model_that_reads_them(people: pa.Table) -> None:
    found = warnings_of(people.drop_columns(["bmi", "haemoglobin", "dementia"]))
    assert found[0] == "absent columns count as null for everybody: dementia, bmi, haemoglobin"
    assert found[1].startswith("admission_risk: everybody takes the model's default for ")
    assert {"bmi", "haemoglobin"} <= set(found[1].split(" for ")[1].split(";")[0].replace(",", "").split())


def test_a_column_of_no_type_is_absent_too(people: pa.Table) -> None:
    assert warnings_of(replaced(people, {"bmi": pa.nulls(ROWS)}))[0].endswith("null for everybody: bmi")


def test_what_no_definition_reads_may_be_absent(people: pa.Table) -> None:
    assert warnings_of(people.drop_columns(["phq9_date", "neighbourhood", "type1_opt_out"])) == []


def test_an_absent_date_column_is_a_notice_of_its_own(people: pa.Table) -> None:
    assert warnings_of(people.drop_columns(["hba1c_date"])) == []
    record = json.loads(Path("out.parquet.run.json").read_text())
    assert "there is no column hba1c_date: hba1c count as current" in record["notices"]


def test_a_narrow_table_lists_all_absent_columns_in_the_record() -> None:
    narrow = pa.table({"patient_id": [1, 2], "practice_code": ["Y1", "Y1"], "age": [50, 70], "sex": ["F", "M"]})
    found = warnings_of(narrow)
    record = json.loads(Path("out.parquet.run.json").read_text())
    assert " and " in found[0]
    assert {"hypertension", "efi", "hba1c", "emergency_admissions_12m"} <= set(record["absent_columns"])
    assert not {"date_of_birth", "age", "place"} & set(record["absent_columns"])


# -- secondary use ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", [pa.nulls(ROWS, pa.bool_()), pa.array([False] * ROWS), pa.nulls(ROWS)])
def test_an_opt_out_that_nobody_has_is_doubted(people: pa.Table, empty: pa.Array) -> None:
    found = warnings_of(replaced(people, {"national_data_opt_out": empty}), "--profile", "secondary-use")
    assert found == ["nobody is left out for national_data_opt_out: is that column filled?"]
    assert warnings_of(replaced(people, {"national_data_opt_out": empty})) == []


def test_nhs_numbers_as_keys_are_doubted_in_secondary_use_only() -> None:
    valid = [n for n in range(9_990_000_000, 9_990_000_200) if popstrat_is_nhs(n)]
    small = synthetic.table(len(valid), seed=1, as_of=dt.date(2026, 6, 30))
    for ids in (pa.array(valid), pa.array([str(v) for v in valid])):
        data = replaced(small, {"patient_id": ids})
        (warning,) = warnings_of(data, "--profile", "secondary-use")
        assert warning.startswith("patient_id looks like NHS numbers, and secondary use needs pseudonyms")
        assert warnings_of(data) == []


def popstrat_is_nhs(number: int) -> bool:
    """The check digit, written out."""
    digits = [int(d) for d in str(number)]
    check = 11 - sum(d * w for d, w in zip(digits, range(10, 1, -1), strict=False)) % 11
    return check != 10 and digits[9] == check % 11


# -- models ---------------------------------------------------------------------------------------------------------


def test_the_disclaimer_of_a_model_goes_with_its_scores(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    expected = "admission_risk: Illustrative: built from published figures, not fitted to outcomes."
    pq.write_table(people, "list.parquet")
    assert run(["score", "list.parquet", "-o", "out.parquet", "--as-of", AS_OF]) == 0
    assert f"note: {expected}" in " ".join(capsys.readouterr().out.split())
    assert expected in json.loads(Path("out.parquet.run.json").read_text())["notices"]
    assert expected in popstrat.score(people, AS_OF, record=True)[1]["notices"]
