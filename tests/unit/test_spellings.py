"""How values are spelt in text, as a table, and the same through every format and route."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import popstrat
from popstrat.errors import InputError
from popstrat.formats import open_source
from popstrat.packs.patient_table import patient_schema
from popstrat.packs.spellings import Spelling, Unreadable, days, from_text, pattern, value

BAD = object()
NHS = "nhs"
JULY, JANUARY = dt.date(2026, 7, 1), dt.date(2026, 1, 1)

USUAL: list[tuple[str, str, Any]] = [
    ("bool", "true", True), ("bool", " TRUE ", True), ("bool", "t", True), ("bool", "Y", True), ("bool", "yes", True),
    ("bool", "1", True), ("bool", "1.0", True), ("bool", "false", False), ("bool", "N", False), ("bool", "0.00", False),
    ("bool", "", None), ("bool", "\xa0\t", None), ("bool", "nan", None),
    ("bool", "2", BAD), ("bool", "-1", BAD), ("bool", "maybe", BAD), ("bool", "NULL", BAD), ("bool", "yy", BAD),
    ("float", "7", 7.0), ("float", " -0.5 ", -0.5), ("float", "+4E3", 4000.0), ("float", ".5", 0.5),
    ("float", "5.", 5.0),
    ("float", "inf", math.inf), ("float", "", None), ("float", "1,5", BAD), ("float", "1_000", BAD),
    ("float", "0x10", BAD),
    ("float", ">90", BAD), ("float", "٣", BAD), ("float", "1 2", BAD), ("float", "1e", BAD),
    ("date", "2026-07-01", JULY), ("date", " 2026-07-01\t", JULY), ("date", "2026-07-01 00:00:00", JULY),
    ("date", "2026-07-01T14:30", JULY), ("date", "2026-07-01 09:15:00.1234567", JULY), ("date", "", None),
    ("date", "2026-06-30T23:00:00Z", JULY), ("date", "2026-06-30 23:30:00+00:00", JULY),
    ("date", "2026-07-01T00:00Z", JULY),
    ("date", "2026-07-01T00:00:00+01:00", JULY), ("date", "2026-01-01T00:30:00+00", JANUARY),
    ("date", "2025-12-31T23:00:00Z", dt.date(2025, 12, 31)), ("date", "2025-12-31 23:00", dt.date(2025, 12, 31)),
    ("date", "2026-06-30 23:00:00", BAD), ("date", "1970-01-01 23:00", BAD),  # all of 1970 was summer time
    ("date", "2026-06-30 23:00:01", dt.date(2026, 6, 30)),
    ("date", "01/07/2026", BAD), ("date", "20260701", BAD), ("date", "2026-7-1", BAD), ("date", "45000", BAD),
    ("date", "2026-02-29", BAD), ("date", "01-07-26", BAD), ("date", "2026-07-01 24:00", BAD),
    ("date", "2026-07-01x", BAD), ("date", "NaT", BAD),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "expected"), USUAL)
def test_the_table(kind: str, text: str, expected: Any) -> None:
    found = value(text, kind)
    if expected is BAD:
        assert isinstance(found, Unreadable)
    else:
        assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("how", "kind", "text", "expected"),
    [
        (Spelling(nulls=frozenset({"null", "n/a"})), "bool", "NULL ", None),
        (Spelling(nulls=frozenset({"null", "n/a"})), "float", "n/a", None),
        (Spelling(nulls=frozenset({"n"})), "bool", "N", None),  # what the extract says comes first
        (Spelling(true=frozenset({"present"})), "bool", "Present", True),
        (Spelling(true=frozenset({"n"}), false=frozenset({"y"})), "bool", "Y", False),
        (Spelling(decimal_comma=True), "float", "1.234,5", 1234.5),
        (Spelling(decimal_comma=True), "float", "0,36", 0.36),
        (Spelling(decimal_comma=True), "float", "7.5", 7.5),
        (Spelling(dates=("dd/mm/yyyy",)), "date", "01/07/2026", JULY),
        (Spelling(dates=("dd/mm/yyyy",)), "date", "1/7/2026 00:00", JULY),
        (Spelling(dates=("dd/mm/yyyy",)), "date", "2026-07-01", JULY),
        (Spelling(dates=("dd/mm/yyyy",)), "date", "31/02/2026", BAD),
        (Spelling(dates=("dd/mm/yyyy",)), "date", "01/07/26", BAD),
        (Spelling(dates=("dd-mmm-yyyy",)), "date", "01-JUL-2026", JULY),
        (Spelling(dates=("dd mmm yyyy",)), "date", "1 July 2026", JULY),
        (Spelling(dates=("dd mmm yyyy",)), "date", "1 Ju 2026", BAD),
        (Spelling(dates=("yyyymmdd",)), "date", "20260701", JULY),
        (Spelling(dates=("yyyymmdd",)), "date", "2026071", BAD),
        (Spelling(times="utc"), "date", "2026-06-30 23:00:00", JULY),
        (Spelling(times="local"), "date", "2026-06-30 23:00:00", dt.date(2026, 6, 30)),
        (Spelling(times="local"), "date", "2026-06-30T23:00:00Z", JULY),
    ],
)
def test_what_a_map_adds(how: Spelling, kind: str, text: str, expected: Any) -> None:
    found = value(text, kind, how)
    assert isinstance(found, Unreadable) if expected is BAD else found == expected


@pytest.mark.parametrize("form", ["", "dd/mm/yy", "dd/mm", "dd/dd/yyyy", "yyyy-mm-ddThh", "ddmmmmyyyy", "%d/%m/%Y"])
def test_forms_that_are_none(form: str) -> None:
    with pytest.raises(ValueError, match="is not a form of dates"):
        pattern(form)


SUMMER = [
    dt.datetime(2026, 6, 30, 23), dt.datetime(2026, 3, 29, 0, 59), dt.datetime(2026, 3, 29, 1),
    dt.datetime(2025, 10, 26, 0),
    dt.datetime(2025, 10, 26, 1), dt.datetime(1969, 1, 1, 23), dt.datetime(2026, 1, 1, 23), dt.datetime(2026, 7, 1),
]  # fmt: skip


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_instants_are_days_in_london(unit: str) -> None:
    """By the standard library's time zones, at both sides of each change of the clocks."""
    from zoneinfo import ZoneInfo

    london = [m.replace(tzinfo=dt.UTC).astimezone(ZoneInfo("Europe/London")).date() for m in SUMMER]
    with_zone = pa.array([*SUMMER, None], pa.timestamp(unit, "UTC"))
    assert days(with_zone, "d").to_pylist() == [*london, None]
    assert days(with_zone.cast(pa.timestamp(unit, "America/New_York")), "d").to_pylist() == [*london, None]
    without = pa.array([*SUMMER, None], pa.timestamp(unit))
    assert days(without, "d", "utc").to_pylist() == [*london, None]
    assert days(without, "d", "local").to_pylist() == [*(m.date() for m in SUMMER), None]
    with pytest.raises(InputError, match=r"23:00 in summer time") as caught:
        days(without, "d")
    assert caught.value.rows == (0, 5)
    assert days(without.filter(pa.array([i not in (0, 5) for i in range(9)])), "d").null_count == 1


AS_OF = "2026-06-30"
CELLS = st.fixed_dictionaries({
    "date_of_birth": st.sampled_from(["1950-02-28", " 1950-03-01", "1984-07-01 00:00:00", "1950-06-30T23:00:00Z"]),
    "sex": st.sampled_from(["female", "M", " Male ", "2", ""]),
    "diabetes": st.sampled_from(["true", "Y", "no", "1.0", "0", "", " T"]),
    "hypertension": st.sampled_from(["true", "", "N", "1"]),
    "systolic_bp": st.sampled_from(["150", "128.0", " 139.9", "1.5e2", "", "900"]),
    "diastolic_bp": st.sampled_from(["80", "95.0", "", "7e1"]),
    "bp_date": st.sampled_from(["2026-01-31", "2026-01-31 09:00", "", "2025-06-30", "2025-06-29T23:30:00Z"]),
    "hba1c": st.sampled_from(["58", "58.1", "", "41.5 ", "nan"]),
    "hba1c_date": st.sampled_from(["2026-01-31", ""]),
    "efi": st.sampled_from(["0.36", "0.24", "", "0.360", ".12", "1"]),
    "emergency_admissions_12m": st.sampled_from(["0", "2", "3.0", "", " 1"]),
})  # fmt: skip


def routes(rows: list[dict[str, str]], folder: Path) -> dict[str, Path]:
    """One list of cells as text, in every format that has text."""
    names = ["patient_id", "practice_code", *rows[0]]
    full = [{"patient_id": str(i + 1), "practice_code": "Y90001", **row} for i, row in enumerate(rows)]
    columns = {n: [r[n] for r in full] for n in names}
    found = {}
    found["csv"] = folder / "cells.csv"
    found["csv"].write_text("\n".join([",".join(names), *(",".join(f'"{r[n]}"' for n in names) for r in full)]) + "\n")
    blank = {n: [v or None for v in cells] for n, cells in columns.items()}
    for label, data, kind in (
        ("text", columns, pa.string()), ("nulls", blank, pa.large_string()), ("view", columns, pa.string_view()),
        ("coded", columns, pa.dictionary(pa.int32(), pa.string())),
    ):  # fmt: skip
        table = pa.table({n: pa.array(cells, pa.string()).cast(kind) for n, cells in data.items()})
        found[f"{label}.arrow"] = folder / f"{label}.arrow"
        with pa.ipc.new_file(found[f"{label}.arrow"], table.schema) as out:
            out.write_table(table)
        if label != "view":
            found[f"{label}.parquet"] = folder / f"{label}.parquet"
            pq.write_table(table, found[f"{label}.parquet"])
    return found


@given(st.lists(CELLS, min_size=1, max_size=12))
@settings(max_examples=2 * settings.default.max_examples // 5)
@pytest.mark.filterwarnings("ignore::popstrat.DataWarning")
def test_the_same_cells_give_the_same_scores(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]
) -> None:
    """Through every format with text, in both implementations, from files and in memory."""
    folder = tmp_path_factory.mktemp("routes")
    known = patient_schema().columns
    expected = None
    for name, path in routes(rows, folder).items():
        for backend in ("native", "arrow"):
            source = open_source([path], kinds=lambda n: known[n].type, backend=backend).files[0]
            table = pa.Table.from_batches(list(source.batches(source.schema.names)))
            found = popstrat.score(table, AS_OF)
            cells = found.to_pylist()
            expected = expected or cells
            assert cells == expected, (name, backend)
    assert expected is not None


def test_rows_are_named_where_a_batch_begins_late() -> None:
    column = pa.chunked_array([pa.array(["1"] * 5), pa.array(["2", "x", "y"])])
    with pytest.raises(InputError) as caught:
        from_text(column.combine_chunks(), "float", "ldl")
    assert (caught.value.column, caught.value.rows) == ("ldl", (6, 7))


def test_entries_that_no_row_holds_are_nobodys() -> None:
    """A dictionary may have more entries than its rows use, and what they say stops nobody."""
    for kind, entries in (("float", ["2", "x"]), ("bool", ["Y", "maybe"]), ("date", ["2026-07-01", "x"])):
        coded = pa.DictionaryArray.from_arrays(pa.array([0, None, 0], pa.int8()), pa.array(entries))
        assert from_text(coded, kind, "column").null_count == 1
        with pytest.raises(InputError, match=r"\(row 2\)"):
            from_text(pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array(entries)), kind, "column")
