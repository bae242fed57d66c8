"""Forty metrics are, cell by cell, what a Polars program counts that shares no code with the package."""

from __future__ import annotations

import datetime as dt
import sys
import warnings
from pathlib import Path

import pyarrow as pa
import pytest

from popstrat import synthetic
from popstrat.metrics import table as figures_of

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import peer_metrics


@pytest.mark.parametrize(("as_of", "seed"), [(dt.date(2026, 6, 30), 3), (dt.date(2026, 7, 1), 4)])
def test_every_cell_of_forty_metrics(as_of: dt.date, seed: int) -> None:
    people = synthetic.table(30_000, seed=seed, as_of=as_of, practices=12)
    names = list(peer_metrics.metrics(as_of))
    assert len(names) >= 40
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = figures_of(people, as_of, metrics=names, disclosure_control=False)
    assert isinstance(ours, pa.Table)
    found = {}
    for row in ours.to_pylist():
        if row["measure"] in ("proportion", "rate_per_1000"):
            key = row["metric"], row["level"], row["area"], row["group_by"], row["group"]
            found[key] = row["numerator"], row["denominator"]
    compared = 0
    for (level, grouping, area), counted in peer_metrics.figures(
        peer_metrics.cells(peer_metrics.prepare(people), as_of)
    ).items():
        for row in counted.to_dicts():
            for name in names:
                key = name, level, row[area] if area else "all", grouping, row[grouping] if grouping != "none" else None
                of_whom = row.get(f"of {name}", row["registered"])
                if key not in found:  # of ages that the metric by its rules does not count
                    assert (grouping, row[name], of_whom) == ("age_band", 0, 0), key
                    continue
                assert found[key] == (row[name], of_whom), key
                compared += 1
    assert compared > 5_000
    assert sum(n > 0 for n, _ in found.values()) > 2_000
