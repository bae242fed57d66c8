"""Slips that writers of published models made, and what they are told: the wrong word, where it stands, what to write."""

# The tables read better with a case on a line.
# ruff: noqa: E501

from __future__ import annotations

from pathlib import Path

import pytest
from complaints import AS_OF, TWO, check, definition

from popstrat.packs.load import load_pack

MODEL = """
link = "logistic"
draft = true
evidence = "published"
source = "us"
eligible = [{ when = "age >= 18", reason = "under 18" }]
recalibration = { intercept = 0.1, slope = 0.9 }
strata = { white_women = 'sex == "female"', white_men = 'sex == "male"' }
inputs = { bmi = { default = 27 }, hba1c = { required = true }, egfr = { required = true } }
terms = [
    { id = "age", value = "age" },
    { id = "egfr", value = "egfr" },
    { id = "age_bmi", product = ["age", "bmi"] },
    { id = "hba1c", value = "hba1c" },
    { id = "ckd", when = "ckd", coefficient = 0.5 },
]
coefficients = { age = { white_women = 0.1, white_men = 0.2 }, egfr = -0.1, age_bmi = 0.1, hba1c = 0.1 }
reference_patients = [
    { patient = { age = 50, sex = "male" }, expected = "null" },
    { patient = { age = 60, heart_failure = false }, expected = "null" },
    { patient = { age = 60, hba1c = 50, egfr = 30, sex = "male" }, expected = 1.0 },
]
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("hba1c = { required = true }", 'hba1c = { «required» = "true" }', "`required` is true or false, not text"),
        ("egfr = { required = true }", "egfr = { «requird» = true }", "unknown key 'requird' (did you mean 'required'?)"),
        ("white_men = 0.2", "«white_man» = 0.2", "there is no stratum 'white_man' (did you mean 'white_men'?)"),
        ("age_bmi = 0.1", "«age_bim» = 0.1", "`coefficients` has 'age_bim', and there is no such term (did you mean 'age_bmi'?)"),
        ('evidence = "published"', 'evidence = "«publsihed»"', "and not 'publsihed' (did you mean 'published'?)"),
        ("reason = ", "«reson» = ", "and not 'reson' (did you mean 'reason'?)"),
        ("slope = ", "«slop» = ", "and not 'slop' (did you mean 'slope'?)"),
        ('"logistic"', '"«cox»"', "needs a `link`: one of logistic, survival, identity, and not 'cox'"),
        ("heart_failure = false", '«heart_failure» = "false"', "reference patient 2: heart_failure cannot be 'false'"),
        ("expected = 1.0 ", "expected = «0.030» ", "reference patient 3: x should be 0.03"),
        ('age = 60, hba1c', '«aeg» = 60, hba1c', "the patient table has no column 'aeg' to score (did you mean 'age'?)"),
        ('when = "ckd", coefficient = 0.5', 'when = "ckd", coefficient = 0.5, «center» = 0.2', "write `value = '1 if … else 0'` in its place"),
    ],
)  # fmt: skip
def test_models(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert MODEL.count(old) == 1
    check(tmp_path, definition(MODEL.replace(old, new).replace('source = "us"\n', ""), "model"), told)


LONG = " + ".join(["bmi"] * 60)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (definition('value = "age > «ckd»"'), "a condition needs no comparison"),
        (definition('value = "«ckd» == age"'), "a condition needs no comparison"),
        (definition('value = "«ckd» + chd"'), "'ckd' is a condition: write count(ckd), or (1 if ckd else 0)"),
        (definition('value = "sqrt(«ckd»)"'), "write count(ckd), or (1 if ckd else 0)"),
        (definition(f'value = "{LONG} + {LONG}"'), "bracket a long sum in halves"),
        (definition("«versions» = [{ version = '1', value = 'ckd' }, { version = '2', value = 'chd' }]"),
         "two versions are in force on every day: neither has `effective_from` or `effective_to`"),
        (definition(f'«value» = "y + {LONG}"', more=f'{TWO}value = "{LONG}"'),
         "definition.x: nests 121 deep, with the definitions that it uses, and the most is 100: bracket a long sum"),
    ],
)  # fmt: skip
def test_rules(tmp_path: Path, text: str, told: str) -> None:
    check(tmp_path, text, told)


def test_halves_do_not_nest(tmp_path: Path) -> None:
    """What a message tells to write can be written."""

    def halves(some: list[str]) -> str:
        half = len(some) // 2
        return some[0] if len(some) == 1 else f"({halves(some[:half])} + {halves(some[half:])})"

    (tmp_path / "p.toml").write_text(definition(f'value = "{halves(["bmi"] * 300)}"'))
    load_pack(tmp_path / "p.toml").at(AS_OF)
