"""Making a synthetic list in memory; there is no peer, so rows and seconds only."""

from __future__ import annotations

import datetime as dt
import os

import pytest
from measuring import Versus

from popstrat import synthetic


@pytest.mark.parametrize("threads", sorted({1, os.cpu_count() or 1}))
def test_generate(patients: int, as_of: dt.date, threads: int, versus: Versus) -> None:
    assert sum(b.num_rows for b in synthetic.generate(patients, seed=1, as_of=as_of, threads=threads)) == patients
    versus(
        "make a synthetic list",
        lambda: synthetic.table(patients, seed=1, as_of=as_of, threads=threads),
        patients=patients,
        threads=threads,
    )
