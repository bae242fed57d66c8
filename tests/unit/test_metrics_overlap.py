"""What metrics rest on: windows that overlap, and risks that were not fitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from popstrat.metrics.overlap import overlapping, unfitted
from popstrat.scoring.scorer import Scorer

METRIC = """
[definition.{name}]
kind = "metric"
title = "{name}"
means = "For a test."
source = "none"
version = "1"
numerator = '{rule}'
good = "high"
"""
RULES = {
    "plain": "smoking == \"current\"",
    "flag": "hypertension and age >= 65",
    "in_window": "hypertension_status == \"optimised\"",
    "use": "gp_appointments_12m > 4",
    "risk": "admission_risk > 0.3",
    "band": "admission_risk_band == \"high\"",
    "through_risk": "need_rag == \"red\"",
    "cost": "expected_cost_2014 > 5000",
}  # fmt: skip


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    path: Path = tmp_path_factory.mktemp("pack") / "local.toml"
    head = '[pack]\nid = "local"\nversion = "1"\nextends = "london-2026"\n'
    path.write_text(head + "".join(METRIC.format(name=name, rule=rule) for name, rule in RULES.items()))
    return Scorer(path, "2026-06-30")


def test_windows_and_counts_of_twelve_months_overlap(scorer: Scorer) -> None:
    found = overlapping(scorer.resolved, [*RULES, "caseload"])
    assert {"in_window", "use"} <= set(found)
    assert not {"plain", "flag", "cost", "caseload"} & set(found)


def test_what_rests_on_a_risk_that_was_not_fitted(scorer: Scorer) -> None:
    assert set(unfitted(scorer.resolved, [*RULES, "caseload"])) == {"risk", "band", "through_risk", "cost"}


def test_a_risk_that_was_fitted_counts_as_one(scorer: Scorer) -> None:
    definition = scorer.resolved.definitions["admission_risk"]
    definition.raw["provenance"] = {"fitted": "2026-01-01"}
    try:
        assert set(unfitted(scorer.resolved, RULES)) == {"cost"}
    finally:
        del definition.raw["provenance"]
