"""No result of a model is null without a reason that is counted; what is told of defaults is so; no term is idle."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from generated import AS_OF as ANY_DAY
from generated import COLUMNS, packs, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from spec_tables import local_pack

import popstrat
from popstrat.cli.main import run
from popstrat.compiler import PLAIN
from popstrat.errors import PackError
from popstrat.lang import nodes as n
from popstrat.packs.evaluator import Reference
from popstrat.packs.pack import Pack
from popstrat.packs.reach import About, Reach, reach
from popstrat.scoring.bound import BoundScorer
from popstrat.scoring.scorer import Scorer

AS_OF = dt.date(2026, 6, 30)
PREDICTORS = [0.0, 1.0, -1.0, 36.0, -36.0, 599.0, 601.0, -601.0, 709.0, 709.8, -709.8, 710.0, -710.0, 745.0, -746.0,
              1e4, -1e4, 1e15, -1e15, 1e200, -1e200, 1e302, -1e307, 1.7e308, None]  # fmt: skip
HEAD = """
[definition.risk]
kind = "model"
title = "t"
version = "1"
source = "t"
intended_use = "t"
disclaimer = "t"
evidence = "assumption"
draft = true
output = true
"""
LOGS = '{ id = "x", value = "ln(x)", coefficient = 1 }, { id = "m", value = "m", coefficient = 1 }'


def model(link: str, more: str = "", terms: str = "") -> Pack:
    inputs = "".join(f'[[input]]\nname = "{name}"\ntype = "float"\n' for name in "xmy")
    baseline = "baseline_survival = 0.9\n" if link == "survival" and "horizons" not in more else ""
    return local_pack(
        f"{inputs}{HEAD}{baseline}{more}\n"
        f'link = "{link}"\nreason_output = "reason"\nmissing_output = "gone"\nterms = [{terms}]\n'
        "[definition.risk.inputs]\nx = { from = 'x if y is null else ln(y)', default = 0 }\n"
        "m = { default = 1, clip = [0, 1] }\n",
        extends="",
    )


def expected(link: str, x: float, survival: float) -> float:
    """The result to six places, worked out with the limits of what a double holds in mind."""
    if link == "identity":
        return x if abs(x) > 1e9 else round(x, 6)
    if link == "logistic":
        return 0.0 if x < -40 else 1.0 if x > 40 else round(1 / (1 + math.exp(-x)), 6)
    return 1.0 if x > 40 else round(1 - survival ** math.exp(max(x, -740.0)), 6)


@pytest.mark.parametrize("link", ["survival", "logistic", "identity"])
@pytest.mark.parametrize("survival", [0.9, 0.5, 5e-324, 1 - 2**-53])
def test_saturated_results_are_their_limits(link: str, survival: float) -> None:
    """However large the linear predictor, with every pass of the compiler and without; evaluator and engine."""
    horizons = (
        f'horizons = [{{ id = "near", baseline_survival = {survival!r} }}, '
        f'{{ id = "far", baseline_survival = 5e-324, output = true }}]'
        if link == "survival"
        else ""
    )
    terms = '{ id = "x", value = "x", coefficient = 1 }, { id = "m", value = "m", coefficient = 1e-6 }'
    scorer = Scorer(model(link, horizons, terms), AS_OF)
    rows = len(PREDICTORS)
    batch = pa.record_batch({
        "patient_id": range(rows), "practice_code": ["Y00001"] * rows, "age": [50] * rows, "sex": ["male"] * rows,
        "x": pa.array(PREDICTORS, pa.float64()), "m": [0.0] * rows,
    })  # fmt: skip
    scored = scorer.score_batch(batch)
    assert BoundScorer(scorer, batch.schema, options=PLAIN).score(batch)[0].equals(scored)
    reference = Reference(scorer.resolved, set(batch.schema.names))
    for row, have, x in zip(batch.to_pylist(), scored.to_pylist(), PREDICTORS, strict=True):
        want = reference.score(row)
        assert have["reason"] is want["reason"] is None
        for name, base in (("risk", survival), ("risk_far", 5e-324)):
            if name in have:
                assert have[name] == pytest.approx(want[name], abs=1.01e-6, rel=1e-12)
                assert have[name] == pytest.approx(expected(link, x or 0.0, base), abs=1.01e-6, rel=1e-12), (name, x)


@pytest.mark.parametrize("strata", ["", "strata = { women = 'sex == \"female\"', men = 'sex == \"male\"' }"])
@pytest.mark.parametrize("eligible", ["", 'eligible = "age >= 18"'])
@pytest.mark.parametrize("link", ["survival", "logistic", "identity"])
def test_null_has_a_reason_and_no_share_is_over_the_scored(link: str, eligible: str, strata: str) -> None:
    """People in or out of the model and its strata, with values, without, with some that have no logarithm."""
    scorer = Scorer(model(link, f"{eligible}\n{strata}", LOGS), AS_OF)
    rng = np.random.default_rng(5)
    rows = list(
        itertools.product(
            (10, 50, None), ("female", "male", "intersex", None), (0.0, -1.0, 2.0, None), (-3.0, 0.5, 9.0, None)
        )
    )
    rng.shuffle(rows)
    batch = pa.record_batch({
        "patient_id": range(len(rows)), "practice_code": ["Y00001"] * len(rows),
        "age": pa.array([r[0] for r in rows], pa.int16()), "sex": [r[1] for r in rows],
        "x": pa.array([r[2] for r in rows], pa.float64()), "m": pa.array([r[3] for r in rows], pa.float64()),
    })  # fmt: skip
    scored, record = popstrat.score(batch, AS_OF, pack=scorer.pack, record=True)
    found = scored.to_pylist()
    for row in found:
        assert (row["risk"] is None) == (row["reason"] is not None)
        assert (row["risk"] is None) == (row["gone"] is None)
    told = record["models"]["risk"]
    people = sum(row["risk"] is not None for row in found)
    assert people == len(rows) - sum(told["not_scored"].values())
    for reason, count in told["not_scored"].items():
        assert count == sum(row["reason"] == reason for row in found)
    assert sum(told["missing"].values()) == sum(row["gone"] or 0 for row in found)
    assert all(0 <= count <= people for kind in ("missing", "clipped") for count in told[kind].values())
    assert told["clipped"]["m"]


def test_no_share_over_100_per_cent_in_the_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pack = model("logistic", terms=LOGS)
    Path("p.toml").write_text(pack.sources[0].text)
    table = pa.table({"patient_id": [1, 2, 3], "practice_code": ["Y00001"] * 3, "age": [50] * 3, "sex": ["male"] * 3,
                      "x": pa.array([None, None, 2.0]), "m": [0.5] * 3})  # fmt: skip
    pq.write_table(table, "list.parquet")
    assert run(["score", "list.parquet", "-o", "out.parquet", "--pack", "p.toml", "--as-of", "2026-06-30"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "1 scored; not scored: a term has no value: 2" in printed
    assert "so a default was used" not in printed


# -- what is told of defaults ------------------------------------------------------------------------------------------

ALTERNATIVES = (
    """
[[input]]
name = "r"
type = "float"
[[input]]
name = "tc"
type = "float"
[[input]]
name = "hdl"
type = "float"
[[input]]
name = "grade"
type = "category"
labels = ["a", "b"]
[definition.high]
kind = "expression"
title = "t"
version = "1"
source = "t"
value = "tc > 5"
[definition.graded]
kind = "expression"
title = "t"
version = "1"
source = "t"
value = 'coalesce(r, tc) if ckd else hdl'
"""
    + HEAD
    + """link = "logistic"
terms = [
    { id = "ratio", value = "ratio", coefficient = 1 },
    { id = "either", value = "either", coefficient = 1 },
    { id = "named", value = "named", coefficient = 1 },
    { id = "grade", of = "grade", reference = "a", levels = { b = 1 } },
    { id = "ckd", when = "ckd", coefficient = 1 },
    { id = "high", when = "high", coefficient = 1 },
]
[definition.risk.inputs]
ratio = { from = "coalesce(r, tc / hdl)", default = 4 }
either = { from = "coalesce(r, tc, hdl)", default = 4 }
named = { from = "graded", default = 4 }
grade = { default = "a" }
"""
)


def test_only_defaults_that_stand_in_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every subset of the columns: a default is told of exactly where everybody takes it."""
    monkeypatch.chdir(tmp_path)
    pack = local_pack(ALTERNATIVES, extends="")
    Path("p.toml").write_text(pack.sources[0].text)
    scorer = Scorer(pack, AS_OF)
    rows = 120
    people = {"patient_id": range(rows), "practice_code": ["Y1"] * rows, "age": [50] * rows, "sex": ["male"] * rows}
    values = {"r": pa.array([4.5] * rows), "tc": pa.array([6.0] * rows), "hdl": pa.array([1.2] * rows),
              "grade": pa.array(["b"] * rows), "ckd": pa.array([True, False] * (rows // 2))}  # fmt: skip
    for number, there in enumerate(itertools.product((True, False), repeat=len(values))):
        columns = {name: column for (name, column), has in zip(values.items(), there, strict=True) if has}
        if number % 2:  # as good as absent
            columns |= {name: pa.nulls(rows, column.type) for name, column in values.items() if name not in columns}
        pq.write_table(pa.table({**people, **columns}), "list.parquet")
        out = ["-o", "out.parquet", "--pack", "p.toml", "--as-of", "2026-06-30", "-q", "--force"]
        assert run(["score", "list.parquet", *out]) == 0
        record = json.loads(Path("out.parquet.run.json").read_text())
        everybody = [name for name, count in record["models"]["risk"]["missing"].items() if count == rows]
        marks = [w.split(" default for ") for w in record["warnings"] if " default for " in w]
        told = [name for _, rest in marks for name in rest.split(";")[0].split(", ")]
        assert set(told) <= set(everybody)
        if there[-1]:  # or else who has which of the values that a flag chooses from is not known beforehand
            assert told == everybody
    assert scorer.resolved.models


# -- terms that make no difference -------------------------------------------------------------------------------------

IDLE = [
    ("a1c is null", "a1c = { default = 5.3 }", "can be true for no patient"),
    ("not (a1c is not null)", "a1c = { default = 5.3 }", "can be true for no patient"),
    ("a1c is not null", "a1c = { default = 5.3 }", "the same for every patient"),
    ("a1c > 9", "a1c = { default = 5.3, clip = [4, 9] }", "can be true for no patient"),
    ("a1c <= 9", "a1c = { default = 5.3, clip = [4, 9] }", "the same for every patient"),
    ("a1c >= 7 and a1c < 5", "a1c = { default = 5.3 }", "can be true for no patient"),
    ("ckd and not ckd", "a1c = { default = 5.3 }", "can be true for no patient"),
    ('smoking == "ex" and smoking == "never"', 'smoking = { default = "never" }', "can be true for no patient"),
    ('smoking not in {"never", "ex", "current"}', 'smoking = { default = "never" }', "can be true for no patient"),
    ("bmi > 100.5", "bmi = { default = 27 }", "can be true for no patient"),
    ("bmi == 5", "bmi = { default = 27 }", "can be true for no patient"),
    ("count(ckd, chd) > 2", "", "can be true for no patient"),
    ("age > 120", "", "can be true for no patient"),
    ("(1 if a1c > 20 else 0) > 0", "a1c = { default = 5.3, clip = [4, 9] }", "can be true for no patient"),
    ("abs(a1c) < 0", "a1c = { default = 5.3 }", "can be true for no patient"),
    ("a1c - 10 > 0", "a1c = { default = 5.3, clip = [4, 9] }", "can be true for no patient"),
]
IDLE_VALUES = [
    ("max(a1c - 9, 0)", "a1c = { default = 5.3, clip = [4, 9] }", "the same for every patient"),
    ("1 if a1c is null else 0", "a1c = { default = 5.3 }", "the same for every patient"),
    ("clip(a1c, 5, 5)", "a1c = { default = 5.3 }", "the same for every patient"),
]
BUSY = [
    ("a1c > 8.9", "a1c = { default = 5.3, clip = [4, 9] }"),
    ("a1c >= 9", "a1c = { default = 5.3, clip = [4, 9] }"),
    ("a1c is null", "a1c = { default = '6 if age > 50 else null' }"),
    ('smoking == "ex" or smoking == "never"', 'smoking = { default = "never" }'),
    ("bmi >= 100", "bmi = { default = 27 }"),
    ("a1c > 5 and a1c <= 5.0001", "a1c = { default = 5.3 }"),
    ("ckd and (chd or not chd)", "a1c = { default = 5.3 }"),
    ("a1c >= 0", "a1c = { default = '6 if age > 50 else null', clip = [0, 9] }"),
]


OTHER_TERMS = {
    "a1c": 'value = "a1c", coefficient = 1',
    "bmi": 'value = "bmi", coefficient = 1',
    "smoking": 'of = "smoking", reference = ["never", "current"], levels = { ex = 1 }',
}


def _pack_with(form: str, text: str, inputs: str) -> Pack:
    others = "".join(f'{{ id = "{name}", {term} }}, ' for name, term in OTHER_TERMS.items() if name in inputs)
    return local_pack(
        f'[[input]]\nname = "a1c"\ntype = "float"\n{HEAD}link = "logistic"\ninputs = {{ {inputs} }}\n'
        f"terms = [{{ id = \"idle\", {form} = '{text}', coefficient = 1 }}, {others}"
        '{ id = "ckd", when = "ckd", coefficient = 1 }]\n',
        extends="",
    )


@pytest.mark.parametrize(
    ("form", "text", "inputs", "told"), [("when", *i) for i in IDLE] + [("value", *i) for i in IDLE_VALUES]
)
def test_a_term_that_makes_no_difference_is_refused(form: str, text: str, inputs: str, told: str) -> None:
    with pytest.raises(PackError, match=f"term 'idle' .*{told}"):
        Scorer(_pack_with(form, text, inputs), AS_OF)


@pytest.mark.parametrize(("text", "inputs"), BUSY)
def test_a_term_that_makes_one_is_not(text: str, inputs: str) -> None:
    Scorer(_pack_with("when", text, inputs), AS_OF)


READ = [c for group in COLUMNS.values() for c in group]


@settings(max_examples=settings.default.max_examples)
@given(st.data())
def test_nothing_is_out_of_reach_that_somebody_has(data: Any) -> None:
    """Of generated rules on generated tables: whatever a part of a rule is for anybody, it was said that it can be."""
    try:
        scorer = Scorer(packs(data.draw), data.draw(ANY_DAY))
    except PackError:
        return
    table = tables(data.draw, scorer.resolved, READ, most=20)
    reference = Reference(scorer.resolved, set(table.batch.schema.names), table.singles)
    schema = scorer.pack.schema
    parts = list({id(p): p for d in scorer.resolved.definitions.values() for p in d.node.walk()}.values())
    reaches = [(part, reach(part, About(schema))) for part in parts]
    for row in table.rows:
        patient = reference.patient(row)
        for part, can in reaches:
            assert _within(reference.value(part, patient), can), (part, can, row)


def _within(value: n.Value, can: Reach) -> bool:
    if value is None:
        return can.null
    if isinstance(value, bool):
        return value in can.truths
    if isinstance(value, str):
        return value in can.labels
    if can.interval is None:
        return False
    number = value if isinstance(value, int | float) else (value - dt.date(1970, 1, 1)).days
    return can.interval.low <= number <= can.interval.high
