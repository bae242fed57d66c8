"""What the page on feature specifications says holds: its examples load and do what it claims, its tables are true."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from popstrat.deriving.folds import SET_ASIDE
from popstrat.deriving.kinds.kind import Feature
from popstrat.deriving.kinds.registry import KINDS, examples
from popstrat.deriving.reference import Row, derive_one
from popstrat.deriving.spec import load_spec
from popstrat.deriving.spec_check import examine
from popstrat.pages import specification

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "derive-specification.md").read_text(encoding="utf-8")
EXAMPLES = sorted((DOCS / "examples" / "specifications").glob("*.toml"))
AS_OF = dt.date(2026, 6, 30)
LISTS = ["AST_COD", "ASTTRT_COD", "BMIVAL_COD", "HB_COD", "IFCCHBAM_COD", "OUR_HOUSEBOUND", "STAT_COD", "SPIRO_COD"]
CODES = {name: [number] for number, name in enumerate(LISTS, 1)}
LATE = dt.date(2026, 6, 1)


def derived(name: str, *rows: Row) -> Mapping[str, Any]:
    """Somebody of 46 with these rows."""
    path = DOCS / "examples" / "specifications" / f"{name}.toml"
    features = load_spec(path if path.exists() else name).at(AS_OF)
    person = {"patient_id": 1, "date_of_birth": dt.date(1980, 1, 1), "sex": "female"}
    return derive_one(features, person, rows, CODES).values


def event(code: str, value: float | None = None, unit: str | None = None, date: dt.date = LATE) -> Row:
    return Row("events", date, CODES[code][0], value, None, unit)


def issue(code: str, date: dt.date = LATE) -> Row:
    return Row("medications", date, CODES[code][0])


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f.stem)
def test_examples_are_sound_and_named_on_the_page(file: Path) -> None:
    warnings = examine(file, AS_OF).warnings
    assert all("neither derived" in told for told in warnings)
    assert f"(examples/specifications/{file.name})" in PAGE


def test_the_toml_on_the_page_is_in_the_examples() -> None:
    texts = [file.read_text(encoding="utf-8") for file in EXAMPLES]
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert any(block in text for text in texts), block


def test_generated_files_are_current() -> None:
    file = DOCS / "examples" / "specifications" / "features.toml"
    assert file.read_text(encoding="utf-8") == examples(), "make kinds"
    assert (DOCS / "features.md").read_text(encoding="utf-8") == specification.page(), specification.COMMAND


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_each_kind_is_on_the_page_as_it_says_of_itself(kind: type[Feature]) -> None:
    row = f"| `{kind.name}` | {kind.explained[0]} | {kind.explained[1]} |"
    assert row in PAGE.splitlines(), row
    for key in kind.keys:
        assert f"`{key}`" in PAGE or key.endswith(("output", "imum")), key


def test_reasons_on_the_page() -> None:
    assert ", ".join(f"`{reason}`" for reason in SET_ASIDE) in " ".join(PAGE.split())


def test_registers_that_ask_for_treatment() -> None:
    assert derived("gp-record-2026", event("AST_COD"))["asthma"] is True
    assert derived("treated-registers", event("AST_COD"))["asthma"] is False
    assert derived("treated-registers", event("AST_COD"), issue("ASTTRT_COD"))["asthma"] is True
    old = issue("ASTTRT_COD", dt.date(2025, 6, 29))
    assert derived("treated-registers", event("AST_COD"), old)["asthma"] is False


def test_a_column_from_an_expression() -> None:
    assert derived("gp-record-2026", event("BMIVAL_COD", 31.0, "kg/m2"))["obesity"] is False
    assert derived("treated-registers", event("BMIVAL_COD", 31.0, "kg/m2"))["obesity"] is True
    old = event("BMIVAL_COD", 31.0, "kg/m2", dt.date(2025, 6, 29))
    assert derived("treated-registers", old)["obesity"] is False


def test_an_areas_own_record() -> None:
    rows = [
        event("HB_COD", 13.4), event("IFCCHBAM_COD", 48.0, "mmol/mol (IFCC)"), event("OUR_HOUSEBOUND"),
        issue("STAT_COD", dt.date(2026, 3, 29)), event("SPIRO_COD"),
    ]  # fmt: skip
    before, after = derived("gp-record-2026", *rows), derived("our-record", *rows)
    of = ("haemoglobin", "hba1c", "housebound", "statin", "spirometry_date")
    assert [before.get(name) for name in of] == [None, None, False, True, None]
    assert [after[name] for name in of] == [134, 48.0, True, False, LATE]
