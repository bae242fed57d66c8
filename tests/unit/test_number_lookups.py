"""A lookup of whole numbers: what it gives for every number, at its ends, between them and where there is none."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from complaints import AS_OF, check, definition

import popstrat
from popstrat.packs.evaluator import Reference
from popstrat.packs.load import load_pack
from popstrat.reasons.narrator import Narrator

RATE = '[lookups.rate]\ntitle = "Rate"\nsource = "s"\nvalues = { %s }\n'
VALUES = "0 = 0.2, 1 = 0.6, 2 = 2.2, 3 = 2.2, -1 = 9"
BMI = [None, 14.0, 15.0, 16.0, 17.0, 17.5, 18.0, 19.0, 40.0]


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ("", [None, 9, 0.2, 0.6, 2.2, None, 2.2, None, None]),
        ("otherwise = 5\n", [None, 9, 0.2, 0.6, 2.2, 5, 2.2, 5, 5]),
        ("null_is = 7\n", [7, 9, 0.2, 0.6, 2.2, None, 2.2, None, None]),
        ("otherwise = 5\nnull_is = 5\n", [5, 9, 0.2, 0.6, 2.2, 5, 2.2, 5, 5]),
    ],
)
def test_numbers(tmp_path: Path, more: str, wanted: list[float | None]) -> None:
    (tmp_path / "p.toml").write_text(definition('value = "rate(bmi - 15)"', more=RATE % VALUES + more))
    pack = load_pack(tmp_path / "p.toml")
    size = len(BMI)
    table = pa.table({"patient_id": [f"p{i}" for i in range(size)], "practice_code": ["A1"] * size,
                      "sex": ["female"] * size, "age": [50] * size, "bmi": BMI})  # fmt: skip
    assert popstrat.score(table, AS_OF, pack=tmp_path / "p.toml").column("x").to_pylist() == wanted
    resolved = pack.at(AS_OF)
    reference = Reference(resolved, {"bmi"})
    assert [reference.named("x", reference.patient({"bmi": bmi})) for bmi in BMI] == wanted


@pytest.mark.parametrize(
    ("rule", "values", "told"),
    [
        ("rate(«bmi»)", "0 = 1, low = 2", "has a number for 'low', and 'bmi' is a number: its `values` have"),
        ("rate(«bmi»)", '0 = 1, "1.5" = 2', "has a number for '1.5', and 'bmi' is a number"),
        ("rate(«bmi»)", '0 = 1, "01" = 2', "has a number for '01', and 'bmi' is a number"),
        ("rate(«ckd»)", "0 = 1", "rate() takes a category or a whole number, and 'ckd' is a condition"),
        ("rate(«smoking»)", "0 = 1", "rate has a number for '0', which is not a label of smoking"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, rule: str, values: str, told: str) -> None:
    check(tmp_path, definition(f'value = "{rule}"', more=RATE % values), told)


def test_constants(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(definition('value = "rate(2) + rate(bmi)"', more=RATE % VALUES))
    resolved = load_pack(tmp_path / "p.toml").at(AS_OF)
    reference = Reference(resolved, {"bmi"})
    assert reference.named("x", reference.patient({"bmi": 1.0 + 14})) is None


def test_an_explanation_says_the_number_not_every_comparison(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(definition('value = "rate(cfs)"', more=RATE % VALUES + "null_is = 1\n"))
    resolved = load_pack(tmp_path / "p.toml").at(AS_OF)
    narrator = Narrator(Reference(resolved, {"cfs"}), {"cfs": 3})
    assert narrator.said(resolved.definitions["x"].node) == "rate(cfs) = 2.2 (cfs 3)"
