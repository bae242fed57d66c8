"""Who is on the list: what is refused, and ids of any kind. The rules themselves: tests/property/test_people.py."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from extracts import write_csv

from popstrat.deriving.folds import NO_DAY
from popstrat.deriving.people import read_people
from popstrat.errors import InputError

AS_OF = dt.date(2026, 6, 30)


def patient(who: str, **cells: Any) -> dict[str, Any]:
    return {"patient_id": who, "date_of_birth": "1950-01-01", "sex": "F", **cells}


def stay(who: str, **cells: Any) -> dict[str, Any]:
    return {"patient_id": who, "practice_code": "Y90001", "start_date": "2001-01-01", **cells}


def table(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    return write_csv(folder / name, list(dict.fromkeys(c for r in rows for c in r)), rows)


def test_two_rows_of_a_patient_that_differ_are_refused(tmp_path: Path) -> None:
    who = [patient("C"), patient("A"), patient("B"), patient("A", sex="M"), patient("C")]
    with pytest.raises(InputError) as error:
        read_people(table(tmp_path, "p.csv", who), table(tmp_path, "r.csv", [stay("A")]), as_of=AS_OF)
    assert (error.value.column, error.value.rows, Path(error.value.file or "").name) == ("patient_id", (3,), "p.csv")
    assert "'A'" not in str(error.value)


def test_rows_that_differ_are_named_in_their_files(tmp_path: Path) -> None:
    layout = tmp_path / "local.toml"
    layout.write_text('extends = "canonical"\n[patients.patients.set_aside]\ndeleted = { gone = "1" }')
    files = [
        table(tmp_path, "p1.csv", [patient("B"), patient("A")]),
        table(tmp_path, "p2.csv", [patient("A", gone="1"), patient("D"), patient("A", date_of_birth="")]),
    ]
    with pytest.raises(InputError, match=r"p2.csv: column 'patient_id': another row has the same.*\(row 3\)"):
        read_people(files, table(tmp_path, "r.csv", [stay("A")]), layout, as_of=AS_OF)


@pytest.mark.parametrize("whose", ["patients", "registrations"])
def test_numbers_in_one_file_and_text_in_another(tmp_path: Path, whose: str) -> None:
    who, where = (
        table(tmp_path, "p.csv", [patient("20"), patient("3")]),
        table(tmp_path, "r.csv", [stay("3"), stay("20")]),
    )
    days = pa.array(["2001-01-01", "2001-01-01"]).cast(pa.date32())
    numbers = pa.table({"patient_id": [3, 20], "practice_code": ["Y90001"] * 2, "start_date": days, "sex": ["F"] * 2,
                        "date_of_birth": days})  # fmt: skip
    pq.write_table(numbers, tmp_path / "n.parquet")
    files = (tmp_path / "n.parquet", where) if whose == "patients" else (who, tmp_path / "n.parquet")
    people = read_people(*files, as_of=AS_OF)
    assert people.keys.to_pylist() == ["20", "3"]  # as text
    both = read_people(tmp_path / "n.parquet", tmp_path / "n.parquet", as_of=AS_OF)
    assert both.keys.to_pylist() == [3, 20]
    assert both.keys.type == pa.int64()


def test_columns_are_in_one_piece_and_typed(tmp_path: Path) -> None:
    who = [
        patient(f"{i:03}", date_of_birth="" if i % 2 else "1950-01-01", imd_decile=str(i % 10 + 1)) for i in range(300)
    ]
    where = [
        stay(f"{i:03}", place=f"Place {i % 3}", end_date="" if i % 5 else "2030-01-01") for i in range(299, -1, -1)
    ]
    files = table(tmp_path, "p.csv", who), table(tmp_path, "r.csv", where)
    people = read_people(*files, as_of=AS_OF)
    assert all(column.num_chunks == 1 for column in people.table.columns)
    assert [str(f.type) for f in people.table.schema] == [
        "string", "date32[day]", "dictionary<values=string, indices=int32, ordered=0>", "date32[day]",
        "dictionary<values=string, indices=int32, ordered=0>", "int8", "bool", "bool",
        "dictionary<values=string, indices=int32, ordered=0>", "date32[day]", "date32[day]",
        *["dictionary<values=string, indices=int32, ordered=0>"] * 3,
    ]  # fmt: skip
    assert (people.births[:2] == [-7305, NO_DAY]).all()
    assert people.counts["people"] == {"rows": 300, "without_birth_date": 150}
    assert [row["place"] for row in people.table.slice(0, 4).to_pylist()] == [
        "Place 0",
        "Place 1",
        "Place 2",
        "Place 0",
    ]
    assert [i["rows"] for i in people.inputs] == [300, 300]


def test_nobody(tmp_path: Path) -> None:
    people = read_people(
        write_csv(tmp_path / "p.csv", list(patient("1")), []),
        write_csv(tmp_path / "r.csv", list(stay("1")), []),
        as_of=AS_OF,
    )
    assert len(people.table) == 0
    assert people.counts == {"patients": {"rows": 0}, "registrations": {"rows": 0}, "people": {"rows": 0}}


def test_a_missing_column(tmp_path: Path) -> None:
    who = table(tmp_path, "p.csv", [patient("1")])
    where = table(tmp_path, "r.csv", [{"patient_id": "1", "practice": "Y90001", "start_date": "2001-01-01"}])
    with pytest.raises(InputError, match=r"r.csv: column 'practice_code': is absent"):
        read_people(who, where, as_of=AS_OF)
