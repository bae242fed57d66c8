"""The attack on a release of figures by area: what linear programming can work out of withheld counts."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

pytest.importorskip("scipy")

from popstrat import synthetic
from popstrat.metrics import control
from popstrat.metrics.people import PeopleCount
from popstrat.metrics.request import Request
from popstrat.privacy.disclosure import SMALLEST, WIDTH, tables
from popstrat.privacy.disclosure.audit import widths_of_tables
from popstrat.runs.in_memory import score_table

AS_OF = "2026-06-30"
SOME = (
    "hypertension_recorded", "blood_pressure_at_target", "hypertension_optimised", "hypertension_unoptimised",
    "cvrm_rag_red", "in_frailty_int_priority", "smi_check", "ltc_0", "ltc_1", "ltc_2", "ltc_3", "ltc_4_or_more",
)  # fmt: skip


@pytest.mark.parametrize(
    ("limits", "sample", "regions", "least"),
    [((1000, 4000), 60, 1, 1000), ((100, 4000), 20, 5, 1000), ((60, 100), 20, 12, 100)],
    ids=["all at once", "by division", "by division and neighbourhood"],
)
def test_no_withheld_count_of_twenty_practices_can_be_bounded_closely(
    limits: tuple[int, int], sample: int, regions: int, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly, over all metrics together, labels of one column among them, for some of the withheld counts; each must
    have a width of 5. However many cells are worked through at once, as in larger releases."""
    for name, limit in zip(("_ALL_AT_ONCE", "_DIVISION_AT_ONCE"), limits, strict=True):
        monkeypatch.setattr(control, name, limit)
    monkeypatch.setattr(control, "_LARGE_PLACE", 6)
    monkeypatch.setattr(control, "_SOME_PRACTICES", 4)
    request = Request(only=SOME)
    scorer = request.scorer("neighbourhood-2026", AS_OF, "direct-care")
    people = PeopleCount(request, scorer, 1)
    listed = synthetic.table(60_000, seed=8, as_of=dt.date.fromisoformat(AS_OF), practices=20)
    scored = score_table(listed, scorer, threads=1, counted=False, mapping=None)
    for batch in scored.batches:
        people.add(batch)
    figures, _ = people.figures()
    figures = control.merged(figures)
    kept: list[Any] = []

    def withheld(layout: Any, counts: Any, parts: Any, **given: Any) -> Any:
        found = tables.withheld(layout, counts, parts, **given)
        kept.append((layout, counts, parts, found, given["nobody"], given["apart"]))
        return found

    monkeypatch.setattr(control, "withheld", withheld)
    found = control.control(figures)
    shown = found.why_numerator == tables.Why.SHOWN
    assert shown.sum() > least
    assert (figures.numerator[shown] >= SMALLEST).all()
    rest = (figures.denominator - figures.numerator)[shown & (figures.numerator <= figures.denominator)]
    assert not ((rest > 0) & (rest < SMALLEST)).any()
    [(layout, counts, parts, why, nobody, apart)] = kept
    assert sorted(len(labels) for _, labels in apart) == [2, 5]
    assert len(layout.regions) >= regions
    problem = tables.published(layout, counts, parts, why, nobody, apart)
    of = np.full(len(problem.x), -1, np.int64)
    of[: counts.size] = np.arange(counts.size) // len(layout)
    guarded = np.flatnonzero(problem.guarded)
    some = np.random.default_rng(0).choice(guarded, sample, replace=False)
    widths = widths_of_tables(problem, of, parts, some)
    assert min(width for width, _ in widths.values()) >= WIDTH - 1e-5
