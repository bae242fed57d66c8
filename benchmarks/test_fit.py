"""Fitting in memory: a Cox regression of the default model's terms, beside statsmodels; and file to pack.

The peer visits each risk set, in time that grows with people × terms², so it gets a part of the list and a few terms.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from measuring import Versus

from popstrat import synthetic
from popstrat.fitting import Columns, fit, recalibrate
from popstrat.fitting import estimate as e
from popstrat.fitting.design import gather
from popstrat.fitting.outcomes import read_outcomes
from popstrat.fitting.spec import Penalty, Spec, read_spec

PEER_PEOPLE, PEER_TERMS = 20_000, 6
SPEC = """
[pack]
id = "bench"
version = "1"
extends = "london-2026"

[definition.admission_risk]
disclaimer = "Synthetic."

[fit]
model = "admission_risk"
refit = true
time_column = "days"
event_column = "event"
too_few = "drop"
min_events_per_term = 1
"""


@pytest.fixture(scope="module")
def folder(table: pa.Table, as_of: dt.date, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("fit")
    pq.write_table(table, made / "list.parquet")
    pq.write_table(synthetic.outcomes(table, seed=1, as_of=as_of), made / "outcomes.parquet")
    (made / "spec.toml").write_text(SPEC)
    return made


@pytest.fixture(scope="module")
def sample(folder: Path, as_of: dt.date) -> e.Sample:
    """The terms that can be fitted, of all adults."""
    spec: Spec = read_spec(folder / "spec.toml", {})
    outcomes = read_outcomes(folder / "outcomes.parquet", spec.columns)
    (part,) = gather([folder / "list.parquet"], spec.unit_pack, spec.model, outcomes, as_of=as_of).parts
    whole = e.Sample(part.terms, part.matrix, part.events, part.followed.days)
    left_out = e.unusable(whole, 10)
    kept = [j for j, term in enumerate(part.terms) if term not in left_out]
    terms = tuple(part.terms[j] for j in kept)
    return e.Sample(terms, part.matrix[:, kept].tocsc(), part.events, part.followed.days)


@e.one_thread
def ours(sample: e.Sample) -> e.Estimates:
    return e.estimate(sample, "cox", Penalty(), 0)


def test_cox_in_memory(sample: e.Sample, versus: Versus) -> None:
    found = ours(sample)
    assert found.errors is not None
    versus("Cox regression, all terms", lambda: ours(sample), patients=len(sample.event), threads=1)


def test_cox_beside_statsmodels(sample: e.Sample, versus: Versus) -> None:
    from statsmodels.duration.hazard_regression import PHReg

    most = np.argsort(-e.support(sample).events)[:PEER_TERMS]
    rows = np.arange(min(PEER_PEOPLE, len(sample.event)))
    part = e.Sample(tuple(sample.terms[j] for j in most), sample.matrix[:, most].tocsc(), sample.event, sample.days)
    part = part.only(rows)
    assert part.days is not None
    dense, days = part.matrix.toarray(), part.days.astype(float)

    def theirs() -> Any:
        return PHReg(days, dense, status=part.event, ties="breslow").fit()

    assert ours(part).coefficients == pytest.approx(theirs().params, abs=1e-5)
    versus(
        f"Cox regression, {PEER_TERMS} terms", lambda: ours(part), peer=("statsmodels", theirs), peer_threads=1,
        patients=len(rows), threads=1,
    )  # fmt: skip


def test_fit_file_to_pack(folder: Path, as_of: dt.date, patients: int, versus: Versus) -> None:
    given = ([folder / "list.parquet"], folder / "outcomes.parquet", folder / "fitted.toml")

    def once() -> None:
        given[2].unlink(missing_ok=True)
        fit(folder / "spec.toml", *given, as_of=as_of)

    versus("fit, file to pack", once, patients=patients, threads=1)


def test_recalibrate_file_to_pack(folder: Path, as_of: dt.date, patients: int, smoke: bool, versus: Versus) -> None:
    given = ([folder / "list.parquet"], folder / "outcomes.parquet", folder / "again.toml")

    def once() -> None:
        given[2].unlink(missing_ok=True)
        recalibrate(
            "london-2026", "admission_risk", *given, method="intercept" if smoke else "intercept-slope", as_of=as_of,
            columns=Columns(None, "days", "event"),
        )  # fmt: skip

    versus("recalibrate, file to pack", once, patients=patients, threads=1)
