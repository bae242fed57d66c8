"""What the page on packs says holds: its examples load and do what it claims, its tables are true."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from popstrat.errors import PackError
from popstrat.lang.parser import NUMBER_FUNCTIONS, OTHER_FUNCTIONS
from popstrat.packs.definition import NUMBER_TYPES
from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.load import load_pack
from popstrat.packs.model.terms import EVIDENCE
from popstrat.packs.patient_table import patient_schema
from popstrat.reasons.trace import trace
from popstrat.scoring.pack_check import examine
from popstrat.scoring.scorer import Scorer

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "packs.md").read_text(encoding="utf-8")
EXAMPLES = sorted((DOCS / "examples").glob("*.toml"))
AS_OF = "2026-06-30"
RECENT = dt.date(2026, 6, 1)


def scored(pack: str | Path, as_of: str = AS_OF, **values: Any) -> dict[str, Any]:
    """One patient of 60 with what is given; the engine and the reference must agree."""
    row = {"patient_id": 1, "practice_code": "G85001", "age": 60, "sex": "male"} | values
    table = pa.table({k: [v] for k, v in row.items()})
    scorer = Scorer(pack, as_of)
    trace(scorer, table)
    return dict(scorer.score_batch(table.to_batches()[0]).to_pylist()[0])


def example(name: str) -> Path:
    return DOCS / "examples" / f"{name}.toml"


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f.stem)
def test_examples_are_sound_and_named_on_the_page(file: Path) -> None:
    assert examine(file, dt.date(2026, 6, 30)).warnings == ()
    assert f"(examples/{file.name})" in PAGE
    assert load_pack(file).id == file.stem


def test_the_toml_on_the_page_is_in_the_examples() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    texts = [file.read_text(encoding="utf-8") for file in EXAMPLES]
    assert len(blocks) >= len(EXAMPLES)
    for block in blocks:
        assert any(block in text for text in texts), block


BP: dict[str, Any] = {"hypertension": True, "bp_date": RECENT, "systolic_bp": 134, "diastolic_bp": 80}


def test_threshold() -> None:
    assert scored("london-2026", **BP)["hypertension_status"] == "optimised"
    assert scored(example("threshold"), **BP)["hypertension_status"] == "unoptimised"
    assert scored(example("threshold"), **BP | {"age": 80})["hypertension_status"] == "optimised"


@pytest.mark.parametrize(
    ("values", "offer"),
    [
        ({}, "none"),
        ({"housebound": True}, "none"),
        ({"housebound": True, "cfs": 6}, "home_visit"),
        ({"housebound": True, "end_of_life": True, "medicines_count": 12}, "home_visit"),
        ({"medicines_count": 10}, "medicines_review"),
        ({"medicines_count": 9}, "none"),
        ({"hypertension": True, "diabetes": True}, "call"),
        ({"hypertension": True}, "none"),
        ({"medicines_count": 10, "age": 17}, None),
    ],
)
def test_local_segment(values: dict[str, Any], offer: str | None) -> None:
    assert scored(example("local-segment"), **values)["proactive_care"] == offer


@pytest.mark.parametrize(
    ("values", "lonely"),
    [
        ({"veteran": True, "loneliness": 6, "loneliness_date": RECENT}, True),
        ({"veteran": True, "loneliness": 5, "loneliness_date": RECENT}, False),
        ({"veteran": True, "loneliness": 6, "loneliness_date": dt.date(2025, 6, 29)}, False),
        ({"veteran": True, "loneliness": 6}, True),
        ({"veteran": None, "loneliness": 6}, False),
        ({"veteran": True, "loneliness": 10}, False),
        ({}, False),
    ],
)
def test_local_column(values: dict[str, Any], lonely: bool) -> None:
    found = scored(example("local-column"), **values)
    assert found["veteran_lonely"] is lonely
    assert (found["quality_flags"] != 0) == (values.get("loneliness") == 10)


def test_ltc_set() -> None:
    values: dict[str, Any] = {"chronic_pain": True, "cancer": True, "diabetes": True, "smi": True}
    assert scored("london-2026", **values)["ltc_count"] == 2
    assert scored(example("ltc-set"), **values)["ltc_count"] == 3
    for condition, counts in (("chronic_pain", [1, 0]), ("cancer", [0, 1])):
        found = [scored(p, AS_OF, **{condition: True})["ltc_count"] for p in ("london-2026", example("ltc-set"))]
        assert found == counts
    assert scored("london-2026", chronic_pain=True)["whole_systems_segment"] == "adults_with_ltc"
    assert scored(example("ltc-set"), chronic_pain=True)["whole_systems_segment"] == "mostly_healthy_adults"


@pytest.mark.parametrize(
    ("values", "points", "risk"),
    [
        ({"smoking": "current", "bmi": 30.0}, 5, 0.075858),
        ({"bmi": 29.9}, 1, 0.075858),  # `null_is` is 1
        ({"smoking": "ex", "bmi": 20.0, "ethnicity": "K"}, 1, 0.12196),
        ({"smoking": "smoker", "bmi": 20.0, "ethnicity": "A"}, 1, 0.075858),  # no label: set aside
    ],
)
def test_lookup(values: dict[str, Any], points: int, risk: float) -> None:
    found = scored(example("lookup"), **values)
    assert (found["points"], found["attendance_risk"]) == (points, risk)


@pytest.mark.parametrize(
    ("date", "inside"), [(dt.date(2025, 12, 30), True), (dt.date(2025, 12, 29), False), (None, False)]
)
def test_window(date: dt.date | None, inside: bool) -> None:
    assert scored(example("window"), bp_date=date)["bp_lately"] is inside


@pytest.mark.parametrize(
    ("as_of", "age", "cfs", "inside"),
    [
        ("2026-09-30", 65, None, True),
        ("2026-09-30", 50, 6, False),
        ("2026-10-01", 50, 6, True),
        ("2026-10-01", 49, 6, False),
        ("2026-10-01", 50, 5, False),
        ("2026-10-01", 65, None, True),
    ],
)
def test_dated(as_of: str, age: int, cfs: int | None, inside: bool) -> None:
    assert scored(example("dated"), as_of, age=age, cfs=cfs)["frailty_int_segment"] is inside


@pytest.mark.parametrize(
    ("values", "risk", "band", "missing"),
    [
        ({"age": 65, "efi": 0.0, "bmi": 25.0}, 0.0474, "low", 0),  # 1 / (1 + exp(3))
        ({"age": 85, "efi": 0.25, "bmi": 17.0, "falls": True}, 0.6457, "high", 0),  # −3 + 1 + 1 + 0.5 + 1.1 = 0.6
        ({"age": 85, "efi": 0.9, "bmi": 25.0}, 0.5, "high", 0),  # the index counts as 0.5: −3 + 1 + 2
        ({"age": 75}, 0.1171, "low", 2),  # −3 + 0.5 + 0.48
        ({"age": 64, "efi": 0.3, "bmi": 25.0}, None, None, None),
    ],
)
def test_small_model(values: dict[str, Any], risk: float | None, band: str | None, missing: int | None) -> None:
    found = scored(example("small-model"), **values)
    assert found["fall_risk"] == pytest.approx(risk, abs=1e-4) if risk else found["fall_risk"] is None
    assert (found["fall_risk_band"], found["fall_inputs_missing"]) == (band, missing)
    assert "admission_risk" not in found


@pytest.mark.parametrize(
    ("values", "status", "minutes"),
    [
        ({}, "none", 10),
        ({"ldl": 5.0}, "undiagnosed", 10),
        ({"chd": True, "ldl": 2.0, "lipids_date": RECENT}, "optimised", 10),
        ({"chd": True, "ldl": 2.0, "lipids_date": dt.date(2025, 12, 29)}, "unoptimised", 20),
        ({"chd": True, "pad": True}, "unoptimised", 30),
        ({"chd": True, "age": 17}, None, None),  # the split on the status is unknown
    ],
)
def test_tree(values: dict[str, Any], status: str | None, minutes: int | None) -> None:
    found = scored(example("tree"), **values)
    assert (found["cholesterol_status"], found["minutes"]) == (status, minutes)


ROWS = re.findall(r"^\| `([^`]+)` \| (?:nothing|`([^`]+)`) \| (true|false|unknown) \|$", PAGE, re.MULTILINE)


USED = """
[windows.recent]
months = 12
[lookups.smoking_points]
values = { never = 0, ex = 1, current = 3 }
[lookups.ethnic_weight]
values = { A = 1 }
otherwise = 2
null_is = 0.5
"""


@pytest.mark.parametrize(("rule", "record", "outcome"), ROWS)
def test_the_table_of_nulls(tmp_path: Path, rule: str, record: str, outcome: str) -> None:
    file = tmp_path / "row.toml"
    quoted = "'''" + rule + "'''"
    negated = "'''not (" + rule + ")'''"
    body = 'kind = "expression"\ntitle = "t"\nsource = "s"\nversion = "1"\noutput = true\nvalue = '
    head = f'[pack]\nid = "row"\nversion = "1"\n{USED}'
    file.write_text(f"{head}[definition.holds]\n{body}{quoted}\n[definition.fails]\n{body}{negated}\n")
    values: dict[str, Any] = dict.fromkeys(
        c.name for c in patient_schema() if c.name in rule and c.name not in ("age", "sex") and c.type != "bool"
    )
    if record:
        name, _, value = record.partition(" = ")
        values[name] = None if value == "null" else tomllib.loads(f"v = {value}")["v"]
    types = {c.name: c.dtype for c in patient_schema()}
    row = {"patient_id": 1, "practice_code": "G85001", "age": 60, "sex": "male"} | values
    table = pa.table({k: pa.array([v], types[k]) for k, v in row.items()})
    scorer = Scorer(file, AS_OF)
    trace(scorer, table)
    found = scorer.score_batch(table.to_batches()[0]).to_pylist()[0]
    told = {"true": (True, False), "false": (False, True), "unknown": (False, False)}[outcome]
    assert (found["holds"], found["fails"]) == told


def test_the_table_of_nulls_has_every_operator_and_function() -> None:
    """Each with a value that has no record."""
    rules = [rule for rule, record, _ in ROWS if not record or record.endswith("null")]
    signs = ["not (", " and ", " or ", " if ", " in ", " not in ", " is null", " is not null", "-hba1c"]
    signs += [f" {sign} " for sign in ("<", "<=", ">", ">=", "==", "!=", "+", "-", "*", "/", "**")]
    calls = [f"{name}(" for name in (*NUMBER_FUNCTIONS, *OTHER_FUNCTIONS, "recent", "smoking_points")]
    assert [part for part in (*signs, *calls) if not any(part in rule for rule in rules)] == []


def test_the_page_names_everything_that_there_is() -> None:
    assert len(ROWS) >= 25
    for name in (*NUMBER_FUNCTIONS, *OTHER_FUNCTIONS):
        assert f"`{name}(" in PAGE
    for name in (*KINDS, *NUMBER_TYPES, *EVIDENCE):
        assert f"`{name}`" in PAGE


def test_the_message_shown_on_the_page(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(example("local-segment").read_text(encoding="utf-8").replace("housebound and", "houseboundd and"))
    shown = re.search(r"^ours.toml:\d+: (.*)$", PAGE, re.MULTILINE)
    assert shown is not None
    with pytest.raises(PackError, match=rf"^ours.toml:\d+: {re.escape(shown.group(1))}"):
        Scorer(file, AS_OF)


def test_links_lead_somewhere() -> None:
    definitions = (DOCS / "definitions.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        file, _, anchor = target.partition("#")
        assert (DOCS / file).exists(), target
        if not file:
            assert anchor in [h.lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)], target
            continue
        assert not anchor or f'<a id="{anchor}">' in definitions, target
