"""How well a risk did: `popstrat.validation`, in one function, for the record of a fit or a recalibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
_FEWEST = 20
_RESAMPLES = 100
_MEASURES = {
    "auroc": "auroc",
    "oe": "observed_over_expected",
    "slope": "calibration_slope",
    "in_the_large": "calibration_in_the_large",
    "scaled_brier": "scaled_brier",
}


def performance(
    risks: Sequence[F64], events: Sequence[F64], *, days: Sequence[NDArray[np.int64]] = (), horizon: int = 365
) -> dict[str, float] | None:
    """AUROC, observed/expected, calibration slope and calibration in the large of a risk, each with its 95% interval
    (``…_low``, ``…_high``); None where fewer than 20 people have, or do not have, the event.

    Each of the three is given stratum by stratum. A risk is a probability by the ``horizon``. Where ``days`` are given
    people may have been followed for less: see `popstrat.validation.assess`.
    """
    from popstrat.validation.assessment import assess

    risk, hits = np.concatenate(risks), np.concatenate(events) == 1
    followed = np.concatenate(days) if days else None
    by_then = hits if followed is None else hits & (followed <= horizon)
    seen = ~hits if followed is None else ~by_then & (followed >= horizon)
    if min(by_then.sum(), seen.sum()) < _FEWEST or np.ptp(risk) == 0:
        return None
    if followed is None:
        found = assess(risk, hits, bootstrap=_RESAMPLES)
    else:
        found = assess(risk, time=followed, event=hits, horizon=horizon, bootstrap=_RESAMPLES)
    measures = found.whole.measures or {}
    figures: dict[str, float] = {}
    for theirs, name in _MEASURES.items():
        one = measures[theirs]
        figures |= {name: float(one.value), f"{name}_low": float(one.low), f"{name}_high": float(one.high)}
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def told(found: dict[str, float] | None) -> dict[str, Any]:
    """The figures to three places, for a provenance table: a number, or [figure, lowest, highest]."""
    names = [] if found is None else [n for n in found if not n.endswith(("_low", "_high"))]
    shown: dict[str, Any] = {}
    for name in names:
        assert found is not None
        around = [round(found[n], 3) + 0.0 for n in (name, f"{name}_low", f"{name}_high") if n in found]
        shown[name] = around if len(around) == 3 else around[0]
    return shown
