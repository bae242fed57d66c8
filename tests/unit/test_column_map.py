"""A mapping file renames columns, maps values and fills constants; whatever is wrong with it is named."""

from __future__ import annotations

import datetime as dt
import pickle
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import popstrat
from popstrat.errors import InputError
from popstrat.formats import open_source
from popstrat.packs.column_map import MapPlan, keys_without_rows
from popstrat.packs.map_file import load_map, parse_map
from popstrat.packs.patient_table import patient_schema

pytestmark = pytest.mark.smoke

KNOWN = patient_schema().columns


def plan(text: str, names: list[str]) -> MapPlan:
    return parse_map(tomllib.loads(text), KNOWN, name="map.toml").plan(names, KNOWN)


def mapped(text: str, batch: pa.RecordBatch) -> dict[str, list[object]]:
    made = plan(text, batch.schema.names)
    ours = made.schema(batch.schema).names
    out = made.apply(batch.select(made.wanted(ours)), ours)
    assert out.schema.equals(made.schema(batch.schema))
    found: dict[str, list[object]] = out.to_pydict()
    return found


EXTRACT = pa.record_batch(
    {
        "PatientKey": pa.array([11, 12, 13, 14]),
        "Gender": pa.array(["Woman", "Man", None, "Not recorded"]),
        "HTN": pa.array(["Y", "N", None, ""]),
        "BP": pa.array(["140", "n/a", None, "120.5"]),
        "BP on": pa.array(["2026-01-31", "never", None, ""]),
        "smoking": pa.array([2, 0, None, 1], pa.int8()),
        "sex": pa.array(["x", "y", "z", "x"]),
    }
)
MAP = """
[columns]
patient_id = "PatientKey"
sex = "Gender"
hypertension = "HTN"
systolic_bp = "BP"
bp_date = "BP on"
[values.sex]
Woman = "female"
Man = "M"
"Not recorded" = ""
[values.hypertension]
Y = true
N = false
[values.systolic_bp]
"n/a" = ""
[values.bp_date]
never = ""
[values.smoking]
0 = "never"
1 = "ex"
2 = "current"
[const]
practice_code = "E85001"
"""


def test_a_whole_mapping() -> None:
    assert mapped(MAP, EXTRACT) == {
        "patient_id": [11, 12, 13, 14],
        "sex": ["female", "M", None, None],
        "hypertension": [True, False, None, None],
        "systolic_bp": [140.0, None, None, 120.5],
        "bp_date": [dt.date(2026, 1, 31), None, None, None],
        "smoking": ["current", "never", None, "ex"],
        "practice_code": ["E85001"] * 4,
    }
    made = plan(MAP, EXTRACT.schema.names)
    assert made.hidden == ("sex",)
    assert made.wanted(["sex", "patient_id", "practice_code", "cfs"]) == ["Gender", "PatientKey"]


def test_only_the_columns_asked_for_in_the_order_asked_for() -> None:
    made = plan(MAP, EXTRACT.schema.names)
    ours = ["practice_code", "sex"]
    assert made.apply(EXTRACT.select(made.wanted(ours)), ours).schema.names == ours
    empty = made.apply(EXTRACT.slice(0, 0), list(made.schema(EXTRACT.schema).names))
    assert empty.num_rows == 0
    assert empty.schema.equals(made.schema(EXTRACT.schema))


def test_two_columns_may_trade_names() -> None:
    batch = pa.record_batch({"systolic_bp": [80], "diastolic_bp": [120]})
    text = '[columns]\nsystolic_bp = "diastolic_bp"\ndiastolic_bp = "systolic_bp"'
    assert mapped(text, batch) == {"diastolic_bp": [80], "systolic_bp": [120]}
    assert mapped('[columns]\negfr = "egfr_previous"', pa.record_batch({"egfr_previous": [50.0]})) == {"egfr": [50.0]}


@pytest.mark.parametrize("value", [1, 1.0, True, "1"])
def test_values_are_compared_as_text(value: object) -> None:
    key = "true" if value is True else "1"
    batch = pa.record_batch({"sex": pa.array([value, None])})
    assert mapped(f'[values.sex]\n{key} = "female"', batch) == {"sex": ["female", None]}


def test_labels_that_no_line_mentions_stay() -> None:
    batch = pa.record_batch({"smoking": pa.array(["smoker", "ex", "pipe", "smoker"]).dictionary_encode()})
    made = mapped('[values.smoking]\nsmoker = "current"', batch)
    assert made == {"smoking": ["current", "ex", "pipe", "current"]}


def test_values_that_cannot_be_mapped_are_named_by_row() -> None:
    batch = pa.record_batch({"Flag": ["Y", "N", "perhaps", "true", None, "perhaps"]})
    with pytest.raises(InputError) as caught:
        mapped('[columns]\ndiabetes = "Flag"\n[values.diabetes]\nY = true\nN = false', batch)
    assert (caught.value.column, caught.value.rows) == ("diabetes", (2, 5))
    assert "perhaps" not in str(caught.value)
    with pytest.raises(InputError, match="not a date"):
        mapped('[values.bp_date]\nx = ""', pa.record_batch({"bp_date": ["20260131"]}))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[columns]\nhypertensoin = "a"', "[columns] hypertensoin: popstrat has no such column (did you mean 'hypert"),
        ('[columns]\nBP = "systolic_bp"', '[columns] BP: popstrat has no such column; it is written our_name = "their'),
        ('[columns]\nsex = "Genda"', "[columns] sex = 'Genda': the input has no such column (did you mean 'Gender'?)"),
        ("[columns]\nsex = 3", "[columns] sex: needs the name of one column"),
        ('[columns]\nsex = ["Gender"]', "[columns] sex: needs the name of one column"),
        ('[columns]\nldl = "BP"\nacr = "BP"', "[columns] ldl and acr: both are mapped onto the one column 'BP'"),
        ('[column]\nsex = "Gender"', "[column]: unknown table (did you mean 'columns'?)"),
        ('sex = "Gender"', "[sex]: unknown table"),
        ("columns = 3", "columns: must be a table"),
        (
            '[values.sex]\nW = "femal"',
            "[values.sex] 'W': 'femal' is not a label of sex (did you mean 'female'?): it has female,",
        ),
        ("[values.diabetes]\nY = 2", "[values.diabetes] 'Y': '2' is not true, false, 1 or 0"),
        ('[values.ldl]\nY = "high"', "[values.ldl] 'Y': 'high' is not a number"),
        ("[values.sex]\nY = []", "[values.sex] 'Y': needs text, a number, true, false or a date"),
        ('[values.patient_id]\n1 = "2"', "[values.patient_id]: ids cannot be mapped"),
        ('[values.ldl]\nY = ""', "[values.ldl]: the input has no column 'ldl'"),
        ("values.sex = 3", "[values.sex]: must be a table"),
        ('[const]\npatient_id = "1"', "[const] patient_id: cannot be the same in every row"),
        ('[const]\nsex = "F"', "[const] sex: the input has that column already"),
        ('[columns]\nsex = "Gender"\n[const]\nsex = "F"', "[const] sex: is mapped in [columns] too"),
        ('[const]\nplaec = "Bexley"', "[const] plaec: popstrat has no such column (did you mean 'place'?)"),
    ],
)
def test_mistakes_are_named(text: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        plan(text, EXTRACT.schema.names)
    assert problem in str(caught.value)
    assert str(caught.value).startswith("map.toml: ")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    with pytest.raises(InputError, match="no such mapping file"):
        load_map(path, KNOWN)
    path.write_bytes(b"[columns]\nsex = \xff")
    with pytest.raises(InputError, match="not in UTF-8"):
        load_map(path, KNOWN)
    for broken in ("[columns\n", '[columns]\nsex = "a"\nsex = "b"\n'):
        path.write_text(broken)
        with pytest.raises(InputError, match=r"not valid TOML: .*line"):
            load_map(path, KNOWN)
    path.write_text('[columns]\nsex = "Gender"\n', encoding="utf-8-sig")
    loaded = load_map(path, KNOWN)
    assert loaded.content == {"columns": {"sex": "Gender"}}
    assert len(loaded.sha256) == 64


def test_csv_cells_whose_values_are_mapped_are_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("PatientKey,HTN,smoking,BP\n1,Y,0,120\n2,N,2,\n")
    text = '[columns]\npatient_id = "PatientKey"\nhypertension = "HTN"\nsystolic_bp = "BP"\n'
    text += '[values.hypertension]\nY = true\nN = false\n[values.smoking]\n0 = "never"\n2 = "current"'
    column_map = parse_map(tomllib.loads(text), KNOWN)
    file = open_source([path], kinds=lambda name: column_map.kind(name, KNOWN)).files[0]
    made = column_map.plan(file.schema.names, KNOWN)
    ours = made.schema(file.schema).names
    batches = [made.apply(b, ours) for b in file.batches(made.wanted(ours))]
    assert batches[0].to_pydict() == {
        "patient_id": ["1", "2"],
        "hypertension": [True, False],
        "smoking": ["never", "current"],
        "systolic_bp": [120.0, None],
    }


WHOLE = """
[columns]
patient_id = "Key"
bp_date = "BP taken"
hba1c = "HbA1c %"
acr = "ACR mg/g"
egfr = "eGFR"
[split]
systolic_bp = { from = "BP", by = "/", part = 1 }
diastolic_bp = { from = "BP", by = "/", part = 2 }
[values.egfr]
">90" = 91
[values.ethnicity]
"1" = "A"
"" = "Z"
"*" = "99"
[text]
nulls = ["NULL", "N/A"]
true = "Present"
false = ["Absent"]
dates = ["dd/mm/yyyy", "dd-mmm-yyyy"]
decimal_comma = true
[text.hba1c_date]
dates = "yyyymmdd"
[units]
acr = 0.113
hba1c = { multiply = 10.0, add = -20 }
"""
CELLS: dict[str, list[str | None]] = {
    "Key": ["1", "2", "3", "NULL"],
    "BP": ["128/76", " 150 / 95 ", "N/A", None],
    "BP taken": ["01/02/2026", "1-Feb-2026", "null", ""],
    "HbA1c %": ["7,5", "8", "NULL", None],
    "hba1c_date": ["20260201", "2026-02-01", "01022026", None],
    "ACR mg/g": ["100", "10,5", "N/A", ""],
    "eGFR": [">90", "  > 90 ", "45,5", "NULL"],
    "ethnicity": ["1", "1.0", "z9", " "],
    "diabetes": ["present", "ABSENT", "y", "n/a"],
}


def test_how_an_extract_writes_things() -> None:
    """Taken apart, looked up, read and brought to our unit, in this order."""
    cells = {**CELLS, "hba1c_date": ["20260201", "2026-02-01", "NULL", None], "eGFR": [">90", " >90 ", "45,5", "NULL"]}
    day = dt.date(2026, 2, 1)
    assert mapped(WHOLE, pa.record_batch(cells)) == {
        "patient_id": ["1", "2", "3", "NULL"],  # an id is never changed
        "systolic_bp": [128.0, 150.0, None, None],
        "diastolic_bp": [76.0, 95.0, None, None],
        "bp_date": [day, day, None, None],
        "hba1c": [55.0, 60.0, None, None],
        "hba1c_date": [day, day, None, None],
        "acr": [pytest.approx(11.3), pytest.approx(1.1865), None, None],
        "egfr": [91.0, 91.0, 45.5, None],  # what the map says is in our unit already
        "ethnicity": ["A", "A", "99", "Z"],
        "diabetes": [True, False, True, None],
    }


@pytest.mark.parametrize("column", ["hba1c_date", "eGFR"])
def test_what_it_does_not_write_is_named(column: str) -> None:
    cells: dict[str, list[str | None]] = {name: ["", ""] for name in CELLS}
    cells[column] = ["", CELLS[column][2 if column == "hba1c_date" else 1]]
    with pytest.raises(InputError) as caught:
        mapped(WHOLE, pa.record_batch(cells))
    assert (caught.value.column, caught.value.rows) == (column.lower(), (1,))


def test_numbers_keep_their_type_but_for_their_unit() -> None:
    batch = pa.record_batch({"acr": pa.array([1, None], pa.int32()), "ldl": pa.array([2, 3], pa.int8())})
    made = plan("[units]\nacr = 2.5", batch.schema.names)
    assert made.schema(batch.schema).types == [pa.float32(), pa.int8()]
    assert mapped("[units]\nacr = 2.5", batch) == {"acr": [2.5, None], "ldl": [2, 3]}
    assert mapped('[text]\nnulls = "NULL"', batch) == {"acr": [1, None], "ldl": [2, 3]}


def test_no_record_can_be_mapped_in_every_format(tmp_path: Path) -> None:
    """An empty cell of CSV, an empty text of Parquet and a null are one thing to a map."""
    text = '[values.bp_setting]\n"" = "home"\nsurgery = "clinic"'
    for cells in (["surgery", "", None], pa.array(["surgery", " ", None]).dictionary_encode()):
        assert mapped(text, pa.record_batch({"bp_setting": cells})) == {"bp_setting": ["clinic", "home", "home"]}
    path = tmp_path / "a.csv"
    path.write_text('patient_id,bp_setting\n1,surgery\n2,\n3,""\n')
    column_map = parse_map(tomllib.loads(text), KNOWN)
    file = open_source([path], kinds=lambda name: column_map.kind(name, KNOWN)).files[0]
    made = column_map.plan(file.schema.names, KNOWN)
    (batch,) = (made.apply(b, ["bp_setting"]) for b in file.batches(made.wanted(["bp_setting"])))
    assert batch.to_pydict() == {"bp_setting": ["clinic", "home", "home"]}


def test_keys_that_stand_for_nothing_are_told() -> None:
    made = plan('[values.sex]\nWoman = "female"\nMan = "male"\nOther = "unknown"\n"" = "unknown"', ["sex"])
    made.apply(pa.record_batch({"sex": ["WOMAN ", None]}), ["sex"])
    assert keys_without_rows([made], ["sex"]) == ["[values.sex] of the map: no row holds 'Man', 'Other'"]
    made.apply(pa.record_batch({"sex": ["Man", "Other"]}), ["sex"])
    assert keys_without_rows([made], ["sex"]) == []


def test_a_map_in_memory() -> None:
    table = pa.table({"Key": [1, 2], "gp": ["Y90001", "Y90001"], "born": ["01/07/1950", "2/7/1950"], "sex": ["W", "M"]})
    content = {
        "columns": {"patient_id": "Key", "practice_code": "gp", "date_of_birth": "born"},
        "values": {"sex": {"W": "female", "X": "unknown"}},
        "text": {"dates": "dd/mm/yyyy"},
    }
    with pytest.warns(popstrat.DataWarning, match=r"\[values.sex\] of the map: no row holds 'X'"):
        scored = popstrat.score(table, "2026-07-01", mapping=content)
    assert scored.column("age").to_pylist() == [76, 75]
    with pytest.raises(
        popstrat.InputError, match=r"column 'date_of_birth': a cell is not a date as dd.mm.yyyy or YYYY-MM-DD"
    ):
        popstrat.score(table, "2026-07-01", mapping={**content, "text": {"dates": "dd.mm.yyyy"}})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[text]\nnull = 'x'", "[text]: unknown key 'null' (did you mean 'nulls'?)"),
        ("[text]\ndates = 'dd/mm/yy'", "[text] dates: 'dd/mm/yy' is not a form of dates"),
        ("[text]\nnulls = [1]", "[text] nulls: needs a text, or a list of texts"),
        ("[text]\nnulls = 'x'\ntrue = ' X'", "[text]: 'x' stands for two things"),
        ("[text]\ndecimal_comma = 'yes'", "[text] decimal_comma: needs true or false"),
        ("[text]\ntimes = 'gmt'", '[text] times: needs "utc" or "local"'),
        ("[text.bpdate]\ndates = 'dd/mm/yyyy'", "[text] bpdate: popstrat has no such column (did you mean 'bp_date'?)"),
        ("[text.acr]\ndecimal_comma = true", "[text.acr]: the input has no column 'acr'"),
        ("[units]\nsex = 2", "[units] sex: only numbers have a unit"),
        ("[units]\nacr = 'mg/g'", "[units] acr: needs a number to multiply by"),
        ("[units]\nacr = 0", "[units] acr: everything times 0 is 0"),
        ("[units]\nacr = nan", "[units] acr: needs a number to multiply by"),
        ("[units]\nacr = {times = 2}", "[units] acr: needs a number to multiply by"),
        ("[split]\nacr = 'BP'", "[split] acr: it is written"),
        ("[split]\nacr = {from='BP', by='', part=1}", "[split] acr: `from` and `by` are text"),
        ("[split]\nacr = {from='BP', by='/', part=0}", "[split] acr: `from` and `by` are text, `part` counts from 1"),
        (
            "[split]\nacr = {from='bp', by='/', part=1}",
            "[split] acr = 'bp': the input has no such column (did you mean",
        ),
        ("[split]\npatient_id = {from='BP', by='/', part=1}", "[split] patient_id: ids cannot be taken apart"),
    ],
)
def test_mistakes_in_what_it_writes_are_named(text: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        plan(text, EXTRACT.schema.names)
    assert problem in str(caught.value)


def test_the_map_of_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs/map.md").read_text(encoding="utf-8")
    (example,) = (block.split("```")[0] for block in text.split("```toml\n")[1:])
    found = parse_map(tomllib.loads(example), KNOWN)
    assert set(found.content) == {"columns", "values", "const", "text", "split", "units"}
    assert found.units["hba1c"].of(7.5) == 58


@pytest.mark.filterwarnings("ignore::popstrat.DataWarning")
def test_a_map_in_memory_looks_at_what_is_read_and_no_more() -> None:
    """As for files; and a name that stands twice is named, with a map as without."""
    people = {"patient_id": [1, 2], "practice_code": ["Y90001"] * 2, "age": [50, 60], "Sex": ["F", "M"]}
    table = pa.table({**people, "phq9_date": ["x", "y"], "note": ["a", "b"]})
    scored = popstrat.score(table, "2026-06-30", mapping={"text": {"dates": "dd/mm/yyyy"}})
    assert scored.column("age").to_pylist() == [50, 60]
    twice = pa.Table.from_arrays([*table.columns, table["age"]], names=[*table.schema.names, "age"])
    for mapping in (None, {"const": {"place": "Bexley"}}):
        with pytest.raises(popstrat.InputError, match="column 'age': two columns have this name"):
            popstrat.score(twice, "2026-06-30", mapping=mapping)
    opted = pa.table({**people, "type1_opt_out": [True, False], "national_data_opt_out": [False, False]})
    kept = popstrat.score(opted, "2026-06-30", profile="secondary-use", mapping={"const": {"place": "Bexley"}})
    assert kept.column("patient_id").to_pylist() == [2]


def test_other_capitals_are_said_in_the_library() -> None:
    table = pa.table({"patient_id": [1], "practice_code": ["Y90001"], "AGE": [50], "sex": ["F"]})
    with pytest.warns(popstrat.DataWarning, match="in their names: AGE"):
        popstrat.score(table, "2026-06-30")


def test_entries_that_cannot_be_taken_apart_and_that_no_row_holds() -> None:
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int8()), pa.array(["north-A", "x"]))
    text = '[split]\nplace = { from = "area", by = "-", part = 1 }'
    assert mapped(text, pa.record_batch({"area": coded})) == {"place": ["north", "north"]}


# -- what a map never overwrites, and what it never guesses ------------------------------------------------------------


def recoded(column: str, text: dict[str, Any], cells: list[Any], kind: pa.DataType | None = None) -> list[Any]:
    """A column of text, or of a type of its own, under a map."""
    plan = parse_map(text, KNOWN).plan([column], KNOWN)
    batch = pa.record_batch({column: pa.array(cells, kind or pa.string())})
    return list(plan.apply(batch, [column]).column(0).to_pylist())


@pytest.mark.parametrize(
    ("column", "values", "cells", "kind", "expected"),
    [
        ("egfr", {"*": 91}, ["20", "bad", " 45 ", "", None], None, [20.0, 91.0, 45.0, None, None]),
        ("diabetes", {"*": False}, ["Yes", "No", "Resolved"], None, [True, False, False]),
        ("hba1c", {"*": ""}, [48.0, None, 53.0], pa.float64(), [48.0, None, 53.0]),
        ("sex", {"Woman": "female", "*": "unknown"}, ["Woman", "male", "M", "other", ""], None,
         ["female", "male", "M", "unknown", ""]),
        ("bp_date", {"*": ""}, ["2026-01-02", "soon"], None, [dt.date(2026, 1, 2), None]),
    ],
)  # fmt: skip
def test_every_other_text_is_one_that_says_nothing(
    column: str, values: dict[str, Any], cells: list[Any], kind: pa.DataType | None, expected: list[Any]
) -> None:
    assert recoded(column, {"values": {column: values}}, cells, kind) == expected


def test_hba1c_in_per_cent_is_the_whole_number_that_laboratories_print() -> None:
    """NGSP's pairs: 6.5 % is 48 mmol/mol, which is diabetes, and no less."""
    unit = {"units": {"hba1c": {"multiply": 10.929, "add": -23.5, "round": 0}}}
    pairs = {"5.0": 31, "6.0": 42, "6.5": 48, "7.0": 53, "7.5": 58, "8.0": 64, "9.0": 75, "10.0": 86}
    assert recoded("hba1c", unit, list(pairs)) == list(pairs.values())
    assert recoded("hba1c", unit, [float(p) for p in pairs], pa.float64()) == list(pairs.values())


@pytest.mark.parametrize("wrong", [1.5, -1, 10, True, "0"])
def test_what_is_no_number_of_decimals(wrong: Any) -> None:
    with pytest.raises(InputError, match="hba1c"):
        parse_map({"units": {"hba1c": {"multiply": 2, "round": wrong}}}, KNOWN)


@pytest.mark.parametrize(("cell", "value"), [("1,2", 1.2), ("1.200,5", 1200.5), ("0.306", 0.306), ("27.5", 27.5)])
def test_decimal_commas(cell: str, value: float) -> None:
    assert recoded("acr", {"text": {"decimal_comma": True}}, [cell]) == [pytest.approx(value)]


@pytest.mark.parametrize("cell", ["1.200", "12.345.678", "-1.200"])
def test_a_point_before_three_digits_is_not_guessed_at(cell: str) -> None:
    with pytest.raises(InputError, match="not a number"):
        recoded("acr", {"text": {"decimal_comma": True}}, ["3,4", cell])


@pytest.mark.parametrize("cell", ["170/100/72", "170", "170/100 (12/05/2020)"])
def test_a_cell_of_more_parts_than_the_map_says(cell: str) -> None:
    split = {"systolic_bp": {"from": "BP", "by": "/", "part": 1}, "diastolic_bp": {"from": "BP", "by": "/", "part": 2}}
    plan = parse_map({"split": split}, KNOWN).plan(["BP"], KNOWN)
    with pytest.raises(InputError, match="cannot be taken apart") as raised:
        plan.apply(pa.record_batch({"BP": ["128/76", cell]}), ["systolic_bp"])
    assert raised.value.rows == (1,)


def test_the_library_keeps_the_map_in_its_record() -> None:
    people = pa.table({"Key": ["1"], "practice_code": ["Y90001"], "age": [50], "sex": ["F"]})
    given = {"columns": {"patient_id": "Key"}}
    _, record = popstrat.score(people, "2026-06-30", mapping=given, record=True)
    assert record["mapping"]["columns"] == {"patient_id": "Key"}
    _, record = popstrat.score(
        people.rename_columns(["patient_id", *people.schema.names[1:]]), "2026-06-30", record=True
    )
    assert "mapping" not in record


UGLY: dict[str, Any] = {
    "columns": {"patient_id": "Key", "practice_code": "Practice", "date_of_birth": "DOB"},
    "values": {"sex": {"Woman": "female", "Man": "male"}, "egfr": {">90": 91}},
    "const": {"place": "Bexley"},
    "text": {"dates": "dd/mm/yyyy", "nulls": ["NULL"]},
    "split": {
        "systolic_bp": {"from": "BP", "by": "/", "part": 1},
        "diastolic_bp": {"from": "BP", "by": "/", "part": 2},
    },
    "units": {"hba1c": {"multiply": 10.929, "add": -23.5, "round": 0}},
}


def ugly(rows: int) -> pa.Table:
    """An extract as others write it; every fourth row like the next fourth."""

    def again(*cells: str) -> list[str]:
        return [cells[i % len(cells)] for i in range(rows)]

    return pa.table({
        "Key": [f"K{i}" for i in range(rows)], "Practice": again("y90001", "Y90002"),
        "Sex": again("Woman", "Man", "Man"), "DOB": again("14/04/1938", "1/7/1961"),
        "BP": again("137/66", "NULL", "160/95"), "eGFR": again(">90", "46"), "HbA1c": again("5.6", "NULL", "9.1"),
        "Diabetes": again("Y", "N", ""), "Usual GP": again("Dr A"),
    })  # fmt: skip


@pytest.mark.filterwarnings("ignore::popstrat.DataWarning")
def test_one_map_everywhere_in_the_library(tmp_path: Path) -> None:
    """`score`, `Scorer`, pickled or not, and `contributions`: the same people, whatever the batches."""
    table = ugly(60)
    lines = [
        "[columns]", *(f'{o} = "{t}"' for o, t in UGLY["columns"].items()),
        '[values.sex]', 'Woman = "female"', 'Man = "male"', '[values.egfr]', '">90" = 91',
        '[const]', 'place = "Bexley"',
        '[text]', 'dates = "dd/mm/yyyy"', 'nulls = ["NULL"]',
        '[split]', 'systolic_bp = {from="BP", by="/", part=1}', 'diastolic_bp = {from="BP", by="/", part=2}',
        '[units]', 'hba1c = {multiply=10.929, add=-23.5, round=0}',
    ]  # fmt: skip
    path = tmp_path / "map.toml"
    path.write_text("\n".join(lines))
    scored = popstrat.score(table, "2026-06-30", mapping=UGLY)
    assert scored["place"].to_pylist() == ["Bexley"] * 60
    assert popstrat.score(table, "2026-06-30", mapping=path).equals(scored)
    for mapping in (UGLY, path, str(path)):
        scorer = popstrat.Scorer("london-2026", "2026-06-30", mapping=mapping)
        for one in (scorer, pickle.loads(pickle.dumps(scorer))):
            pieces = [b for at in range(0, 60, 7) for b in table.slice(at, 7).to_batches()]
            found = pa.Table.from_batches(list(one.score_batches(pieces)))
            assert found.to_pylist() == scored.to_pylist()
    every = popstrat.contributions(table, "2026-06-30", mapping=UGLY)
    assert every["patient_id"].to_pylist() == scored["patient_id"].to_pylist()
    ours = pa.table({
        "patient_id": table["Key"], "practice_code": ["Y90001", "Y90002"] * 30, "sex": ["F", "M", "M"] * 20,
        "date_of_birth": [dt.date(1938, 4, 14), dt.date(1961, 7, 1)] * 30, "place": ["Bexley"] * 60,
        "diabetes": [True, False, None] * 20, "systolic_bp": [137, None, 160] * 20, "diastolic_bp": [66, None, 95] * 20,
        "hba1c": [38, None, 76] * 20, "egfr": [91, 46] * 30,
    })  # fmt: skip
    assert popstrat.contributions(ours, "2026-06-30").to_pylist() == every.to_pylist()
    assert popstrat.contributions(table, "2026-06-30", mapping=path).equals(every)


def test_a_map_that_does_not_fit_is_refused_everywhere() -> None:
    table = ugly(4)
    calls: list[Callable[[Any], Any]] = [
        lambda m: popstrat.score(table, "2026-06-30", mapping=m),
        lambda m: popstrat.contributions(table, "2026-06-30", mapping=m),
        lambda m: popstrat.Scorer(as_of="2026-06-30", mapping=m).score_batch(table.to_batches()[0]),
    ]
    for call in calls:
        with pytest.raises(InputError, match=r"\[columns\] patient_id = 'Kex': the input has no such column"):
            call({"columns": {"patient_id": "Kex"}})
        with pytest.raises(InputError, match=r"\[column\]: unknown table \(did you mean 'columns'"):
            call({"column": {}})
        wrong = {**UGLY, "text": {"dates": "yyyymmdd", "nulls": ["NULL"]}}
        with pytest.raises(InputError, match=r"a cell is not a date as yyyymmdd .*\[text\] dates"):
            call(wrong)
