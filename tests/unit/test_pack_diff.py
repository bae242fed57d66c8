"""Who moves between two packs is counted, and shown."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console
from two_packs import BASE, packs

from popstrat import synthetic
from popstrat.packs.load import load_pack
from popstrat.pages import pack_diff
from popstrat.scoring.pack_diff import Move, diff

AS_OF = dt.date(2026, 6, 30)


def test_columns_of_one_pack_only(tmp_path: Path) -> None:
    whole = BASE[BASE.index("[definition.cost]") : BASE.index("[definition.points]")]
    a, b = packs(tmp_path, (whole, ""))
    removed, added = diff(a, b, as_of=AS_OF), diff(b, a, as_of=AS_OF)
    assert (removed.only_a, removed.only_b) == (["cost"], [])
    assert (added.only_a, added.only_b) == ([], ["cost"])


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
    assert ("changed", "systolic_target", "140 → 130 mmHg") in [(c.kind, c.name, c.text) for c in found.changes]
    columns: dict[str, Any] = {c.column: c for c in found.columns}
    assert {(m.before, m.after) for m in columns["hypertension_status"].moves} == {("optimised", "unoptimised")}
    assert columns["diabetes_status"].changed == 0
    json.dumps(found.as_dict())
    console = Console(width=100, file=io.StringIO())
    pack_diff.show(found, console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "140 → 130 mmHg" in shown
    assert "reaches" in shown
    assert max(map(len, shown.splitlines())) <= 100
    same = diff(load_pack("london-2026"), load_pack("london-2026"), people, AS_OF)
    assert (same.changes, same.moved) == ([], 0)
