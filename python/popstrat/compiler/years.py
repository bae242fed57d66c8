"""Completed years since a date, for every row."""

from __future__ import annotations

import datetime as dt
from functools import cache

import numpy as np

from popstrat.compiler.emitter import Emitter
from popstrat.core.dates import days, latest_birth_for


def years_lived(e: Emitter, index: int, highest: int, as_of: dt.date) -> int:
    """The register of small whole numbers that holds the completed years since the dates of a column, up to `highest`
    and one more; undefined where there is no such date."""
    multiplier = years_multiplier(as_of, highest)
    if multiplier is not None:
        return e.value("YEARS", index, days(as_of), *multiplier)
    birthdays = tuple(days(latest_birth_for(k, as_of)) for k in range(highest + 2))
    return e.value("YEARS_TABLE", index, days(as_of), birthdays)


@cache
def years_multiplier(as_of: dt.date, highest: int) -> tuple[int, int, int] | None:
    """(multiplier, addend, shift) with (days lived × multiplier + addend) >> shift the completed years, for every date
    of birth up to `highest` + 1 years before, in 32 bits; None where no such numbers exist (as-of dates whose century
    includes 1900-02-28 or 2100-02-28)."""
    shift = 25
    years = np.arange(1, highest + 2, dtype=np.int64) << shift
    lived = np.array([(as_of - latest_birth_for(k, as_of)).days for k in range(1, highest + 2)], dtype=np.int64)
    for multiplier in range(int(2**shift / 365.2425) - 16, int(2**shift / 365.2425) + 17):
        least = max(0, int((years - lived * multiplier).max()))
        most = int((years - (lived - 1) * multiplier).min()) - 1
        if least <= most and int(lived[-1]) * multiplier + least < 2**32:
            return multiplier, least, shift
    return None
