"""How well a risk did: discrimination and calibration, in one function, for the record of a fit or a recalibration."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from popstrat.errors import InputError
from popstrat.fitting.estimate import Sample, estimate, known_by
from popstrat.fitting.spec import Penalty

F64 = NDArray[np.float64]


def figures(
    risk: F64, event: F64, *, days: NDArray[np.int64] | None = None, horizon: int = 365
) -> dict[str, float] | None:
    """AUROC, observed/expected, calibration slope and intercept of a risk; None where there are too few events.

    ``risk`` is a probability by the ``horizon``. Where ``days`` are given people may have been followed for less: they
    then count by inverse probability of censoring weights. The slope is of the risk's log odds in a logistic
    regression of the outcome.
    """
    from scipy import sparse
    from sklearn.metrics import roc_auc_score

    outcome, weight = (event, np.ones(len(event))) if days is None else known_by(days, event == 1, horizon)
    used = weight > 0
    y, w, p = outcome[used], weight[used], np.clip(risk[used], 1e-9, 1 - 1e-9)
    if min(y.sum(), len(y) - y.sum()) < 20 or np.ptp(p) == 0:
        return None
    odds = np.log(p / (1 - p))
    try:
        sample = Sample(("odds",), sparse.csc_matrix(odds[:, None]), y, None, w)
        fitted = estimate(sample, "logistic", Penalty(), 0)
    except InputError:
        return None
    return {
        "auroc": float(roc_auc_score(y, p, sample_weight=w)),
        "observed_over_expected": float((w * y).sum() / (w * p).sum()),
        "calibration_slope": float(fitted.coefficients[0]),
        "calibration_intercept": float(fitted.intercept),
    }


def told(found: dict[str, float] | None) -> dict[str, Any]:
    """The figures to three places, for a provenance table."""
    return {} if found is None else {name: round(value, 3) for name, value in found.items()}
