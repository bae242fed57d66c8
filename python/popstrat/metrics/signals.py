"""Signals in a series of monthly values, by the rules of an XmR chart: is this month more than chance?

Sigma is the mean moving range over 1.128, the centre the mean, both of all months of the series. Months must follow
each other: a series begins anew after one that is missing. Values whose windows overlap from month to month are no such
series (next month's is mostly this month's), so they are not tested. What rounding alone can explain is no signal.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FEWEST = 12
"""Months of a series that is tested, this one among them."""
RUN = 7
NONE = "none"
RULES = ("beyond_3_sigma", "seven_on_one_side", "seven_rising_or_falling", "two_of_three_beyond_2_sigma")
_D2 = 1.128  # the mean range of two values from a normal distribution, in standard deviations


def signals(values: npt.ArrayLike, rounding: npt.ArrayLike = 0.0) -> list[str | None]:
    """For each series (months by series, the latest month last; NaN is missing) what the latest month is part of: names
    of `RULES` joined by a plus sign, ``none``, or None where fewer than `FEWEST` months follow each other to it.

    ``rounding`` is how far apart rounding may show two values of a series that are all but alike: one no further from
    the mean is on no side of it."""
    v = np.asarray(values, dtype=np.float64)
    if v.shape[0] < FEWEST:
        return [None] * v.shape[1]
    used = np.logical_and.accumulate(np.isfinite(v)[::-1], axis=0)[::-1]  # the months without a gap up to this one
    months = used.sum(axis=0)
    filled = np.where(used, v, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = filled.sum(axis=0) / months
        ranges = np.where(used[:-1], np.abs(np.diff(filled, axis=0)), 0.0).sum(axis=0)
        sigma = ranges / (months - 1) / _D2
        # A mean also misses values that are all alike by the rounding of a double.
        near = np.maximum(1e-9 * np.abs(centre), rounding)
        off = np.where(np.abs(v - centre) <= near, 0.0, np.where(used, v - centre, np.nan))
    last = off[-1]
    with np.errstate(invalid="ignore"):
        outside = np.abs(last) > 3 * sigma
        side = (off[-RUN:] > 0).all(axis=0) | (off[-RUN:] < 0).all(axis=0)
        steps = np.diff(off[-RUN:], axis=0)
        trend = (steps > 0).all(axis=0) | (steps < 0).all(axis=0)
        far = np.zeros(v.shape[1], dtype=np.bool_)
        for sign in (1, -1):
            beyond = sign * off[-3:] > 2 * sigma
            far |= beyond[-1] & (beyond.sum(axis=0) >= 2)
    code = sum((rule.astype(np.int64) << i for i, rule in enumerate((outside, side, trend, far))), np.int64(0))
    code = np.where(months >= FEWEST, code, -1)
    names = ["+".join(name for i, name in enumerate(RULES) if at >> i & 1) or NONE for at in range(1 << len(RULES))]
    return [None if at < 0 else names[at] for at in np.asarray(code).tolist()]
