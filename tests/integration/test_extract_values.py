"""What cells of an extract mean, and what a message says may be done about those that mean nothing."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat.cli import run
from popstrat.packs.patient_table import patient_schema
from popstrat.runs.map_proposal import propose

AS_OF = "2026-06-30"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def people(**columns: list[Any]) -> pa.Table:
    size = len(next(iter(columns.values())))
    who = {"patient_id": [str(i) for i in range(size)], "practice_code": ["Y90001"] * size, "age": [60] * size,
           "sex": ["F"] * size}  # fmt: skip
    return pa.table({k: v for k, v in who.items() if not (k == "age" and "date_of_birth" in columns)} | columns)


def csv(table: pa.Table, name: str = "a.csv") -> str:
    rows = [table.column_names, *(["" if v is None else str(v) for v in row.values()] for row in table.to_pylist())]
    Path(name).write_text("".join(",".join(row) + "\n" for row in rows))
    return name


def recorded(table: pa.Table, mapping: dict[str, Any] | None = None) -> dict[str, Any]:
    """The counts of a run on a list in memory, and the same of one in CSV and one in Parquet, which must be equal."""
    _, record = popstrat.score(table, AS_OF, record=True, mapping=mapping)
    Path("map.toml").write_text("")
    if mapping:
        lines = []
        for part, of in mapping.items():
            lines += [f"[{part}]", *(f"{k} = {toml(v)}" for k, v in of.items())]
        Path("map.toml").write_text("\n".join(lines) + "\n")
    pq.write_table(table, "a.parquet")
    for name in (csv(table), "a.parquet"):
        assert run(["score", name, "--as-of", AS_OF, "-o", "out.parquet", "-q", "--force", "--map", "map.toml"]) == 0
        other = json.loads(Path("out.parquet.run.json").read_text())
        assert (other["recorded"], other["quality"]) == (record["recorded"], record["quality"])
    return {k: record[k] for k in ("recorded", "quality")}


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)


@pytest.mark.filterwarnings("ignore::popstrat.DataWarning")
@pytest.mark.parametrize("shape", ["{}%", "{} %", " {}% ", "{}.0%", "+{}%"])
def test_a_percent_sign_is_read_where_the_unit_is_known(shape: str) -> None:
    """Of a column in %, and of one whose unit the map says; elsewhere 10% may be a tenth or ten."""
    held = recorded(people(cvd_risk_10y=[shape.format(n) for n in (12, 18, 7)]))
    assert (held["recorded"]["cvd_risk_10y"], held["quality"]) == (3, {})
    cells = [shape.format(n) for n in (6, 7, 9)]
    held = recorded(people(hba1c=cells), {"units": {"hba1c": {"multiply": 10.929, "add": -23.5, "round": 0}}})
    assert (held["recorded"]["hba1c"], held["quality"]) == (3, {})
    held = recorded(people(efi=cells), {"units": {"efi": 0.01}})
    assert (held["recorded"]["efi"], held["quality"]) == (3, {})
    for column in ("hba1c", "efi", "imd_decile", "bmi"):
        with pytest.raises(popstrat.InputError, match=rf"a cell is not a number .*\[values.{column}\]"):
            popstrat.score(people(**{column: cells}), AS_OF)


@pytest.mark.filterwarnings("ignore::popstrat.DataWarning")
@pytest.mark.parametrize("kind", [pa.int64(), pa.int32(), pa.uint32(), pa.float64()])
def test_days_as_numbers(kind: pa.DataType, capsys: pytest.CaptureFixture[str]) -> None:
    """Read if the map says the form; else the message says how."""
    table = people(date_of_birth=pa.array([19660630, 19660701, None], kind))
    pq.write_table(table, "a.parquet")
    assert run(["score", "a.parquet", "--as-of", AS_OF, "-o", "out.parquet"]) == 2
    told = capsys.readouterr().err
    assert 'if it holds days as yyyymmdd, a map can say so: [text.date_of_birth] date_format = "yyyymmdd"' in told
    for key in ("dates", "date_format"):
        scored = popstrat.score(table, AS_OF, mapping={"text": {"date_of_birth": {key: "yyyymmdd"}}})
        assert scored["age"].to_pylist()[:2] == [60, 59]
    odd = people(date_of_birth=pa.array([19660630, 19661340, 0], kind))
    with pytest.raises(popstrat.InputError, match=r"a cell is not a date as yyyymmdd .*\(rows 2, 3\)"):
        popstrat.score(odd, AS_OF, mapping={"text": {"dates": "yyyymmdd"}})


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        ({"bmi": ["27", "obese"]}, "[values.bmi]"),
        ({"ckd": ["Y", "stage 3"]}, "[values.ckd]"),
        ({"bp_date": ["2026-01-01", "01/02/2026"]}, '[text] dates = "dd/mm/yyyy", or whatever it is'),
    ],
)
@pytest.mark.parametrize("command", ["check", "score", "library"])
def test_what_a_map_can_say_of_it(
    columns: dict[str, list[str]], key: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under our name, also where the file has another."""
    table = people(**columns)
    told = f"(row 2); a map can say what is meant ({key})"
    if command == "library":
        with pytest.raises(popstrat.InputError) as caught:
            popstrat.score(table, AS_OF)
        assert told in str(caught.value)
        return
    (ours,) = columns
    pq.write_table(table, "a.parquet")
    out = ["-o", "out.parquet"] if command == "score" else []
    renamed = table.rename_columns([ours.upper() if n == ours else n for n in table.column_names])
    for name in (csv(table), "a.parquet", csv(renamed, "b.csv")):
        assert run([command, name, "--as-of", AS_OF, *out]) == 2
        assert told in capsys.readouterr().err


def test_a_map_of_several_files_names_the_one(capsys: pytest.CaptureFixture[str]) -> None:
    csv(people(bmi=[20]).rename_columns(["key", *people(bmi=[20]).column_names[1:]]), "june.csv")
    csv(people(bmi=[20]), "july.csv")
    Path("map.toml").write_text('[columns]\npatient_id = "key"\n')
    for command in (["check"], ["score", "-o", "out.parquet"]):
        assert run([*command, "june.csv", "july.csv", "--map", "map.toml", "--as-of", AS_OF]) == 2
        assert "map.toml: [columns] patient_id = 'key': july.csv has no such column" in capsys.readouterr().err
    assert run(["check", "july.csv", "--map", "map.toml", "--as-of", AS_OF]) == 2
    assert "the input has no such column" in capsys.readouterr().err


def test_ids_written_for_a_spreadsheet_are_counted() -> None:
    """As in the library, whether or not the CSV quotes them."""
    head = "patient_id,practice_code,age,sex,place\n"
    rows = ['="01",Y90001,50,F,="A"', '"=""02""",Y90001,="60",M,B', "03,Y90001,60,M,C"]
    Path("a.csv").write_text(head + "\n".join(rows) + "\n")
    assert run(["score", "a.csv", "--as-of", AS_OF, "-o", "out.parquet", "-q"]) == 0
    assert json.loads(Path("out.parquet.run.json").read_text())["ids"]["respelt"] == {"patient_id": 2}
    scored = pq.read_table("out.parquet")
    assert scored["patient_id"].to_pylist() == ["01", "02", "03"]
    assert scored["place"].to_pylist() == ["A", "B", "C"]
    assert scored["age"].to_pylist() == [50, 60, 60]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_practice_that_is_not_its_folder(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Spellings of one code are one; another is told, with the rows' number, and the file's own is read."""
    for code, own in (("Y90001", ["y90001", "Y90001 "]), ("Y90002", ["Y90001", "Y90002"])):
        folder = Path(f"lists/practice_code={code}")
        folder.mkdir(parents=True)
        ids = [f"{code}{i}" for i in range(2)]
        table = people(bmi=[20, 21]).set_column(0, "patient_id", pa.array(ids)).set_column(
            1, "practice_code", pa.array(own))  # fmt: skip
        pq.write_table(table, folder / "a.parquet") if form == "parquet" else csv(table, str(folder / "a.csv"))
    assert run(["score", "lists", "--as-of", AS_OF, "-o", "out.parquet", "--json"]) == 0
    told = [w for w in json.loads(capsys.readouterr().out)["warnings"] if "folder" in w]
    where = f"practice_code=Y90002/a.{form}"
    differs = "practice_code differs from the name of its folder in 1 row: the file's own value is used"
    assert told == [f"{where}: {differs}"]
    assert pq.read_table("out.parquet")["practice_code"].to_pylist() == ["Y90001", "Y90001", "Y90001", "Y90002"]


def test_a_unit_that_is_ours_already(capsys: pytest.CaptureFixture[str]) -> None:
    """Converted once too often, the values are out of range; the question is about the map."""
    table = people(hba1c=[42.0 + i % 20 for i in range(100)])
    mapping = {"units": {"hba1c": {"multiply": 10.929, "add": -23.5, "round": 0}}}
    with pytest.warns(popstrat.DataWarning, match=r"are they in mmol/mol before \[units\] of the map converts them\?"):
        _, record = popstrat.score(table, AS_OF, record=True, mapping=mapping)
    assert any("before [units] of the map" in w for w in record["warnings"])
    pq.write_table(table.set_column(4, "hba1c", pa.array([6.0, 50.0] * 50)), "a.parquet")
    text = propose(["a.parquet"], patient_schema()).text
    assert "50% of the numbers look like % (DCCT), 50% like mmol/mol. Which rows are in which unit?" in text


def test_the_next_command_has_the_encoding(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.csv").write_bytes("patient_id;Prénom\n1;Zoë\n".encode("cp1252"))
    assert run(["map", "init", "a.csv", "-o", "map.toml", "--encoding", "cp1252"]) == 0
    assert "Then: popstrat check EXTRACT --map map.toml --encoding cp1252" in capsys.readouterr().out


def test_a_first_line_of_values_is_asked_about(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.csv").write_text("9990000018,Y90001,50,F\n9990000026,Y90001,51,M\n")
    assert run(["score", "a.csv", "-o", "out.parquet", "--as-of", AS_OF]) == 2
    told = capsys.readouterr().err
    assert "does the first line of the file name the columns? Some of its names are numbers" in told
    assert "9990000018" not in told


def test_a_row_is_named_once() -> None:
    with pytest.raises(popstrat.InputError) as caught:
        popstrat.score(people(bmi=[20, 21]).set_column(0, "patient_id", pa.array([7, 7])), dt.date(2026, 6, 30))
    assert str(caught.value) == "column 'patient_id': an id occurs more than once: row 2 repeats row 1"
    assert caught.value.rows == (1,)
