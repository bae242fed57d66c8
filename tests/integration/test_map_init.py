"""A column map proposed for an ugly extract: what it finds, what it asks, and scores as those of the list itself."""

from __future__ import annotations

import csv
import datetime as dt
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat.cli import run
from popstrat.packs.map_file import parse_map
from popstrat.packs.patient_table import patient_schema
from popstrat.runs.map_proposal import propose

AS_OF = "2026-06-30"
KNOWN = patient_schema().columns
FLAGS = {"HTN": "hypertension", "DM": "diabetes", "AF": "atrial_fibrillation", "CKD": "ckd", "Dementia": "dementia",
         "SMI": "smi", "LD": "learning_disability", "Statin": "statin"}  # fmt: skip
LABELS: dict[str, dict[Any, str]] = {
    "sex": {"female": "Woman", "male": "Man", "intersex": "Indeterminate", "unknown": "Not known"},
    "smoking": {"never": "Never smoked", "ex": "Ex smoker", "current": "Smoker", None: "N/A"},
}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    path = tmp_path_factory.mktemp("map") / "list.parquet"
    assert run(["synth", "--patients", "3000", "--seed", "3", "--as-of", AS_OF, "-o", str(path)]) == 0
    return pq.read_table(path)


def day(value: dt.date | None) -> str:
    return "NULL" if value is None else value.strftime("%d/%m/%Y")


def number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def extract(people: pa.Table, path: Path, delimiter: str = ";") -> Path:
    """The list as another program might write it: a byte-order mark, CRLF, its own names, words and dates."""
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        out = csv.writer(file, delimiter=delimiter, lineterminator="\r\n")
        out.writerow(["PatientKey", "GP Practice Code", "DOB", "Gender", *FLAGS, "BP", "BP Taken", "HbA1c (%)",
                      "HbA1c Date", "Smoking Status", "eFI", "Repeat medicines", "Emergency admissions",
                      "Surname"])  # fmt: skip
        for p in people.to_pylist():
            pressure = "NULL" if p["systolic_bp"] is None or p["diastolic_bp"] is None else (
                f"{p['systolic_bp']:g}/{p['diastolic_bp']:g}")  # fmt: skip
            flags = ["" if p[c] is None else "Y" if p[c] else "N" for c in FLAGS.values()]
            hba1c = "NULL" if p["hba1c"] is None else f"{(p['hba1c'] + 23.5) / 10.929:.6f}"
            out.writerow([p["patient_id"], p["practice_code"], day(p["date_of_birth"]), LABELS["sex"][p["sex"]], *flags,
                          pressure, day(p["bp_date"]), hba1c, day(p["hba1c_date"]), LABELS["smoking"][p["smoking"]],
                          number(p["efi"]), number(p["medicines_count"]), number(p["emergency_admissions_12m"]),
                          "SECRETNAME"])  # fmt: skip
    return path


def whole_pressures(people: pa.Table) -> pa.Table:
    """The columns of the extract, as the list has them; its blood pressures are there together or not at all."""
    names = ["patient_id", "practice_code", "date_of_birth", "sex", *FLAGS.values(), "systolic_bp", "diastolic_bp",
             "bp_date", "hba1c", "hba1c_date", "smoking", "efi", "medicines_count",
             "emergency_admissions_12m"]  # fmt: skip
    rows = people.select(names).to_pylist()
    for p in rows:
        if p["systolic_bp"] is None or p["diastolic_bp"] is None:
            p["systolic_bp"] = p["diastolic_bp"] = None
    return pa.Table.from_pylist(rows, people.select(names).schema)


@pytest.mark.filterwarnings("ignore::popstrat.DataWarning")
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_from_an_ugly_extract_to_its_scores(
    people: pa.Table, tmp_path: Path, capsys: pytest.CaptureFixture[str], delimiter: str
) -> None:
    path, draft, out = (
        extract(people, tmp_path / "extract.csv", delimiter),
        tmp_path / "map.toml",
        tmp_path / "s.parquet",
    )
    assert run(["map", "init", str(path), "-o", str(draft)]) == 0
    told = capsys.readouterr().out
    assert "not used" in told
    text = draft.read_text(encoding="utf-8")
    assert "SECRETNAME" not in text
    assert "#   Surname" in text
    assert run(["score", str(path), "--map", str(draft), "--as-of", AS_OF, "-o", str(out), "-q"]) == 0
    found = pq.read_table(out)
    expected = popstrat.score(whole_pressures(people), AS_OF)
    assert found.column("patient_id").to_pylist() == [str(i) for i in expected.column("patient_id").to_pylist()]
    rest = [n for n in expected.schema.names if n != "patient_id"]
    assert found.select(rest).to_pylist() == expected.select(rest).to_pylist()


def written(path: Path, **columns: list[str]) -> Path:
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(f'"{c}"' for c in row) for row in rows)]) + "\n")
    return path


def content(path: Path) -> dict[str, Any]:
    found = tomllib.loads(propose([path], patient_schema()).text)
    parse_map(found, KNOWN)
    return found


def test_what_it_finds(tmp_path: Path) -> None:
    base = {"key": [str(i) for i in range(40)], "practice": ["Y90001"] * 40, "sex": ["F", "M"] * 20}
    found = content(written(
        tmp_path / "a.csv", **base,
        dob=["03-Feb-1950"] * 40, hba1c_date=["20260130", "20260129"] * 20, bmi=["27,5", "30,25"] * 20,
        egfr=["> 90", "45"] * 20, hb=["12.5", "14"] * 20, copd=["Present", "Absent"] * 20,
    ))  # fmt: skip
    assert found == {
        "columns": {"patient_id": "key", "practice_code": "practice", "date_of_birth": "dob", "haemoglobin": "hb"},
        "text": {"true": ["present"], "false": ["absent"], "dates": "dd-mmm-yyyy", "decimal_comma": True,
                 "hba1c_date": {"dates": "yyyymmdd"}},
        "values": {"egfr": {"> 90": 91}},
        "units": {"haemoglobin": 10},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("bmi", "efi", "comma"),
    [
        (["27,5"], ["0,306"], True), (["27.5"], ["0,306"], True), (["27,512"], ["0,306"], True),
        (["27.5"], ["0.306"], False), (["1.027,5"], ["NULL"], True), (["27"], ["1,234"], False), (["27"], ["?"], False),
    ],
)  # fmt: skip
def test_a_decimal_comma_is_one_in_every_column(tmp_path: Path, bmi: list[str], efi: list[str], comma: bool) -> None:
    """What parts thousands has three digits behind it each time and no nought before it."""
    base = {"patient_id": [str(i) for i in range(40)], "practice_code": ["Y90001"] * 40, "sex": ["F", "M"] * 20,
            "age": ["50"] * 40}  # fmt: skip
    file = written(tmp_path / "a.csv", **base, bmi=bmi * 40, efi=efi * 40)
    found = tomllib.loads(propose([file], patient_schema()).text)
    assert found.get("text", {}).get("decimal_comma", False) == comma
    if comma:
        assert "values" not in found


def test_a_list_in_order_needs_no_map(people: pa.Table, tmp_path: Path) -> None:
    pq.write_table(people, tmp_path / "a.parquet")
    found = propose([tmp_path / "a.parquet"], patient_schema())
    assert tomllib.loads(found.text) == {}
    assert (found.left, found.lacking, found.questions) == ([], [], 0)


def test_what_few_rows_hold_is_not_written_down(tmp_path: Path) -> None:
    words = ["F"] * 30 + ["SECRETNAME"] + ["neither"] * 9
    path = written(tmp_path / "a.csv", patient_id=[str(i) for i in range(40)], sex=words)
    found = propose([path], patient_schema())
    assert "SECRETNAME" not in found.text
    assert '# "neither" = ""   # 9 rows: which of female, male, intersex, unknown?' in found.text
    assert "and 1 other texts in 1 rows, not shown" in found.text
    assert found.lacking == ["practice_code", "date_of_birth or age"]


def test_days_and_months_that_cannot_be_told_apart(tmp_path: Path) -> None:
    ids = [str(i) for i in range(20)]
    both = propose([written(tmp_path / "a.csv", patient_id=ids, dob=["03/04/1950"] * 20)], patient_schema())
    assert 'dates = "dd/mm/yyyy"   # or mm/dd/yyyy? no date here tells' in both.text
    told = propose(
        [written(tmp_path / "b.csv", patient_id=ids, dob=["03/04/1950", "13/04/1950"] * 10)], patient_schema()
    )
    assert 'dates = "dd/mm/yyyy"\n' in told.text
    american = propose([written(tmp_path / "c.csv", patient_id=ids, dob=["04/13/1950"] * 20)], patient_schema())
    assert 'dates = "mm/dd/yyyy"\n' in american.text


def test_a_map_is_not_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "a.csv", patient_id=["1"], sex=["F"])
    (tmp_path / "map.toml").write_text("[const]\n")
    arguments = ["map", "init", str(path), "-o", str(tmp_path / "map.toml")]
    assert run(arguments) == 2
    assert "already exists; --force replaces it" in capsys.readouterr().err
    assert run([*arguments, "--force"]) == 0
    assert run(["map", "init", str(tmp_path / "none.csv"), "-o", str(tmp_path / "new.toml")]) == 2
    assert not (tmp_path / "new.toml").exists()


def test_what_is_proposed_of_doubtful_words(tmp_path: Path) -> None:
    """Day and month are told apart by the column that can; no units of alcohol may be a number; few are not counted."""
    base = {"patient_id": [str(i) for i in range(40)], "practice_code": ["Y90001"] * 40}
    file = written(
        tmp_path / "a.csv", **base, sex=["F", "M"] * 19 + ["Indeterminate", "M"], dob=["02/23/1950"] * 40,
        bp_date=["03/04/2026"] * 40, alcohol_units_week=["None", "7"] * 20, hba1c=["6.5", "5.9"] * 20,
    )  # fmt: skip
    text = propose([file], patient_schema()).text
    found = tomllib.loads(text)
    assert found["text"] == {"dates": "mm/dd/yyyy"}
    assert '"None" = ""   # 20 rows: which number?' in text
    assert '"Indeterminate" = "intersex"   # fewer than 8 rows' in text
    assert found["units"]["hba1c"] == {"multiply": 10.929, "add": -23.5, "round": 0}
