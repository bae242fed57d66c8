"""What differs between two packs is said in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from two_packs import BASE, packs

from popstrat.packs.compared import canonical
from popstrat.packs.differences import changes
from popstrat.packs.load import load_pack
from popstrat.packs.pack import Pack


def said(a: Pack, b: Pack) -> list[tuple[str, str, str]]:
    return [(c.kind, c.name, c.text) for c in changes(a, b)]


@pytest.mark.parametrize(
    ("old", "new", "kind", "name", "text"),
    [
        ("value = 140", "value = 135", "changed", "high", "140 → 135 mmHg"),
        ("value = 140", "value = 140.5", "changed", "high", "140 → 140.5 mmHg"),
        ("months = 12", "months = 24", "changed", "lately", "12 → 24 months"),
        ('"ckd", "chd"]', '"chd"]', "changed", "some", "members no longer: `ckd`"),
        ('"ckd", "chd"]', '"chd", "ckd", "copd"]', "changed", "some", "members now also: `copd`"),
        ("lately(bp_date) and ", "", "changed", "raised",
         "rule: `lately(bp_date) and systolic_bp >= high and not pregnant` → `systolic_bp >= high and not pregnant`"),
        ('"a list"\nmembers', '"another"\nmembers', "wording", "some", "source: “a list” → “another”"),
        ('title = "Number"', 'title = "Count"', "wording", "number", "title: “Number” → “Count”"),
        ('"number >= 2"', '"number >= 3"', "changed", "group", "rule for `many`: `number >= 2` → `number >= 3`"),
        ('otherwise = "neither"', 'otherwise = "nothing"', "changed", "group", "otherwise neither → nothing"),
        ("2026-07-01", "2026-07-02", "changed", "dated",
         "version 2, in force from 2026-07-01 → in force from 2026-07-02"),
        ('"smi or cancer"', '"cancer"', "changed", "dated", "version 2, rule: `smi or cancer` → `cancer`"),
        ("age < 65", "age < 70", "changed", "cost", "node `1`, split: `age < 65` → `age < 70`"),
        ("value = 200.0", "value = 250", "changed", "cost", "node `3`, value 200 → 250"),
        ("coefficient = 0.5", "coefficient = 0.25", "changed", "points", "term `bmi`, coefficient 0.5 → 0.25"),
        ("default = 27", "default = 25", "changed", "points", "input `bmi`, default 27 → 25"),
        ('why = "usual"', 'why = "mean"', "wording", "points", "why of input `bmi`: “usual” → “mean”"),
        ('link = "identity"', 'link = "logistic"', "changed", "points", "link identity → logistic"),
    ],
)  # fmt: skip
def test_a_change_is_named(tmp_path: Path, old: str, new: str, kind: str, name: str, text: str) -> None:
    assert said(*packs(tmp_path, (old, new))) == [(kind, name, text)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('["diabetes", "ckd", "chd"]', '["chd", "diabetes", "ckd"]'),
        ('"lately(bp_date) and systolic_bp >= high and not pregnant"',
         '"(systolic_bp>=high) and not pregnant  and lately(bp_date)"'),
        ('"copd or asthma"', '"asthma or copd"'),
        ("value = 200.0", "value = 200"),
        ("    { id = 2, value = 100.0 },\n    { id = 3, value = 200.0 },\n",
         "    { id = 3, value = 200.0 },\n    { id = 2, value = 100.0 },\n"),
    ],
)  # fmt: skip
def test_order_and_spelling_that_mean_nothing(tmp_path: Path, old: str, new: str) -> None:
    assert said(*packs(tmp_path, (old, new))) == []


def test_order_that_means_something(tmp_path: Path) -> None:
    rules = '    { label = "many", when = "number >= 2" },\n', '    { label = "one", when = "number >= 1" },\n'
    found = said(*packs(tmp_path, (rules[0] + rules[1], rules[1] + rules[0])))
    assert found == [("changed", "group", "order of rules `many`, `one` → `one`, `many`")]
    assert canonical("a - b") != canonical("b - a")


def test_added_and_removed(tmp_path: Path) -> None:
    whole = BASE[BASE.index("[definition.cost]") : BASE.index("[definition.points]")]
    a, b = packs(tmp_path, (whole, ""))
    assert said(a, b) == [("removed", "cost", "Cost (tree, column `of the same name`)")]
    assert said(b, a) == [("added", "cost", "Cost (tree, column `of the same name`)")]


def test_which_columns_a_change_reaches(tmp_path: Path) -> None:
    found = changes(*packs(tmp_path, ('"ckd", "chd"]', '"chd"]'), ("value = 140", "value = 135")))
    assert {c.name: c.reaches for c in found} == {"some": ("group", "number"), "high": ("raised",)}


def test_many_terms_with_another_source_are_one_line(tmp_path: Path) -> None:
    """As when a whole model was fitted again."""

    def made(weight: float, source: str) -> str:
        terms = "".join(
            f"[[definition.risk.terms]]\nid = '{c}'\nwhen = '{c}'\ncoefficient = {weight}\nevidence = 'derived'\n"
            f"source = '{source}'\n"
            for c in ("copd", "ckd", "chd", "asthma")
        )
        return (
            "[pack]\nid = 'm'\nversion = '1'\n[definition.risk]\nkind = 'model'\ntitle = 'Risk'\nversion = '1'\n"
            "source = 'us'\nlink = 'logistic'\ndraft = true\noutput = true\n"
            f"recalibration = {{ intercept = {weight}, slope = 1.0 }}\n{terms}"
        )

    (tmp_path / "a.toml").write_text(made(0.1, "old"))
    (tmp_path / "b.toml").write_text(made(0.2, "new"))
    told = [c.text for c in changes(load_pack(tmp_path / "a.toml"), load_pack(tmp_path / "b.toml"))]
    assert "source of 4 terms reworded" in told
    assert "term `copd`, coefficient 0.1 → 0.2" in told
    assert "recalibration intercept 0.1, slope 1 → intercept 0.2, slope 1" in told
