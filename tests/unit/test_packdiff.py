"""What changed between two packs is said in words; who moves is counted."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console

from popstrat import synthetic
from popstrat.pack import Pack, load_pack
from popstrat.packdiff import Move, PackDiff, canonical, diff

AS_OF = dt.date(2026, 6, 30)
BASE = """
[pack]
id = "base"
version = "1"

[windows.lately]
months = 12

[parameters.high]
value = 140
unit = "mmHg"
source = "a guideline"

[sets.some]
source = "a list"
members = ["diabetes", "ckd", "chd"]

[definition.raised]
kind = "expression"
title = "Raised"
source = "a guideline"
version = "1"
value = "lately(bp_date) and systolic_bp >= high and not pregnant"
output = true

[definition.number]
kind = "count"
title = "Number"
source = "a list"
version = "1"
of = "some"
output = true

[definition.group]
kind = "first_match"
title = "Group"
source = "us"
version = "1"
output = true
rules = [
    { label = "many", when = "number >= 2" },
    { label = "one", when = "number >= 1" },
]
otherwise = "neither"

[definition.dated]
kind = "expression"
title = "Dated"
source = "us"
output = true
versions = [
    { version = "1", effective_to = 2026-06-30, value = "smi" },
    { version = "2", effective_from = 2026-07-01, value = "smi or cancer" },
]

[definition.cost]
kind = "tree"
title = "Cost"
source = "us"
version = "1"
output = true
nodes = [
    { id = 1, split = "age < 65", yes = 2, no = 3 },
    { id = 2, value = 100.0 },
    { id = 3, value = 200.0 },
]

[definition.points]
kind = "model"
draft = true
title = "Points"
source = "us"
version = "1"
link = "identity"
output = true
inputs = { bmi = { default = 27, why = "usual" } }
terms = [
    { id = "bmi", value = "bmi", coefficient = 0.5, evidence = "assumption", why = "a guess" },
    { id = "copd", when = "copd or asthma", coefficient = 2, evidence = "assumption", why = "a guess" },
]
"""


def packs(tmp_path: Path, *changes: tuple[str, str]) -> tuple[Pack, Pack]:
    """The base pack, and the same with pieces of its text replaced."""
    text = BASE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    found = []
    for name, content in (("before", BASE), ("after", text)):
        file = tmp_path / f"{name}.toml"
        file.write_text(content)
        found.append(load_pack(file))
    return found[0], found[1]


def said(found: PackDiff) -> list[tuple[str, str, str]]:
    return [(c.kind, c.name, c.text) for c in found.changes]


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
    found = diff(*packs(tmp_path, (old, new)), as_of=AS_OF)
    assert said(found) == [(kind, name, text)]


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
    assert said(diff(*packs(tmp_path, (old, new)), as_of=AS_OF)) == []


def test_order_that_means_something(tmp_path: Path) -> None:
    rules = '    { label = "many", when = "number >= 2" },\n', '    { label = "one", when = "number >= 1" },\n'
    found = diff(*packs(tmp_path, (rules[0] + rules[1], rules[1] + rules[0])), as_of=AS_OF)
    assert said(found) == [("changed", "group", "order of rules `many`, `one` → `one`, `many`")]
    assert canonical("a - b") != canonical("b - a")


def test_added_and_removed(tmp_path: Path) -> None:
    whole = BASE[BASE.index("[definition.cost]") : BASE.index("[definition.points]")]
    a, b = packs(tmp_path, (whole, ""))
    removed, added = diff(a, b, as_of=AS_OF), diff(b, a, as_of=AS_OF)
    assert said(removed) == [("removed", "cost", "Cost (tree, column `of the same name`)")]
    assert said(added) == [("added", "cost", "Cost (tree, column `of the same name`)")]
    assert (removed.only_a, removed.only_b) == (["cost"], [])
    assert (added.only_a, added.only_b) == ([], ["cost"])


def test_which_columns_a_change_reaches(tmp_path: Path) -> None:
    found = diff(*packs(tmp_path, ('"ckd", "chd"]', '"chd"]'), ("value = 140", "value = 135")), as_of=AS_OF)
    assert {c.name: c.reaches for c in found.changes} == {"some": ("group", "number"), "high": ("raised",)}


def test_who_moves(tmp_path: Path) -> None:
    a, b = packs(
        tmp_path, ("number >= 2", "number >= 3"), ("value = 200.0", "value = 250.0"), ('"ckd", "chd"]', '"ckd"]')
    )
    people = pa.table(
        {
            "patient_id": [1, 2, 3, 4], "practice_code": ["P"] * 4, "sex": ["female"] * 4, "age": [40, 70, 80, None],
            "diabetes": [True, True, False, False], "ckd": [True, False, False, False],
            "chd": [False, True, True, False],
        }
    )  # fmt: skip
    found = diff(a, b, people, AS_OF)
    columns = {c.column: c for c in found.columns}
    assert found.patients == 4
    assert found.moved == 3
    assert columns["group"].moves == (
        Move("many", "one", 2),
        Move("one", "neither", 1),
    )
    assert columns["raised"].changed == 0
    assert (columns["number"].changed, columns["number"].mean_difference) == (2, -0.5)
    cost = columns["cost"]
    assert (cost.changed, cost.mean_before, cost.mean_after) == (2, 500 / 3, 200.0)
    in_parts = diff(a, b, [people.slice(0, 1), people.slice(1, 2), people.slice(3)], AS_OF)
    assert in_parts.columns == found.columns


def test_nulls_are_counted(tmp_path: Path) -> None:
    a, b = packs(tmp_path, ('otherwise = "neither"', ""), ('id = 1, split = "age < 65"', 'id = 1, split = "bmi < 65"'))
    people = pa.table(
        {"patient_id": [1, 2], "practice_code": ["P"] * 2, "sex": ["male"] * 2, "age": [40, None], "bmi": [None, 30.0]}
    )
    columns = {c.column: c for c in diff(a, b, people, AS_OF).columns}
    assert columns["group"].moves == (Move("neither", "no value", 2),)
    assert (columns["cost"].became_null, columns["cost"].no_longer_null, columns["cost"].mean_difference) == (
        1,
        1,
        None,
    )


def test_inherited_parts_and_the_whole_pack(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(
        '[pack]\nid = "ours"\nversion = "1"\nextends = "london-2026"\n[parameters.systolic_target]\nvalue = 130\n'
    )
    people = synthetic.table(400, seed=2, as_of=AS_OF)
    found = diff(load_pack("london-2026"), load_pack(file), people, AS_OF)
    assert ("changed", "systolic_target", "140 → 130 mmHg") in said(found)
    columns: dict[str, Any] = {c.column: c for c in found.columns}
    assert {(m.before, m.after) for m in columns["hypertension_status"].moves} == {("optimised", "unoptimised")}
    assert columns["diabetes_status"].changed == 0
    json.dumps(found.as_dict())
    console = Console(width=100, file=io.StringIO())
    found.render(console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "140 → 130 mmHg" in shown
    assert "reaches" in shown
    assert max(map(len, shown.splitlines())) <= 100
    same = diff(load_pack("london-2026"), load_pack("london-2026"), people, AS_OF)
    assert (same.changes, same.moved) == ([], 0)


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
    found = diff(load_pack(tmp_path / "a.toml"), load_pack(tmp_path / "b.toml"), None, AS_OF)
    told = [c.text for c in found.changes]
    assert "source of 4 terms reworded" in told
    assert "term `copd`, coefficient 0.1 → 0.2" in told
    assert "recalibration intercept 0.1, slope 1 → intercept 0.2, slope 1" in told
