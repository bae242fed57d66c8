"""Columns under other names: other capitals are read and said, near misses told with the outputs they would change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat.cli import run

AS_OF = "2026-06-30"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    path = tmp_path_factory.mktemp("names") / "list.parquet"
    assert run(["synth", "--patients", "300", "--seed", "5", "--as-of", AS_OF, "-o", str(path)]) == 0
    return pq.read_table(path)


def renamed(table: pa.Table, names: dict[str, str]) -> pa.Table:
    return table.rename_columns([names.get(n, n) for n in table.schema.names])


def written(table: pa.Table, path: Path) -> Path:
    if path.suffix == ".csv":
        pa_csv.write_csv(table.cast(pa.schema([(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type)
                                               for f in table.schema])), path)  # fmt: skip
    else:
        pq.write_table(table, path)
    return path


def scored(path: Path, *more: str) -> tuple[Any, dict[str, Any]]:
    out = path.with_name(f"scored-{path.name}.parquet")
    assert run(["score", str(path), "--as-of", AS_OF, "-o", str(out), *more]) == 0
    return pq.read_table(out), json.loads(Path(f"{out}.run.json").read_text())


CAPITALS = {
    "hba1c": "HbA1c",
    "bmi": "BMI",
    "bp_date": "BP_Date",
    "patient_id": "PATIENT_ID",
    "systolic_bp": " Systolic_BP ",
}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_other_capitals_are_read_and_said(people: pa.Table, tmp_path: Path, suffix: str) -> None:
    usual, _ = scored(written(people, tmp_path / f"a{suffix}"))
    other, record = scored(written(renamed(people, CAPITALS), tmp_path / f"b{suffix}"))
    assert other.to_pylist() == usual.to_pylist()
    assert record["ignored_columns"] == []
    (notice,) = (n for n in record["notices"] if "other capitals" in n)
    assert all(name.strip() in notice for name in CAPITALS.values())


def test_in_memory_too(people: pa.Table) -> None:
    usual = popstrat.score(people, AS_OF)
    assert popstrat.score(renamed(people, CAPITALS), AS_OF).equals(usual)


def test_the_column_of_the_right_name_comes_first(people: pa.Table, tmp_path: Path) -> None:
    both = people.append_column("HbA1c", pa.nulls(people.num_rows, pa.float64()))
    usual, _ = scored(written(people, tmp_path / "a.parquet"))
    other, record = scored(written(both, tmp_path / "b.parquet"))
    assert other.to_pylist() == usual.to_pylist()
    assert record["ignored_columns"] == ["HbA1c"]
    assert popstrat.score(both, AS_OF).to_pylist() == usual.to_pylist()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("systolic_bp", "systolicbp"), ("systolic_bp", "systollic_bp"), ("bp_date", "BP date"),
     ("emergency_admissions_12m", "emergency_admission_12m"),
     ("atrial_fibrillation", "AtrialFibrillation"), ("hba1c_date", "HbA1c-Date")],
)  # fmt: skip
def test_near_misses_are_told(people: pa.Table, tmp_path: Path, ours: str, theirs: str) -> None:
    table = renamed(people, {ours: theirs})
    _, record = scored(written(table, tmp_path / "a.parquet"))
    (warning,) = (w for w in record["warnings"] if "is not used, and" in w)
    assert warning.startswith(f"column {theirs!r} is not used, and {ours} is absent")
    assert "would use it" in warning
    with pytest.warns(popstrat.DataWarning, match="is not used, and"):
        popstrat.score(table, AS_OF)


def test_names_that_are_merely_alike_are_not(people: pa.Table, tmp_path: Path) -> None:
    table = renamed(people, {"ldl": "hdl", "bmi": "bsa", "acr": "pcr", "egfr": "gfr_method", "falls": "fall"})
    _, record = scored(written(table, tmp_path / "a.parquet"))
    told = [w for w in record["warnings"] if "is not used, and" in w]
    assert not any(name in w for w in told for name in ("hdl", "bsa", "pcr", "gfr_method"))
