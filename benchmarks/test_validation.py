"""Validating a risk: the compiled measures and their bootstrap, against scikit-learn's functions on the same people.

scikit-learn has no bootstrap of its own; what its users write is a loop that draws people and calls its functions. The
peer is one turn of that loop (AUROC, average precision and Brier score of a resample), ours one of our resamples, which
gives O/E, calibration in the large and slope, sensitivity and net benefit as well. The whole: every measure with 200
resamples, over all and by seven groupings.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from measuring import CORES, Versus

from popstrat.validation import kernels as k
from popstrat.validation.assessment import THRESHOLDS, assess
from popstrat.validation.results import Grouping
from popstrat.validation.strata import Bands, Strata

Arrays = tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]
CHECKED = 200_000


@pytest.fixture(scope="module")
def people(patients: int) -> Arrays:
    """Risks as the default model spreads them, to six places, and outcomes that a little differ from them."""
    rng = np.random.default_rng(1)
    x = rng.normal(-3.2, 0.9, patients)
    risk = np.round(1 / (1 + np.exp(-x)), 6)
    return risk, rng.random(patients) < 1 / (1 + np.exp(-(0.1 + 0.95 * x)))


def sklearn_measures(risk: npt.NDArray[np.float64], outcome: npt.NDArray[np.bool_]) -> list[float]:
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    return [
        roc_auc_score(outcome, risk),
        average_precision_score(outcome, risk),
        brier_score_loss(outcome, risk, labels=[False, True], pos_label=True),
    ]


def test_resample(people: Arrays, patients: int, versus: Versus) -> None:
    risk, outcome = people
    risks, rank, sizes = np.unique(risk, return_inverse=True, return_counts=True)
    bands = Bands.over(risks, sizes)
    weight = np.ones(patients)
    y = outcome.astype(np.uint8)
    part = slice(0, CHECKED)
    exact = Strata.of(risks, rank[part], y[part], weight[part]).measure([], [])
    assert exact[[k.AUROC, k.PRECISION, k.BRIER]] == pytest.approx(
        sklearn_measures(risk[part], outcome[part]), rel=1e-9
    )
    strata = Strata.of(bands.risks, bands.of_rank[rank], y, weight, merge=True)
    rng = np.random.default_rng(0)

    def peer() -> list[float]:
        drawn = rng.integers(0, patients, patients)
        return sklearn_measures(risk[drawn], outcome[drawn])

    versus(
        "one bootstrap resample",
        lambda: strata.measure([0.015], THRESHOLDS[::-1], rng),
        patients=patients,
        threads=1,
        peer=("scikit-learn", peer),
    )


@pytest.mark.parametrize("survival", [False, pytest.param(True, marks=pytest.mark.full)])
def test_whole_validation(people: Arrays, patients: int, smoke: bool, survival: bool, versus: Versus) -> None:
    """Every measure, overall and in 40 groups; with follow-up both Cs and the weights too."""
    risk, outcome = people
    rng = np.random.default_rng(2)
    sizes = (3, 6, 6, 6, 6, 5, 8)
    groups = {
        f"g{i}": Grouping(rng.integers(0, n, patients).astype(np.int32), tuple("abcdefgh"[:n]))
        for i, n in enumerate(sizes)
    }
    how: dict[str, Any] = {"outcome": outcome}
    if survival:
        lost = np.where(rng.random(patients) < 0.05, rng.integers(1, 365, patients), 365)
        time = np.where(outcome, rng.integers(1, 366, patients), 366)
        how = {"time": np.minimum(time, lost), "event": time <= lost}
    versus(
        f"validate {'with follow-up' if survival else 'an outcome'}, 200 resamples",
        lambda: assess(risk, groups=groups, bootstrap=5 if smoke else 200, **how),
        patients=patients,
        threads=CORES,
    )
