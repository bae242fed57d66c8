"""Making a synthetic list in memory; there is no peer, so rows and seconds only."""

from __future__ import annotations

import datetime as dt

import pytest
from measuring import CORES, Versus

from popstrat import synthetic

AT_MOST = 500_000  # blocks of patients are drawn one by one, each as long as the other


@pytest.mark.parametrize("threads", sorted({1, CORES}))
def test_generate(patients: int, as_of: dt.date, threads: int, versus: Versus) -> None:
    patients = min(patients, AT_MOST)
    assert sum(b.num_rows for b in synthetic.generate(patients, seed=1, as_of=as_of, threads=threads)) == patients
    versus(
        "make a synthetic list",
        lambda: synthetic.table(patients, seed=1, as_of=as_of, threads=threads),
        patients=patients,
        threads=threads,
    )
