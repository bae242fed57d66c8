"""docs/layouts.md: its example is read as the page says, its layouts load, and its tables are what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from popstrat.deriving.counted import PEOPLE, ROWS, counted
from popstrat.deriving.layout import TABLES, layouts, load_layout
from popstrat.deriving.rows import open_rows

PAGE = Path(__file__).parents[2] / "docs" / "layouts.md"
EFFECTS = {"row": "the row is set aside", "value": "the cell counts as empty", "note": "worth knowing"}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def between(mark: str) -> str:
    text = PAGE.read_text(encoding="utf-8")
    return text.split(f"<!-- {mark}:start -->\n")[1].split(f"<!-- {mark}:end -->")[0]


def test_the_example_is_read_as_the_page_says(tmp_path: Path) -> None:
    (table,) = blocks("csv")
    (tmp_path / "observations.csv").write_text(table, encoding="cp1252")
    layout = tmp_path / "ours.toml"
    layout.write_text(blocks("toml")[0], encoding="utf-8")
    found = open_rows("events", tmp_path, layout)
    lines = []
    for batch in found.batches():
        for row in batch.to_pylist():
            who, day, code, value, unit = ("-" if row[c] is None else str(row[c]) for c in _COLUMNS)
            lines.append(f"{who}  {day:10}  {code}  {value:17}  {unit}")
    counts = ", ".join(f"{reason} {many}" for reason, many in found.counts.items())
    assert "\n".join([*lines, "", counts]) + "\n" == blocks("text")[0]


_COLUMNS = ("patient_id", "date", "code", "value", "unit")


@pytest.mark.parametrize("text", blocks("toml"))
def test_the_layouts_of_the_page_are_layouts(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(text, encoding="utf-8")
    assert load_layout(path).shapes["events"]


def test_the_layouts_that_ship_stand_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in layouts():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        if name != "canonical":
            shapes = {s.name for of in load_layout(name).shapes.values() for s in of}
            assert all(f"`{shape}`" in row for shape in shapes), name


def test_the_tables_are_the_canonical_ones() -> None:
    rows = ["| table | columns (? = optional) |", "|---|---|"]
    for table, columns in TABLES.items():
        shown = ", ".join(f"`{n}`{'' if c.required else '?'}" for n, c in columns.items())
        rows.append(f"| {table} | {shown} |")
    assert between("tables") == "\n".join(rows) + "\n"


def test_what_is_counted_stands_there() -> None:
    rows = ["| table | name | | what happens |", "|---|---|---|---|"]
    for table, of in {"every table": ROWS, **PEOPLE}.items():
        rows += [f"| {table} | `{name}` | {c.told} | {EFFECTS[c.effect]} |" for name, c in of.items()]
    assert between("counted").strip() == "\n".join(rows)


def test_what_a_reason_means() -> None:
    assert counted("patients", "impossible_date_of_birth") == ROWS["impossible_date"]
    assert counted("registrations", "year_only_start_date") == ROWS["year_only"]
    assert counted("people", "dead") == PEOPLE["people"]["dead"]
    assert counted("events", "deleted") is None
