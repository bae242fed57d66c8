"""What a proposed map is certain of: a column that says or holds something else is a comment, never a mapping."""

from __future__ import annotations

import datetime as dt
import random
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from popstrat import synthetic
from popstrat.packs.map_file import parse_map
from popstrat.packs.patient_table import patient_schema
from popstrat.runs.map_names import called
from popstrat.runs.map_proposal import Proposal, propose

SCHEMA = patient_schema()
PEOPLE = synthetic.table(400, seed=3, as_of=dt.date(2026, 6, 30))
WHO = ("patient_id", "practice_code", "date_of_birth", "sex")
OTHERWISE = (
    "{} target", "Highest {} ever", "{} 24m", "{} last 5 years", "lowest {}", "Mother {}", "{} 5 years ago",
    "Family history of {}", "{} at diagnosis", "{} review due", "Partner's {}", "{} goal", "first {}",
)  # fmt: skip
THE_SAME = ("{}", "Latest {}", "{} value", "{}_Code", "{} (current)", "Most recent {}", "{} result", "PATIENT {}")


def proposed(tmp_path: Path, **columns: Sequence[Any] | pa.ChunkedArray) -> Proposal:
    who = {name: PEOPLE[name] for name in WHO}
    pq.write_table(
        pa.table({**who, **{name.replace("_0_", " "): c for name, c in columns.items()}}), tmp_path / "a.parquet"
    )
    found = propose([tmp_path / "a.parquet"], SCHEMA)
    # what a person uncomments can be read
    asked = [
        line.removeprefix("# ")
        for line in found.text.splitlines()
        if line.startswith("# ") and line[2] != " " and "looks like" in line
    ]
    for line in asked:
        table = "split" if "from =" in line else "columns"
        parse_map(tomllib.loads(f"[{table}]\n{line}"), SCHEMA.columns)
    return found


def names(seed: int, forms: Sequence[str], many: int) -> list[tuple[str, str]]:
    """Columns of ours, each under a name that people use in one of the forms."""
    rng = random.Random(seed)
    ours = [c.name for c in SCHEMA if c.name in PEOPLE.column_names and c.name not in WHO]
    found = []
    for _ in range(many):
        name = rng.choice(ours)
        words = [w for w in (*called()["columns"].get(name, ()), name.replace("_", " ")) if len(w) > 3]
        found.append((name, rng.choice(forms).format(rng.choice(words))))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_another_word_in_the_name_is_a_doubt(seed: int, tmp_path: Path) -> None:
    for ours, name in names(seed, OTHERWISE, 60):
        found = proposed(tmp_path, **{name: PEOPLE[ours]})
        assert name not in found.placed.values(), (ours, name)
        assert f'"{name}"   # looks like ' in found.text, (ours, name, found.text)
        assert "too" in found.text or "nearly" in found.text
        assert found.questions >= 1


@pytest.mark.parametrize("seed", range(2))
def test_words_that_say_nothing_else_are_none(seed: int, tmp_path: Path) -> None:
    for ours, name in names(seed, THE_SAME, 60):
        assert proposed(tmp_path, **{name: PEOPLE[ours]}).placed.get(ours) == name, (ours, name)


@pytest.mark.parametrize(
    ("ours", "name"),
    [
        ("hypertension", "Hypertension (Y/N)"),
        ("atrial_fibrillation", "AF (Yes/No)"),
        ("stroke_tia", "Stroke/TIA (T/F)"),
        ("ckd", "CKD 1/0"),
        ("emergency_admissions_12m", "No. of emergency admissions last 12m"),
        ("ae_attendances_12m", "No of ED attendances last 12 months"),
        ("efi", "Frailty Index"),
    ],
)
def test_names_as_clinical_systems_write_them(ours: str, name: str, tmp_path: Path) -> None:
    assert proposed(tmp_path, **{name: PEOPLE[ours]}).placed.get(ours) == name


def test_no_before_a_condition_is_a_doubt(tmp_path: Path) -> None:
    assert "asthma" not in proposed(tmp_path, **{"No asthma": PEOPLE["asthma"]}).placed


def test_a_column_that_has_its_place_is_named_beside_what_is_like_it(tmp_path: Path) -> None:
    found = proposed(tmp_path, eGFR=PEOPLE["egfr"], **{"eGFR 2019": PEOPLE["egfr"], "Highest eGFR": PEOPLE["egfr"]})
    assert found.placed["egfr"] == "eGFR"
    assert "#   eGFR 2019   # looks like egfr?" in found.text
    assert "#   Highest eGFR   # looks like egfr?" in found.text


def test_two_that_claim_the_same_are_both_asked_about(tmp_path: Path) -> None:
    found = proposed(tmp_path, **{"Newest eGFR": PEOPLE["egfr"], "eGFR result": PEOPLE["egfr"]})
    assert "egfr" not in found.placed
    assert '# egfr = "Newest eGFR"   # looks like egfr? eGFR result does, too' in found.text
    assert '# egfr = "eGFR result"   # looks like egfr? Newest eGFR does, too' in found.text


PAIRS = ["128/76"] * 400


@pytest.mark.parametrize(
    ("columns", "placed", "asked"),
    [
        (["BP"], "BP", []),
        (["Latest BP reading"], "Latest BP reading", []),
        (["BP target"], "", ["'target' too"]),
        (["Highest BP ever"], "", ["'highest ever' too"]),
        (["Highest BP ever", "BP", "BP target"], "BP", []),
        (["Latest BP", "BP value"], "", ["BP value does, too", "Latest BP does, too"]),
        (["Observation"], "", ["its name does not say of what"]),
    ],
)
def test_both_pressures_in_one_cell(tmp_path: Path, columns: list[str], placed: str, asked: list[str]) -> None:
    found = proposed(tmp_path, **dict.fromkeys(columns, PAIRS))
    assert found.placed.get("systolic_bp", "") == placed
    split = tomllib.loads(found.text).get("split", {})
    assert split.get("systolic_bp", {}).get("from", "") == placed
    for why in asked:
        assert why in found.text
    if placed:
        assert found.text.count("# looks like systolic_bp?") == len(columns) - 1


def test_pressures_that_are_there_already(tmp_path: Path) -> None:
    """A column of both is not read beside columns of each."""
    found = proposed(tmp_path, Systolic=PEOPLE["systolic_bp"], Diastolic=PEOPLE["diastolic_bp"], BP=PAIRS)
    assert (found.placed["systolic_bp"], found.placed["diastolic_bp"]) == ("Systolic", "Diastolic")
    assert "split" not in tomllib.loads(found.text)
    assert "#   BP   # looks like systolic_bp?" in found.text


YES = ["Y", "N"] * 200
DAYS = ["2019-03-01", ""] * 200


@pytest.mark.parametrize(
    ("name", "values", "ours", "why"),
    [
        ("Smoking status", YES, "smoking", "it holds only true and false"),
        ("Smoker", YES, "smoking", "it holds only true and false"),
        ("Ex-smoker", YES, "smoking", "it holds only true and false"),
        ("Frailty category", [True, False] * 200, "frailty", "it holds only true and false"),
        ("BP type", [1, 0] * 200, "bp_setting", "it holds only true and false"),
        ("Diabetes register", DAYS, "diabetes", "it holds dates"),
        ("COPD register", [dt.date(2020, 1, 1), None] * 200, "copd", "it holds dates"),
        ("Asthma register", [3, 0] * 200, "asthma", "it holds numbers other than 0 and 1"),
        ("On statin", ["12", "7"] * 200, "statin", "it holds numbers other than 0 and 1"),
        ("Body mass index", ["Obese", "Normal"] * 200, "bmi", "few of its cells are numbers"),
        ("Latest LDL", YES, "ldl", "it holds only true and false"),
        ("eFI score", [1.0, 0.0] * 200, "efi", ""),
        ("Latest BMI", [1, 0] * 200, "bmi", "half of its numbers are under"),
        ("Platelet count", ["4.1", "5.2"] * 200, "platelets", ""),
        ("Systolic", ["12.8", "13.4"] * 200, "systolic_bp", "half of its numbers are under 13.1"),
        ("Date of eGFR", ["high", "low"] * 200, "egfr_date", "few of its cells are dates"),
        ("BMI date", [24, 27] * 200, "bmi_date", "few of its cells are dates"),
        ("HbA1c taken", [20260101, 20251231] * 200, "hba1c_date", ""),
        ("Locality", ["North", "South"] * 200, "neighbourhood", "other things are called that"),
        ("Alcohol", [10, 20] * 200, "alcohol_units_week", "other things are called that"),
        ("Risk score", [0.1, 0.2] * 200, "sq_score", "other things are called that"),
        ("hypertensoin", YES, "hypertension", "it is nearly the name"),
    ],
)  # fmt: skip
def test_what_it_holds_is_looked_at(tmp_path: Path, name: str, values: Any, ours: str, why: str) -> None:
    found = proposed(tmp_path, **{name: values})
    if why:
        assert ours not in found.placed
        assert f'# {ours} = "{name}"   # looks like {ours}? {why}' in found.text
    else:
        assert found.placed[ours] == name


def test_what_is_true_of_either_of_two_is_not_one_of_them(tmp_path: Path) -> None:
    for one, other, ours in (
        ("Stroke", "TIA", "stroke_tia"),
        ("Warfarin", "DOAC", "anticoagulant"),
        ("ACE inhibitor", "ARB", "ras_inhibitor"),
        ("Type 1 diabetes", "Type 2 diabetes", "diabetes"),
        ("Nursing home", "Residential home", "care_home"),
    ):
        both = proposed(tmp_path, **{one: YES, other: YES})
        assert ours not in both.placed
        for name in (one, other):
            assert f'# {ours} = "{name}"   # looks like {ours}? it is true where any of "{one}", "{other}"' in both.text
    assert proposed(tmp_path, Stroke=YES).placed["stroke_tia"] == "Stroke"  # the register of both is often called that
    assert "anticoagulant" not in proposed(tmp_path, Warfarin=YES).placed


def test_flags_of_smoking_are_no_labels(tmp_path: Path) -> None:
    """Neither as a proposal nor as words: whoever does not smoke may have stopped."""
    found = proposed(tmp_path, **{"Smoker": YES, "Ex smoker": YES, "Never smoked": YES})
    assert "smoking" not in found.placed
    assert '"never"' not in found.text


@pytest.mark.parametrize(
    ("name", "values", "line"),
    [
        ("ACR (mg/g)", [50.0, 8.0] * 200, "acr = 0.113   # from mg/g: as its name says"),
        ("ACR mg/mmol", [50.0, 8.0] * 200, ""),
        ("LDL mg/dL", [130.0, 100.0] * 200, "ldl = 0.02586   # from mg/dL: half of them are over 115"),
        ("LDL", [3.1, 2.2] * 200, ""),
        ("Hb g/dL", [12.5, 14.0] * 200, "haemoglobin = 10   # from g/dL: half of them are under 13.25"),
        ("Hb (g/L)", [125, 140] * 200, ""),
    ],
)  # fmt: skip
def test_units_that_a_name_says(tmp_path: Path, name: str, values: Any, line: str) -> None:
    found = proposed(tmp_path, **{name: values})
    assert name in found.placed.values()
    assert (line in found.text) if line else "[units]" not in found.text
