"""SCORE2 and SCORE2-OP written out from the two papers' supplementary methods, to hold docs/examples/score2.toml to.

It is kept apart from the pack on purpose: each checks the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

REGIONS = ("low", "moderate", "high", "very_high")

# region → intercept and slope of the recalibration: women, men
SCALES = {
    "score2": {
        "low": ((-0.7380, 0.7019), (-0.5699, 0.7476)),
        "moderate": ((-0.3143, 0.7701), (-0.1565, 0.8009)),
        "high": ((0.5710, 0.9369), (0.3207, 0.9360)),
        "very_high": ((0.9412, 0.8329), (0.5836, 0.8294)),
    },
    "score2_op": {
        "low": ((-0.52, 1.01), (-0.34, 1.19)),
        "moderate": ((-0.10, 1.10), (0.01, 1.25)),
        "high": ((0.38, 1.09), (0.08, 1.15)),
        "very_high": ((0.38, 0.69), (0.05, 0.70)),
    },
}


def predictor(p: Mapping[str, Any]) -> tuple[float, float]:
    """The linear predictor and the baseline survival of a person, every value known."""
    woman, smokes = p["sex"] == "female", p["smoking"] == "current"
    if p["age"] < 70:
        age, sbp = (p["age"] - 60) / 5, (p["systolic_bp"] - 120) / 20
        tc, hdl = p["total_cholesterol"] - 6, (p["hdl"] - 1.3) / 0.5
        if woman:
            lp = 0.4648 * age + 0.7744 * smokes + 0.3131 * sbp + 0.1002 * tc - 0.2606 * hdl
            lp += age * (-0.1088 * smokes - 0.0277 * sbp - 0.0226 * tc + 0.0613 * hdl)
            return lp, 0.9776
        lp = 0.3742 * age + 0.6012 * smokes + 0.2777 * sbp + 0.1458 * tc - 0.2698 * hdl
        lp += age * (-0.0755 * smokes - 0.0255 * sbp - 0.0281 * tc + 0.0426 * hdl)
        return lp, 0.9605
    age, sbp, tc, hdl = p["age"] - 73, p["systolic_bp"] - 150, p["total_cholesterol"] - 6, p["hdl"] - 1.4
    diabetes = bool(p["diabetes"])
    if woman:
        lp = 0.0789 * age + 0.6010 * diabetes + 0.4921 * smokes + 0.0102 * sbp + 0.0605 * tc - 0.3040 * hdl
        lp += age * (-0.0107 * diabetes - 0.0255 * smokes - 0.0004 * sbp - 0.0009 * tc + 0.0154 * hdl)
        return lp - 0.229, 0.8082
    lp = 0.0634 * age + 0.4245 * diabetes + 0.3524 * smokes + 0.0094 * sbp + 0.0850 * tc - 0.3564 * hdl
    lp += age * (-0.0174 * diabetes - 0.0247 * smokes - 0.0005 * sbp + 0.0073 * tc + 0.0091 * hdl)
    return lp - 0.0929, 0.7576


def risks(p: Mapping[str, Any]) -> dict[str, float | None]:
    """The risk by each of the eight models; None for whom a model is not, or who lacks a record."""
    found: dict[str, float | None] = {}
    needed = ("smoking", "systolic_bp", "total_cholesterol", "hdl")
    known = p["sex"] in ("female", "male") and all(p[name] is not None for name in needed)
    ill = p["chd"] or p["stroke_tia"] or p["pad"]
    for name, regions in SCALES.items():
        for region, scales in regions.items():
            output = name if region == "low" else f"{name}_{region}"
            young = p["age"] is not None and 40 <= p["age"] < 70 and not p["diabetes"]
            old = p["age"] is not None and 70 <= p["age"] < 90
            if ill or not known or not (young if name == "score2" else old):
                found[output] = None
                continue
            lp, survival = predictor(p)
            uncalibrated = 1 - survival ** math.exp(lp)
            a, b = scales[p["sex"] == "male"]
            found[output] = 1 - math.exp(-math.exp(a + b * math.log(-math.log(1 - uncalibrated))))
    return found
