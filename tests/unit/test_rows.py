"""What becomes of the cells and files of a table on their way to canonical rows: each rule as a table."""

from __future__ import annotations

import datetime as dt
import decimal
import gzip
import math
from pathlib import Path
from typing import Any

import extracts
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from extracts import made_up, write_csv

from popstrat.deriving.layout import AnyTable
from popstrat.deriving.rows import open_rows
from popstrat.errors import InputError

CODE = made_up(101)
OVER_90, UNDER_90 = (float(np.nextafter(np.float32(90), to)) for to in (math.inf, -math.inf))
UNDER_5 = float(np.nextafter(np.float32(5), -math.inf))


def read(
    tmp_path: Path, rows: list[dict[str, Any]], layout: str = "", table: AnyTable = "events", **options: Any
) -> Any:
    """Rows of a CSV and what was counted, under a layout that says this beside what the canonical one does."""
    columns = list(dict.fromkeys(c for r in rows for c in r))
    path = write_csv(tmp_path / f"{table}.csv", columns, rows)
    return read_file(path, layout, table, **options)


def read_file(path: Path, layout: str = "", table: AnyTable = "events", **options: Any) -> Any:
    local = path.parent / "local.toml"
    local.write_text('extends = "canonical"\n' + layout)
    found = open_rows(table, path, local, **options)
    rows = [row for batch in found.batches() for row in batch.to_pylist()]
    counts = dict(found.counts)
    counts.pop("rows")
    return rows, counts


def event(**cells: Any) -> dict[str, Any]:
    return {"patient_id": "1", "date": "2026-05-01", "code": str(CODE), **cells}


# -- dates --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "day", "reason"),
    [
        ("2026-05-01", dt.date(2026, 5, 1), ""),
        (" 2026-05-01 ", dt.date(2026, 5, 1), ""),
        ("2026-05-01T09:15:00", dt.date(2026, 5, 1), ""),
        ("2026-05-01 09:15", dt.date(2026, 5, 1), ""),
        ("2026-06-30T23:30:00Z", dt.date(2026, 7, 1), ""),  # in London
        ("2031-01-01", dt.date(2031, 1, 1), ""),  # not of the record yet: the folds leave it out
        ("1900-01-01", dt.date(1900, 1, 1), ""),
        ("1899-12-31", None, "impossible_date"),
        ("0001-01-01", None, "impossible_date"),
        ("0000-00-00", None, "impossible_date"),
        ("2026-02-30", None, "impossible_date"),
        ("2026-13-01", None, "impossible_date"),
        ("2025-02-29", None, "impossible_date"),
        ("yesterday", None, "impossible_date"),
        ("??", None, "impossible_date"),
        ("2015", dt.date(2015, 1, 1), "year_only"),
        ("2015-06", dt.date(2015, 6, 1), "month_only"),
        ("2015-13", None, "impossible_date"),
        ("", None, ""),
        ("  ", None, ""),
        ("NULL", None, ""),
    ],
)
def test_dates(tmp_path: Path, text: str, day: dt.date | None, reason: str) -> None:
    rows, counts = read(tmp_path, [event(date=text), event(date="2020-01-01")])
    assert [r["date"] for r in rows] == [day, dt.date(2020, 1, 1)]
    assert counts == ({reason: 1} if reason else {})


@pytest.mark.parametrize(
    ("texts", "layout", "problem"),
    [
        (["2026-05-01", "01/05/2026"], "", "holds dates as dd/mm/yyyy"),
        (["31/05/2026", "30/05/2026"], "", "holds dates as dd/mm/yyyy"),
        (["05/31/2026"], "", "holds dates as mm/dd/yyyy"),
        (["05/31/2026", "31/05/2026"], 'dates = "dd/mm/yyyy"', "holds dates as mm/dd/yyyy"),
        (["31/05/2026", "2026-05-31"], 'dates = "dd/mm/yyyy"', "a column has them in one form"),
        (["01-May-2026"], "", "holds dates as dd-mmm-yyyy"),
        (["20260501"], "", "holds dates as yyyymmdd"),
        (["01/05/26"], "", "holds dates as a year of two digits"),
        (["01-May-26"], "", "holds dates as a year of two digits"),
        (["45000"], "", "holds dates as a spreadsheet's number of days"),
        (["2026-06-01 23:00:00"], "", "a date at 23:00 in summer time"),
    ],
)
def test_dates_in_another_form_are_refused(tmp_path: Path, texts: list[str], layout: str, problem: str) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, [event(date=t) for t in texts], f"[text]\n{layout}")
    assert problem in error.value.problem
    assert error.value.column == "date"
    assert error.value.rows
    assert Path(error.value.file or "").name == "events.csv"


def test_dates_in_one_form_through_all_of_a_file(tmp_path: Path) -> None:
    rows = [event(date=f"{d:02}/05/2026") for d in range(1, 29)] + [event(date="2026-05-01")]
    with pytest.raises(InputError, match=r"as yyyy-mm-dd and as dd/mm/yyyy.*row 29"):
        read(tmp_path, rows, '[text]\ndates = "dd/mm/yyyy"', batch_rows=4)


def test_a_timestamp_that_may_be_the_next_days_midnight_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    moments = pa.array([dt.datetime(2026, 1, 1, 23), dt.datetime(2026, 6, 1, 23)])
    pq.write_table(pa.table({"patient_id": [1, 2], "date": moments, "code": [CODE] * 2}), path)
    with pytest.raises(InputError, match=r"a layout can say .\[text\] times = .*\(row 2\)"):
        read_file(path)
    rows, _ = read_file(path, '[text]\ntimes = "local"')
    assert [r["date"] for r in rows] == [dt.date(2026, 1, 1), dt.date(2026, 6, 1)]


def test_times_as_the_layout_says(tmp_path: Path) -> None:
    for times, day in (("local", dt.date(2026, 6, 1)), ("utc", dt.date(2026, 6, 2))):
        rows, _ = read(tmp_path, [event(date="2026-06-01 23:00:00")], f'[text]\ntimes = "{times}"')
        assert rows[0]["date"] == day


@pytest.mark.parametrize(
    "column",
    [
        pa.array([20_000, None, -30_000], pa.int32()).cast(pa.date32()),
        pa.array([20_000, None, -30_000], pa.int32()).cast(pa.date32()).cast(pa.date64()),
        pa.array([20_000, None, -30_000], pa.int32()).cast(pa.date32()).cast(pa.timestamp("us")),
        pa.array([20_000, None, -30_000], pa.int32()).cast(pa.date32()).cast(pa.timestamp("ns")),
        pa.array(["2024-10-04", None, "1887-11-12"]).dictionary_encode(),
        pa.array(["2024-10-04", None, "1887-11-12"], pa.large_string()),
        pa.array([20_000, None, -30_000], pa.int32()).cast(pa.date32()).dictionary_encode(),
    ],
)
def test_dates_of_any_type(tmp_path: Path, column: pa.Array) -> None:
    table = pa.table({"patient_id": [1, 2, 3], "date": column, "code": [CODE] * 3})
    path = tmp_path / "events.arrow"
    with pa.ipc.new_file(str(path), table.schema) as file:
        file.write_table(table)
    rows, counts = read_file(path)
    assert [r["date"] for r in rows] == [dt.date(2024, 10, 4), None, None]
    assert counts == {"impossible_date": 1}


# -- codes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        (str(CODE), CODE, ""),
        (f"  {CODE} ", CODE, ""),
        (f'="{CODE}"', CODE, ""),
        (f"'{CODE}", CODE, ""),
        ("999999999999999999", 999999999999999999, ""),
        ("9999999999999999999", None, "not_a_code"),
        ("12345", None, "not_a_code"),
        (f"-{CODE}", None, "not_a_code"),
        (f"0{CODE}", None, "not_a_code"),
        ("XaBVJ", None, "not_a_code"),
        ("65E20", None, "not_a_code"),
        ("C10..", None, "not_a_code"),
        ("", None, "no_code"),
        ("NULL", None, "no_code"),
    ],
)
def test_codes(tmp_path: Path, text: str, code: int | None, reason: str) -> None:
    rows, counts = read(tmp_path, [event(code=text), event()])
    assert [r["code"] for r in rows] == [code, CODE]
    assert counts == ({reason: 1} if reason else {})


@pytest.mark.parametrize("text", ["4.6E+17", "4.6e17", "4E+17", "123.0", f"{CODE}.0", "4,6E+17", "####"])
def test_codes_that_a_program_made_numbers_of_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"column 'code': has been through a spreadsheet.*\(row 2\)") as error:
        read(tmp_path, [event(), event(code=text)])
    assert text not in str(error.value)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([CODE, None], pa.int64()),
        pa.array([CODE, None], pa.uint64()),
        pa.array([decimal.Decimal(CODE), None], pa.decimal128(38, 0)),
        pa.array([str(CODE), None]),
        pa.array([str(CODE), None], pa.large_string()),
        pa.array([str(CODE), None]).dictionary_encode(),
        pa.array([CODE, None], pa.int64()).dictionary_encode(),
    ],
)
def test_codes_of_any_whole_type(tmp_path: Path, column: pa.Array) -> None:
    path = tmp_path / "events.arrow"
    table = pa.table(
        {"patient_id": [1, 2], "date": pa.array([20_000] * 2, pa.int32()).cast(pa.date32()), "code": column}
    )
    with pa.ipc.new_file(str(path), table.schema) as file:
        file.write_table(table)
    rows, counts = read_file(path)
    assert [r["code"] for r in rows] == [CODE, None]
    assert counts == {"no_code": 1}


def test_codes_that_were_floating_point_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    table = pa.table({"patient_id": [1], "date": pa.array([1], pa.int32()).cast(pa.date32()), "code": [float(CODE)]})
    pq.write_table(table, path)
    with pytest.raises(InputError, match=r"events.parquet: column 'code': is double: floating-point numbers lose"):
        read_file(path)


# -- values -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value", "second", "reason"),
    [
        ("7.2", 7.2, None, ""),
        ("128", 128.0, None, ""),
        (" 128.0 ", 128.0, None, ""),
        ("-1.5", -1.5, None, ""),
        ("1e3", 1000.0, None, ""),
        (".5", 0.5, None, ""),
        (">90", OVER_90, None, "comparator"),
        ("> 90", OVER_90, None, "comparator"),
        (">=90", 90.0, None, "comparator"),
        ("<5", UNDER_5, None, "comparator"),
        ("≤5", 5.0, None, "comparator"),
        ("=5", 5.0, None, ""),
        ("128/76", 128.0, 76.0, "pair"),
        (" 128 / 76 ", 128.0, 76.0, "pair"),
        ("128/", None, None, "text_value"),
        ("7,2", 7.2, None, "decimal_comma"),
        ("7,25", 7.25, None, "decimal_comma"),
        ("1,200", None, None, "text_value"),  # 1200 or 1.2
        ("negative", None, None, "text_value"),
        ("7.2 mmol/L", None, None, "text_value"),
        ("inf", None, None, "text_value"),
        ("7..2", None, None, "text_value"),
        ("", None, None, ""),
        ("NULL", None, None, ""),
        ("nan", None, None, ""),
    ],
)
def test_values(tmp_path: Path, text: str, value: float | None, second: float | None, reason: str) -> None:
    rows, counts = read(tmp_path, [event(value=text), event(value="1")])
    assert [(r["value"], r["second_value"]) for r in rows] == [(value, second), (1.0, None)]
    assert counts == ({reason: 1} if reason else {})


def test_a_decimal_comma_that_the_layout_declares(tmp_path: Path) -> None:
    rows, counts = read(
        tmp_path, [event(value=v) for v in ("7,2", "1,200", "7.5")], "[text.value]\ndecimal_comma = true"
    )
    assert [r["value"] for r in rows] == [7.2, 1.2, 7.5]
    assert counts == {}


def test_a_comparator_in_its_own_column(tmp_path: Path) -> None:
    layout = "[events.clinical_events.columns.value]\nfrom = 'value'\ncomparator = 'sign'\ncomparators = { over = '>' }"
    signs = [(">", OVER_90), ("over", OVER_90), ("<", UNDER_90),
             ("<=", 90.0), ("", 90.0)]  # fmt: skip
    rows, counts = read(tmp_path, [event(value="90", sign=s) for s, _ in signs], layout)
    assert [r["value"] for r in rows] == [v for _, v in signs]
    assert counts == {"comparator": 3}


@pytest.mark.parametrize(
    "column",
    [
        pa.array([7.2, None], pa.float64()),
        pa.array([7.2, None], pa.float32()),
        pa.array([decimal.Decimal("7.2"), None], pa.decimal128(9, 3)),
        pa.array(["7.2", None]),
        pa.array([7.2, None]).dictionary_encode(),
    ],
)
def test_values_of_any_type(tmp_path: Path, column: pa.Array) -> None:
    path = tmp_path / "events.arrow"
    days = pa.array([20_000] * 2, pa.int32()).cast(pa.date32())
    table = pa.table({"patient_id": [1, 2], "date": days, "code": [CODE] * 2, "value": column})
    with pa.ipc.new_file(str(path), table.schema) as file:
        file.write_table(table)
    rows, _ = read_file(path)
    assert [r["value"] for r in rows] == [7.2, None]


def test_units_without_blanks(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, [event(unit=u) for u in (" mmHg ", "mmHg", "", "  ", "NULL")])
    assert [r["unit"] for r in rows] == ["mmHg", "mmHg", None, None, None]


# -- rows that are no part of the record --------------------------------------------------------------------------


def test_rows_set_aside_by_the_first_reason(tmp_path: Path) -> None:
    layout = """
[events.clinical_events.set_aside]
deleted = { Deleted = ["true", "1"], gone = "yes" }
confidential = { secret = "y*" }
elsewhere = { unless = { kept = ["here", ""] } }
never = { no_such_column = "x" }
"""
    rows = [
        event(code=str(made_up(1)), Deleted="TRUE", secret="y"),
        event(code=str(made_up(2)), Deleted="1 "),
        event(code=str(made_up(3)), gone="Yes"),
        event(code=str(made_up(4)), secret="yes, very"),
        event(code=str(made_up(5)), kept="away"),
        event(code=str(made_up(6)), kept="Here"),
        event(code=str(made_up(7))),
    ]
    found, counts = read(tmp_path, rows, layout)
    assert [r["code"] for r in found] == [made_up(6), made_up(7)]
    assert counts == {"deleted": 3, "confidential": 1, "elsewhere": 1}


def test_what_is_set_aside_is_not_read(tmp_path: Path) -> None:
    layout = "[events.clinical_events.set_aside]\ndeleted = { Deleted = '1' }"
    rows = [
        event(Deleted="1", code="4E+17", date="soon", value="x"),
        event(),
        event(patient_id=""),
        event(code="4E+17"),
    ]
    with pytest.raises(InputError, match=r"\(row 4\)"):  # of the file, whatever went before
        read(tmp_path, rows, layout)
    found, counts = read(tmp_path, rows[:3], layout)
    assert len(found) == 1
    assert counts == {"deleted": 1, "no_patient_id": 1}


def test_flags_of_any_type_set_rows_aside(tmp_path: Path) -> None:
    days = pa.array([20_000] * 3, pa.int32()).cast(pa.date32())
    for gone in ([True, False, None], [1, 0, None], ["TRUE", "no", None], [1.0, 0.0, None]):
        table = pa.table({"patient_id": [1, 2, 3], "date": days, "code": [CODE] * 3, "gone": pa.array(gone)})
        pq.write_table(table, tmp_path / "events.parquet")
        layout = "[events.clinical_events.set_aside]\ndeleted = { gone = ['true', '1'] }"
        rows, counts = read_file(tmp_path / "events.parquet", layout)
        assert [r["patient_id"] for r in rows] == [2, 3]
        assert counts == {"deleted": 1}


def test_merged_patients(tmp_path: Path) -> None:
    write_csv(tmp_path / "merges.csv", ["old", "new"], [{"old": "1", "new": "2"}, {"old": "2", "new": "3"}])
    layout = """
[lookup.merged]
files = ["merges.csv"]
key = "old"
value = "new"
[patients.patients.columns.patient_id]
from = "patient_id"
through = "merged"
keep = true
[events.clinical_events.columns.patient_id]
from = "patient_id"
through = "merged"
keep = true
"""
    rows, counts = read(tmp_path, [event(patient_id=i) for i in "1234"], layout)
    assert [r["patient_id"] for r in rows] == ["3", "3", "3", "4"]
    assert counts == {"merged_patient": 2}
    who = [{"patient_id": i, "date_of_birth": "1950-01-01", "sex": "F"} for i in "1234"]
    rows, counts = read(tmp_path, who, layout, "patients")
    assert [r["patient_id"] for r in rows] == ["3", "4"]
    assert counts == {"merged_patient": 2}


def test_merges_in_a_circle_are_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "merges.csv", ["old", "new"], [{"old": "1", "new": "2"}, {"old": "2", "new": "1"}])
    layout = """
[lookup.merged]
files = ["merges.csv"]
key = "old"
value = "new"
[events.clinical_events.columns.patient_id]
from = "patient_id"
through = "merged"
keep = true
"""
    with pytest.raises(InputError, match=r"merges.csv: column 'old':.*circle"):
        read(tmp_path, [event()], layout)


def test_files_of_changes(tmp_path: Path) -> None:
    layout = tmp_path / "local.toml"
    layout.write_text("""
extends = "canonical"
[events.clinical_events]
row_id = "row"
[events.clinical_events.set_aside]
deleted = { gone = "1" }
""")
    first = [event(row="a", value="1"), event(row="b", value="2"), event(row="c", value="3"), event(row="", value="4")]
    files = [
        write_csv(tmp_path / "1.csv", ["gone", *first[0]], first),
        write_csv(tmp_path / "2.csv", ["gone", *first[0]], [event(row="b", value="20"), event(row="d", value="5")]),
        write_csv(tmp_path / "3.csv", ["gone", *first[0]], [event(row="c", gone="1"), event(row="b ", value="200"),
                                                            event(row="", value="6")]),
    ]  # fmt: skip
    found = open_rows("events", files, layout, batch_rows=2)
    for _ in range(2):
        assert [r["value"] for b in found.batches() for r in b.to_pylist()] == [1.0, 4.0, 5.0, 200.0, 6.0]
        assert found.counts == {"rows": 9, "deleted": 1, "superseded": 3}
    with pytest.raises(InputError, match=r"4.csv: column 'row': is absent, and the layout says"):
        list(open_rows("events", [*files, write_csv(tmp_path / "4.csv", list(event()), [event()])], layout).batches())


# -- ids and groups -----------------------------------------------------------------------------------------------


def test_ids_as_those_they_are_compared_with(tmp_path: Path) -> None:
    given = ["1", " 2 ", '="3"', "007", "A1", "", "NULL", "999 000 0018"]
    rows, counts = read(tmp_path, [event(patient_id=i) for i in given], ids=pa.int64())
    assert [r["patient_id"] for r in rows] == [1, 2, 3, 9990000018]
    assert counts == {"no_patient_id": 2, "unknown_patient": 2}
    days = pa.array([20_000] * 2, pa.int32()).cast(pa.date32())
    pq.write_table(pa.table({"patient_id": [1, None], "date": days, "code": [CODE] * 2}), tmp_path / "events.parquet")
    rows, counts = read_file(tmp_path / "events.parquet", ids=pa.string())
    assert [r["patient_id"] for r in rows] == ["1"]
    assert counts == {"no_patient_id": 1}


def test_ids_that_are_no_ids_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"column 'patient_id': has been through a spreadsheet.*\(row 2\)"):
        read(tmp_path, [event(), event(patient_id="9.99E+09")])
    path = tmp_path / "events.parquet"
    days = pa.array([1], pa.int32()).cast(pa.date32())
    pq.write_table(pa.table({"patient_id": [1.0], "date": days, "code": [CODE]}), path)
    with pytest.raises(InputError, match="column 'patient_id': is double; ids are text or whole numbers"):
        read_file(path)


def test_groups_of_text_are_the_same_in_every_file(tmp_path: Path) -> None:
    ids = ["{A}", "{B}", "{A}", "", None]
    first, _ = read(tmp_path, [event(group_id=i or "") for i in ids])
    path = tmp_path / "events.parquet"
    days = pa.array([1] * 5, pa.int32()).cast(pa.date32())
    pq.write_table(pa.table({"patient_id": ["1"] * 5, "date": days, "code": [CODE] * 5, "group_id": ids}), path)
    second, _ = read_file(path)
    groups = [r["group_id"] for r in first]
    assert groups == [r["group_id"] for r in second]
    assert groups[0] == groups[2] != groups[1]
    assert groups[3:] == [None, None]


# -- files --------------------------------------------------------------------------------------------------------


def test_every_format_and_a_folder_of_named_folders(tmp_path: Path) -> None:
    rows = [event(patient_id=str(i), value=str(i)) for i in range(5)]
    expected = [(str(i), dt.date(2026, 5, 1), CODE, float(i)) for i in range(5)]
    files = [
        write_csv(tmp_path / "a.csv", list(rows[0]), rows),
        write_csv(tmp_path / "b.csv", list(rows[0]), rows, between=";", quoted=True, encoding="utf-8-sig"),
        write_csv(tmp_path / "c.tsv", list(rows[0]), rows, between="\t", end="\n"),
        write_csv(tmp_path / "d.csv.gz", list(rows[0]), rows),
        write_csv(tmp_path / "e.csv", list(rows[0]), rows, encoding="utf-16"),
    ]
    text = pa.table({name: [r[name] for r in rows] for name in rows[0]})
    pq.write_table(text, tmp_path / "f.parquet")
    files.append(tmp_path / "f.parquet")
    for i, path in enumerate(files):
        found = open_rows("events", path)
        for _ in range(2):  # as often as asked for
            got = [r for b in found.batches() for r in b.to_pylist()]
            assert [(r["patient_id"], r["date"], r["code"], r["value"]) for r in got] == expected, i
        (record,) = found.record()
        assert (record["name"], record["rows"]) == (path.name, 5)
        assert len(record["sha256"]) == 64
    folder = tmp_path / "named"
    for i in range(3):
        (folder / f"patient_id=P{i}").mkdir(parents=True)
        bare = {k: v for k, v in event().items() if k != "patient_id"}
        write_csv(folder / f"patient_id=P{i}" / "part.csv", list(bare), [bare] * 2)
    found = open_rows("events", [folder])
    assert [r["patient_id"] for b in found.batches() for r in b.to_pylist()] == ["P0", "P0", "P1", "P1", "P2", "P2"]
    assert found.counts == {"rows": 6}


def test_files_with_different_columns_give_the_same_ones(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", list(event()), [event()])
    write_csv(tmp_path / "b.csv", list(event(value="1", unit="kg")), [event(value="1", unit="kg")])
    found = open_rows("events", [tmp_path / "a.csv", tmp_path / "b.csv"])
    batches = list(found.batches())
    assert [b.schema.names for b in batches] == [list(found.columns)] * 2
    assert [r["unit"] for b in batches for r in b.to_pylist()] == [None, "kg"]


def test_names_of_columns_without_capitals_and_signs(tmp_path: Path) -> None:
    rows, _ = read(
        tmp_path, [{"Patient ID": "1", "DATE": "2026-05-01", "SnomedCT_Code": str(CODE), "NumericValue": "7"}]
    )
    assert (rows[0]["code"], rows[0]["value"]) == (CODE, 7.0)


def test_canonical_columns_are_handed_on_as_they_lie(tmp_path: Path) -> None:
    days = pa.array([20_000] * 4, pa.int32()).cast(pa.date32())
    units = pa.array(["kg", "kg", None, "mmHg"]).dictionary_encode()
    table = pa.table({"patient_id": [1, 1, 2, 3], "date": days, "code": [CODE] * 4, "value": [1.0, 2.0, None, 4.0],
                      "unit": units, "group_id": [1, 1, 2, 2]})  # fmt: skip
    path = tmp_path / "events.arrow"
    with pa.ipc.new_file(str(path), table.schema) as file:
        file.write_table(table)
    (batch,) = open_rows("events", path).batches()
    assert pa.Table.from_batches([batch]).equals(table)


@pytest.mark.parametrize("kind", ["typed", "text"])
def test_parts_are_the_same_rows_in_any_order(tmp_path: Path, kind: str) -> None:
    days = pa.array([None if i % 7 == 0 else 20_000 + i for i in range(50)], pa.int32()).cast(pa.date32())
    table = pa.table({
        "patient_id": pa.array([i // 5 for i in range(50)]),
        "date": days if kind == "typed" else days.cast(pa.string()),
        "code": pa.array([None if i % 11 == 0 else CODE for i in range(50)]),
        "value": pa.array([str(i) if i % 3 else "?" for i in range(50)]),
    })  # fmt: skip
    for i in range(2):
        pq.write_table(table, tmp_path / f"{i}.parquet", row_group_size=9)
    found = open_rows("events", tmp_path, batch_rows=4)
    rows, counts = [r for b in found.batches() for r in b.to_pylist()], dict(found.counts)
    parts = list(found.parts())
    assert len(parts) == (12 if kind == "typed" else 34)  # row groups; text dates have one form from first to last
    apart = [list(part()) for part in reversed(parts)][::-1]
    assert [r for batches in apart for b in batches for r in b.to_pylist()] == rows
    assert dict(found.counts) == counts
    assert counts["rows"] == 100
    assert [f["rows"] for f in found.record()] == [50, 50]


def test_what_is_wrong_with_a_part_is_told_by_its_rows_in_the_file(tmp_path: Path) -> None:
    table = pa.table({
        "patient_id": pa.array(range(30)), "date": pa.array([20_000] * 30, pa.int32()).cast(pa.date32()),
        "code": [str(CODE)] * 25 + ["1.2E+08"] * 5,
    })  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=10)
    *sound, last = open_rows("events", tmp_path / "a.parquet").parts()
    assert [b.num_rows for part in sound for b in part()] == [10, 10]
    with pytest.raises(InputError) as error:
        list(last())
    assert list(error.value.rows) == [25, 26, 27, 28, 29]


@pytest.mark.parametrize("name", ["cut.parquet", "cut.csv.gz", "cut.arrow"])
def test_files_that_are_cut_short(tmp_path: Path, name: str) -> None:
    days = pa.array([20_000] * 5_000, pa.int32()).cast(pa.date32())
    table = pa.table({"patient_id": pa.array(range(5_000)), "date": days, "code": [CODE] * 5_000})
    path = tmp_path / name
    if name.endswith("parquet"):
        pq.write_table(table, path)
    elif name.endswith("arrow"):
        with pa.ipc.new_file(str(path), table.schema) as file:
            file.write_table(table)
    else:
        write_csv(path, table.schema.names, table.to_pylist())
    path.write_bytes(path.read_bytes()[:-700])
    with pytest.raises(InputError) as error:
        list(open_rows("events", path).batches())
    assert Path(error.value.file or "").name == name


def test_a_foreign_file_in_a_folder(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", list(event()), [event()])
    write_csv(tmp_path / "b.csv", ["patient_id", "date", "kind"], [{"patient_id": "1"}])
    with pytest.raises(
        InputError, match=r"b.csv: column 'code': is absent .or snomedct_code.*a file of events needs it"
    ):
        open_rows("events", tmp_path)


@pytest.mark.parametrize(
    ("column", "kind", "problem"),
    [
        ("date", pa.int64(), "is int64, and should be dates"),
        ("date", pa.bool_(), "is bool, and should be dates"),
        ("value", pa.bool_(), "is bool, and should be numbers"),
        ("code", pa.bool_(), "is bool; codes are whole numbers"),
        ("group_id", pa.float64(), "is double; what rows of one reading share"),
    ],
)
def test_columns_of_a_wrong_type(tmp_path: Path, column: str, kind: pa.DataType, problem: str) -> None:
    days = pa.array([1], pa.int32()).cast(pa.date32())
    columns = {"patient_id": ["1"], "date": days, "code": [CODE], column: pa.array([1]).cast(kind)}
    pq.write_table(pa.table(columns), tmp_path / "events.parquet")
    with pytest.raises(InputError) as error:
        read_file(tmp_path / "events.parquet")
    assert problem in error.value.problem
    assert error.value.column == column


def test_a_gz_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(b"patient_id,date,code\n")
    with pytest.raises(InputError, match=r"a.csv.gz"):
        open_rows("events", tmp_path / "a.csv.gz")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"patient_id,date,code\n"))
    assert list(open_rows("events", tmp_path / "b.csv.gz").batches()) == []


def test_activity(tmp_path: Path) -> None:
    rows = [
        {"patient_id": "1", "date": "2026-05-01", "kind": k} for k in ("gp_appointment", "AE_Attendance", "visit", "")
    ]
    found, counts = read(tmp_path, rows, table="activity")
    assert [r["code"] for r in found] == [2, 1, None, None]
    assert counts == {"another_kind": 2}


def test_patients_and_registrations_as_other_columns_have_them(tmp_path: Path) -> None:
    who = {"patient_id": "1", "date_of_birth": "1899-01-01", "sex": " F ", "date_of_death": "soon", "ethnicity": "A",
           "imd_decile": "3.0", "type1_opt_out": "Yes", "national_data_opt_out": "0"}  # fmt: skip
    rows, counts = read(tmp_path, [who], table="patients")
    assert rows == [{**who, "date_of_birth": None, "sex": "F", "date_of_death": None, "imd_decile": 3,
                     "type1_opt_out": True, "national_data_opt_out": False}]  # fmt: skip
    assert counts == {"impossible_date_of_birth": 1, "impossible_date_of_death": 1}
    stay = {"patient_id": "1", "practice_code": " y90001", "start_date": "2020", "end_date": "", "place": " Norwood "}
    rows, counts = read(tmp_path, [stay], table="registrations")
    assert rows == [{**stay, "practice_code": "Y90001", "start_date": dt.date(2020, 1, 1), "end_date": None,
                     "place": "Norwood"}]  # fmt: skip
    assert counts == {"year_only_start_date": 1}
    with pytest.raises(InputError, match=r"column 'type1_opt_out'.*\(row 1\)"):
        read(tmp_path, [{**who, "type1_opt_out": "maybe"}], table="patients")


def test_check_digits_of_made_up_codes() -> None:
    assert all(
        extracts.check_digit(str(c)[:-1]) == str(c)[-1] for c in (925791000000100, 1129331000000101, 1129411000000100)
    )
