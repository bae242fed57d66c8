"""Sentences as a pack writes them: what is told of whom, what is left out, what is refused."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from one_patient import BP, patient

from popstrat.errors import InputError, PackError
from popstrat.packs.sentences import GROUPS
from popstrat.reasons import wording
from popstrat.reasons.sentences import COLUMNS, Sentences
from popstrat.reasons.trace import trace
from popstrat.scoring.scorer import Scorer

AS_OF = dt.date(2026, 6, 30)
HEAD = """
[pack]
id = "small"
version = "1"

[windows.recent]
months = 12
title = "Recent"
source = "made up"

[definition.high]
kind = "expression"
title = "High"
source = "made up"
version = "1"
value = "systolic_bp >= 150"
output = true
"""


def small(tmp_path: Path, sentences: str) -> Scorer:
    (tmp_path / "small.toml").write_text(f"{HEAD}{sentences}\n", encoding="utf-8")
    return Scorer(tmp_path / "small.toml", AS_OF)


def told(scorer: Scorer, table: pa.Table) -> dict[str, str]:
    """What is said, by group; the engine and the evaluator must agree."""
    sentences = Sentences(scorer)
    (row,) = sentences.of_batch(table.combine_chunks().to_batches()[0]).to_pylist()
    one = trace(scorer, table, sentences).told
    assert {g: ". ".join(t.text for t in one if t.under == g) or None for g in COLUMNS} == row
    return {group: text for group, text in row.items() if text}


@pytest.fixture(scope="module")
def london() -> Scorer:
    return Scorer(as_of=AS_OF)


def test_a_sentence_a_gp_would_write(london: Scorer) -> None:
    found = told(london, patient(**BP, ckd=True, statin=True, egfr=50.0, egfr_date=dt.date(2026, 1, 5)))
    assert found["not_at_target"] == (
        "Hypertension, not at target: 152/84 on 2 March 2026, target 140/90. "
        "Chronic kidney disease, not at target: 152/84 on 2 March 2026, target 140/90"
    )
    assert "No SGLT2 inhibitor" not in found.get("missing_treatment", "")


@pytest.mark.parametrize(
    ("values", "group", "text"),
    [
        ({"bp_setting": "home"}, "not_at_target", "152/84 at home on 2 March 2026, target 135/85"),
        ({"bp_date": dt.date(2024, 3, 2)}, "due", "Blood pressure due, last taken on 2 March 2024: 152/84"),
        ({"bp_date": None}, "due", "Blood pressure due, no record of its date"),
        ({"systolic_bp": None, "bp_date": None}, "due", "Blood pressure due, no record"),
        ({"diastolic_bp": None}, "due", "Blood pressure due, no full reading on 2 March 2026"),
        (
            {"hypertension": False},
            "undiagnosed",
            "Possible hypertension, not diagnosed: 152/84 on 2 March 2026, high from 140/90",
        ),
        (
            {"hypertension": False, "diastolic_bp": None},
            "undiagnosed",
            "Possible hypertension, not diagnosed: systolic 152 on 2 March 2026, high from 140/90",
        ),
    ],
)
def test_what_is_not_recorded_is_not_told(london: Scorer, values: dict[str, Any], group: str, text: str) -> None:
    assert text in told(london, patient(**{**BP, **values})).get(group, "")


def test_a_list_without_a_date_column_has_no_date_to_tell(london: Scorer) -> None:
    found = told(london, patient(hypertension=True, systolic_bp=152, diastolic_bp=84))
    assert found["not_at_target"] == "Hypertension, not at target: 152/84, target 140/90"
    assert "due" not in found


def test_what_a_list_lacks_is_no_finding(london: Scorer) -> None:
    everything = {"chd": True, "statin": False, "ckd": True, "acr": 80.0, "acr_date": None}
    found = told(london, patient(**everything))
    assert "No statin" in found["missing_treatment"]
    assert "Urine ACR due, no record of its date" in found["due"]
    assert "No RAS inhibitor" not in found["missing_treatment"]  # there is no column that says so
    lacking = told(london, patient(**{k: v for k, v in everything.items() if k not in ("statin", "acr_date")}))
    assert "missing_treatment" not in lacking
    assert "due" not in lacking


def test_a_default_is_nobodys_reason(london: Scorer) -> None:
    assert "Drinks" not in told(london, patient(age=30)).get("drivers", "")
    assert "clinic" not in str(told(london, patient(**BP)))


def test_the_caveat_follows_once(london: Scorer) -> None:
    found = told(london, patient(chd=True, statin=False, heart_failure=True, sglt2_inhibitor=False))
    assert found["missing_treatment"] == (
        "No statin: atherosclerotic cardiovascular disease. No SGLT2 inhibitor: heart failure. "
        "Indicated by the record; contraindications and refusals are not in it"
    )


def test_a_definition_without_sentences_is_told_of_by_its_title(tmp_path: Path) -> None:
    assert told(small(tmp_path, ""), patient(systolic_bp=160)) == {"why": "High"}
    assert told(small(tmp_path, ""), patient(systolic_bp=140)) == {}
    assert told(small(tmp_path, "sentences = []"), patient(systolic_bp=160)) == {}


def test_numbers_that_would_look_alike_have_more_digits(tmp_path: Path) -> None:
    scorer = small(tmp_path, 'sentences = [{ under = "why", say = "LDL {ldl} over {2.004}, BP {systolic_bp}" }]')
    assert told(scorer, patient(systolic_bp=160, ldl=2.0))["why"] == "LDL 2 over 2.004, BP 160"
    assert told(scorer, patient(systolic_bp=160, ldl=2.0041))["why"].startswith("LDL 2.0041 over 2.004")
    assert told(scorer, patient(systolic_bp=160, ldl=3.14159))["why"] == "LDL 3.14 over 2, BP 160"


@pytest.mark.parametrize(
    ("value", "text"),
    [(158.0, "158"), (58.4699, "58.5"), (0.36, "0.36"), (float("0.0004"), "0.0004"), (12345.0, "12,345"),
     (9.999, "10"), (99.97, "100"), (0.0, "0"), (-0.0, "0"), (-2.5, "-2.5")],
)  # fmt: skip
def test_numbers_as_people_write_them(value: float, text: str) -> None:
    assert wording.number(value) == text


def test_no_number_has_17_digits_and_dates_are_in_words(london: Scorer) -> None:
    assert wording.day(dt.date(2026, 3, 2)) == "2 March 2026"
    found = told(london, patient(**BP, ldl=2.1234567, chd=True, lipids_date=dt.date(2026, 5, 1), efi=0.123456789))
    assert not re.search(r"\d{4}-\d{2}-\d{2}|\d\.\d{7}", str(found))


@pytest.mark.parametrize(
    ("sentences", "told"),
    [
        ('[{ under = "not_at_taget", say = "x" }]', "not_at_target"),
        ('[{ under = "why" }]', "needs `say`"),
        ('[{ under = "why", say = "x", wen = "age > 1" }]', "when"),
        ('[{ under = "why", say = "BP {systolic_pb}" }]', "systolic_bp"),
        ('[{ under = "why", say = "BP {systolic_bp" }]', "not closed"),
        ('[{ under = "why", say = "BP systolic_bp}" }]', "not opened"),
        ('[{ under = "why", say = "BP [on {bp_date}" }]', "not closed"),
        ('[{ under = "why", say = "BP on {bp_date}]" }]', "not opened"),
        ('[{ under = "why", say = "BP [high]" }]', "needs a value in braces"),
        ('[{ under = "why", say = "x", label = "red" }]', "`label` is for what gives labels"),
        ('[{ under = "why", say = "x", when = "systolic_bp" }]', "a condition is needed"),
        (f'[{{ under = "why", say = "{"[" * 20}{{bmi}}{"]" * 20}" }}]', "8 deep at most"),
        (f'[{{ under = "why", say = "{{{" + ".join(["(bmi"] * 40)}{")" * 40}}}" }}]', "more than 30 deep"),
        ('"x"', "a list of tables"),
    ],
)
def test_a_fault_points_at_its_line(tmp_path: Path, sentences: str, told: str) -> None:
    with pytest.raises(PackError, match=re.escape(told)) as error:
        Sentences(small(tmp_path, f"sentences = {sentences}"))
    assert "small.toml:18: definition.high" in str(error.value)


def test_sentences_are_for_direct_care() -> None:
    with pytest.raises(InputError, match="secondary-use"):
        Sentences(Scorer(as_of=AS_OF, profile="secondary-use"))


def test_every_group_has_a_heading() -> None:
    assert list(COLUMNS) == [*GROUPS, "drivers"]
