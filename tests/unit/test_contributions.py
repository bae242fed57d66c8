"""Contributions: they add up to the linear predictor exactly, and the largest are listed in order."""

from __future__ import annotations

import datetime as dt
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import popstrat
from popstrat import synthetic
from popstrat.cli import app
from popstrat.packs.evaluator import Reference
from popstrat.packs.load import load_pack
from popstrat.reasons.trace import trace
from popstrat.scoring.attribution import as_text
from popstrat.scoring.scorer import Scorer

AS_OF = "2026-06-30"
DATE = dt.date(2026, 6, 30)
STRATA = """
[pack]
id = "strata"
version = "1"

[definition.score]
kind = "model"
draft = true
title = "Score"
version = "1"
source = "invented"
evidence = "assumption"
eligible = "age >= 30"
link = "logistic"
intercept = { women = -2.0, old = -1.5 }
recalibration = { intercept = 0.1, slope = 0.9 }
output = true
strata = { old = "age >= 70", women = 'sex == "female"' }
inputs = { bmi = { default = 27, clip = [20, 40] } }
terms = [
  { id = "bmi", of = "bmi", powers = [0, 1], scale = 10, coefficients = [{ women = 0.7, old = -0.3 }, 0.11] },
  { id = "ckd", when = "ckd", coefficient = { old = 0.4 } },
  { id = "copd", when = "copd", coefficient = -0.4 },
  { id = "both", product = ["bmi.1", "copd"], coefficient = { women = 0.25 } },
]
"""


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return synthetic.table(6_000, seed=3, as_of=DATE, dirty=True)


@pytest.fixture
def strata(tmp_path: Path) -> str:
    file = tmp_path / "strata.toml"
    file.write_text(STRATA)
    return str(file)


def check_sums(found: pa.Table, resolved: Any, model: str) -> None:
    """The start and the terms of each patient add up to the linear predictor, in any order, to the last bit."""
    names = found.column_names[found.column_names.index("start") : -1]
    assert names == ["start", *(t.id for t in resolved.models[model].terms), "defaults"]
    amounts = np.column_stack([found[name].to_numpy() for name in names])
    predictor = found["linear_predictor"].to_numpy()
    scored = ~np.isnan(predictor)
    assert 0 < scored.sum() < len(predictor)
    assert (amounts[scored].sum(axis=1) == predictor[scored]).all()
    assert (amounts[scored][:, ::-1].sum(axis=1) == predictor[scored]).all()
    assert np.isnan(amounts[~scored]).all()


def test_they_add_up_to_the_linear_predictor(table: pa.Table, strata: str) -> None:
    check_sums(popstrat.contributions(table, AS_OF), load_pack("london-2026").at(DATE), "admission_risk")
    check_sums(popstrat.contributions(table, AS_OF, pack=strata), load_pack(strata).at(DATE), "score")


def test_they_are_those_of_the_reference(table: pa.Table, strata: str) -> None:
    """Term by term, as the readable evaluator weighs them."""
    part = table.slice(0, 300)
    halved = [bmi if i % 2 else None for i, bmi in enumerate(part["bmi"].to_pylist())]
    part = part.set_column(part.column_names.index("bmi"), "bmi", pa.array(halved, part["bmi"].type))
    found = popstrat.contributions(part, AS_OF, pack=strata).to_pylist()
    resolved = load_pack(strata).at(DATE)
    model = resolved.models["score"]
    reference = Reference(resolved, set(table.column_names))
    checked = defaults = 0
    for row, got in zip(part.to_pylist(), found, strict=True):
        patient = reference.patient(row)
        predictor = reference.named("score.linear_predictor", patient)
        assert got["linear_predictor"] == predictor
        if predictor is None:
            continue
        place = next(i for i, s in enumerate(model.strata) if s.when is not None and reference.value(s.when, patient))
        stood_in = 0.0
        for term in model.terms:
            part_of = term.parts[place]
            value = 0.0 if part_of is None else float(reference.value(part_of[0], patient)) * part_of[1]  # type: ignore[arg-type]
            if "bmi" in term.id or term.id == "both":  # what the pack's only input with a default is in
                bmi = patient.values.get("bmi")
                stood_in, value = (stood_in + value, 0.0) if bmi is None else (stood_in, value)
            assert got[term.id] == pytest.approx(value, abs=1e-13)
            checked += value != 0
        assert got["defaults"] == pytest.approx(stood_in, abs=1e-13)
        defaults += stood_in != 0
    assert checked > 100
    assert defaults > 20


@pytest.mark.parametrize("k", [1, 4, 64])
def test_the_largest_are_listed(table: pa.Table, strata: str, k: int) -> None:
    for pack, model in (("london-2026", "admission_risk"), (strata, "score")):
        every = popstrat.contributions(table, AS_OF, pack=pack)
        terms = every.column_names[every.column_names.index("start") + 1 : every.column_names.index("defaults")]
        listed = popstrat.score(table, AS_OF, pack=pack, contributions=k)
        listed.validate(full=True)
        assert listed.drop_columns([f"{model}_contributions"]).equals(popstrat.score(table, AS_OF, pack=pack))
        rows = every.select(terms).to_pylist()
        for row, found in zip(rows, listed[f"{model}_contributions"].to_pylist(), strict=True):
            if row[terms[0]] is None:
                assert found is None
                continue
            wanted = sorted(((-abs(v), i, t, v) for i, (t, v) in enumerate(row.items()) if v))[:k]
            assert [(f["term"], f["amount"]) for f in found] == [(t, v) for _, _, t, v in wanted]


def test_threads_and_batches_do_not_matter(table: pa.Table, strata: str) -> None:
    whole = popstrat.score(table, AS_OF, pack=strata, contributions=3, threads=2).combine_chunks()
    pieces = pa.Table.from_batches([b for at in range(0, 6_000, 777) for b in table.slice(at, 777).to_batches()])
    assert popstrat.score(pieces, AS_OF, pack=strata, contributions=3, threads=1).combine_chunks().equals(whole)
    scorer = pickle.loads(pickle.dumps(Scorer(strata, AS_OF, contributions=3)))
    batches = list(scorer.score_batches(pieces.to_batches()))
    assert pa.Table.from_batches(batches).combine_chunks().equals(whole)
    assert scorer.output_schema.field("score_contributions").type == whole.schema.field("score_contributions").type
    empty = popstrat.score(table.slice(0, 0), AS_OF, pack=strata, contributions=3)
    assert empty.schema == whole.schema
    assert popstrat.contributions(table.slice(0, 0), AS_OF).num_rows == 0


def test_explain_tells_the_same(table: pa.Table) -> None:
    every = popstrat.contributions(table, AS_OF).to_pylist()
    for at in (7, 11, 400):
        model = next(f.model for f in trace(Scorer("london-2026", AS_OF), table.slice(at, 1)).findings if f.model)
        found = {
            k: v for k, v in every[at].items() if isinstance(v, float) and v and k not in ("start", "linear_predictor")
        }
        assert {c.id: c.adds for c in model.contributions if c.recorded} == {
            k: v for k, v in found.items() if k != "defaults"
        }
        assert sum(c.adds for c in model.contributions if not c.recorded) == found.get("defaults", 0)


def test_files(table: pa.Table, tmp_path: Path) -> None:
    """Parquet and Arrow hold lists, CSV text."""
    pq.write_table(table, tmp_path / "list.parquet")
    wanted = popstrat.score(table, AS_OF, contributions=2)["admission_risk_contributions"].combine_chunks()
    for name in ("out.parquet", "out.arrow", "out.csv"):
        arguments = ["score", str(tmp_path / "list.parquet"), "-o", str(tmp_path / name), "--as-of", AS_OF, "-q"]
        result = CliRunner().invoke(app, [*arguments, "--contributions", "2"])
        assert result.exit_code == 0, result.output
    assert pq.read_table(tmp_path / "out.parquet")["admission_risk_contributions"].to_pylist() == wanted.to_pylist()
    with pa.ipc.open_file(tmp_path / "out.arrow") as file:
        assert file.read_all()["admission_risk_contributions"].to_pylist() == wanted.to_pylist()
    from pyarrow import csv

    text = csv.read_csv(
        tmp_path / "out.csv",
        convert_options=csv.ConvertOptions(
            include_columns=["admission_risk_contributions"], strings_can_be_null=True,
            column_types={"admission_risk_contributions": pa.string()}, quoted_strings_can_be_null=False,
        ),
    )["admission_risk_contributions"]  # fmt: skip
    for found, items in zip(text.to_pylist(), wanted.to_pylist(), strict=True):
        if items is None:
            assert found is None
        else:
            assert found == "; ".join(
                f"{i['term']} {'+' if i['amount'] > 0 else ''}{round(i['amount'], 6):g}" for i in items
            )


def test_as_text_of_a_slice() -> None:
    """Nothing of the rows before it, nor of what lies under a null."""
    items = [{"term": "a", "amount": 0.5}, {"term": "b", "amount": -0.25}]
    column = pa.array([items, None, [], items[1:]], popstrat.scoring.attribution.LISTED)
    assert as_text(column).to_pylist() == ["a +0.5; b -0.25", None, "", "b -0.25"]
    assert as_text(column.slice(1)).to_pylist() == [None, "", "b -0.25"]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda t: popstrat.contributions(t, AS_OF, model="admission_rsk"), "did you mean 'admission_risk'"),
        (lambda t: popstrat.contributions(t, AS_OF, pack="ncl-segments"), "the pack has none"),
        (lambda t: popstrat.score(t, AS_OF, pack="ncl-segments", contributions=1), "has no model"),
        (lambda t: popstrat.score(t, AS_OF, contributions=0), "between 1 and 64"),
        (lambda t: popstrat.score(t, AS_OF, contributions=65), "between 1 and 64"),
    ],
)
def test_errors(table: pa.Table, call: Any, told: str) -> None:
    with pytest.raises(popstrat.InputError, match=told):
        call(table)
