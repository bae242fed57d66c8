"""The terms that a fit works with, held against the readable evaluator, row by row."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from popstrat import synthetic
from popstrat.fitting.design import Design, gather
from popstrat.fitting.outcomes import Columns, read_outcomes
from popstrat.fitting.spec import Spec, read_spec
from popstrat.packs.evaluator import Reference

AS_OF = dt.date(2026, 6, 30)
ROWS = 1_500
SPEC = """
[pack]
id = "all-forms"
version = "1"

[definition.risk]
kind = "model"
title = "Risk"
version = "1"
source = "a specification"
intended_use = "A test."
eligible = "age >= 18"
link = "logistic"
strata = { women = 'sex == "female"', men = 'sex == "male"' }

[definition.risk.inputs]
smoking = { default = "never", why = "the reference" }
bmi = { default = '28 if sex == "male" else 27', clip = [20, 40], why = "the mean" }
haemoglobin = { default = 135, why = "normal" }

[definition.risk.derived]
thin = "bmi < 22"

[[definition.risk.terms]]
id = "age"
of = "age"
shift = 1
scale = 10
powers = [-0.5, 2, 2]
center = [0.5, 10, { women = 12, men = 14 }]

[[definition.risk.terms]]
id = "smoking"
of = "smoking"
reference = "never"
levels = [{ labels = ["ex", "current"], id = "ever" }]

[[definition.risk.terms]]
id = "copd"
when = "copd or asthma"
in = ["men"]

[[definition.risk.terms]]
id = "haemoglobin"
value = "haemoglobin / 10"

[[definition.risk.terms]]
id = "thin_with_age"
product = ["thin", "age.1", "haemoglobin"]

[fit]
model = "risk"
column = "y"
"""


@pytest.fixture(scope="module")
def people() -> pa.Table:
    """With the faults of a real extract, so that values are set aside."""
    return synthetic.table(ROWS, seed=8, as_of=AS_OF, dirty=True)


@pytest.fixture
def spec(tmp_path: Path, people: pa.Table, monkeypatch: pytest.MonkeyPatch) -> Spec:
    monkeypatch.chdir(tmp_path)
    Path("spec.toml").write_text(SPEC)
    pq.write_table(people, "list.parquet", row_group_size=400)
    rng = np.random.default_rng(2)
    outcome = pa.table({
        "patient_id": people["patient_id"].take(pa.array(rng.permutation(ROWS))),
        "y": pa.array(rng.random(ROWS) < 0.3, mask=rng.random(ROWS) < 0.1),
    })  # fmt: skip
    pq.write_table(outcome, "outcomes.parquet")
    return read_spec("spec.toml", {})


def gathered(spec: Spec, *inputs: str, threads: int = 2) -> Design:
    outcomes = read_outcomes("outcomes.parquet", Columns("y"))
    return gather(inputs, spec.unit_pack, "risk", outcomes, as_of=AS_OF, allow_missing=True, threads=threads)


def test_term_values_are_the_readable_evaluators(spec: Spec, people: pa.Table) -> None:
    design = gathered(spec, "list.parquet")
    resolved = spec.unit_pack.at(AS_OF)
    model = resolved.models["risk"]
    reference = Reference(resolved, set(people.column_names))
    rows = people.to_pylist()
    outcome = pq.read_table("outcomes.parquet")
    found = dict(zip(outcome["patient_id"].to_pylist(), outcome["y"].to_pylist(), strict=True))
    seen = set()
    for code, part in enumerate(design.parts):
        wanted = [t for t in model.terms if t.parts[code] is not None]
        assert part.terms == tuple(t.id for t in wanted)
        values = part.matrix.toarray()
        for row, got, event in zip(part.rows.tolist(), values, part.events, strict=True):
            person = reference.patient(rows[row])
            expected = [float(reference.value(t.parts[code][0], person) or 0) for t in wanted]  # type: ignore[index,arg-type]
            assert got == pytest.approx(expected, rel=1e-12, abs=1e-12)
            assert event == found[rows[row]["patient_id"]]
            seen.add(row)
    for row, record in enumerate(rows):
        result = reference.output(resolved.definitions["risk.linear_predictor"], reference.patient(record))
        assert (row in seen) == (result is not None and found[record["patient_id"]] is not None)
    assert "copd" not in design.parts[0].terms
    assert {"age.1", "age.2", "age.3", "smoking.ever", "copd", "haemoglobin", "thin_with_age"} == set(
        design.parts[1].terms
    )


@pytest.mark.parametrize("batch_rows", [1, 97, 4096])
def test_batches_threads_files_and_formats_change_nothing(
    spec: Spec, people: pa.Table, batch_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gathered(spec, "list.parquet")
    plain = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in people.columns]
    table = pa.table(plain, names=people.column_names)
    table = table.set_column(0, "patient_id", table["patient_id"].cast(pa.string()))  # as CSV has them
    pq.write_table(table.slice(0, 700), "a.parquet")
    with pa.ipc.new_file("b.arrow", table.schema) as file:
        file.write_table(table.slice(700, 300))
    pa_csv.write_csv(table.slice(1_000), "c.csv")
    monkeypatch.setenv("POPSTRAT_BATCH_ROWS", str(batch_rows))
    again = gathered(spec, "a.parquet", "b.arrow", "c.csv", threads=1)
    for x, y in zip(whole.parts, again.parts, strict=True):
        assert (x.matrix != y.matrix).nnz == 0
        assert np.array_equal(x.rows, y.rows)
        assert np.array_equal(x.events, y.events)
        assert np.array_equal(x.predictor, y.predictor)
    assert whole.typical == again.typical
    assert whole.counts == again.counts
