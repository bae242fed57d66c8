"""Single rules by hand in NumPy, on arrays as NumPy likes them: what somebody without Polars would write, polished.

Flags are one block of bytes, a row for each flag, so that a sum over flags runs along the patients. Nulls are left to
the caller: a null flag is false, as popstrat reads it.
"""

from __future__ import annotations

import datetime as dt
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Flags = NDArray[np.uint8]
_FIRST = dt.date(1900, 1, 1)
_BLOCK = 8_192  # patients at a time, so that what is in between stays in the cache


def flags(table: pa.Table, names: tuple[str, ...]) -> Flags:
    """The flags as bytes, (flags, patients). Not part of what is timed."""
    return np.stack([np.array(pc.fill_null(table[name], False)).astype(np.uint8) for name in names])


def births(table: pa.Table) -> NDArray[np.int32]:
    """Days since 1970 of a date of birth without nulls. Not part of what is timed."""
    return np.array(table["date_of_birth"].combine_chunks().view(pa.int32()))


def count(block: Flags) -> NDArray[np.uint8]:
    """How many flags are true."""
    found: NDArray[np.uint8] = np.add.reduce(block, axis=0, dtype=np.uint8)
    return found


def predictor(block: Flags, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weighted sum of the flags, by the linear algebra library."""
    out = np.empty(block.shape[1])
    for start in range(0, len(out), _BLOCK):
        part = block[:, start : start + _BLOCK]
        np.dot(weights, part.astype(np.float64), out=out[start : start + _BLOCK])
    return out


def logistic(block: Flags, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weighted sum of the flags as a probability, to six places."""
    out = predictor(block, weights)
    for start in range(0, len(out), _BLOCK):
        part = out[start : start + _BLOCK]
        np.negative(part, out=part)
        np.exp(part, out=part)
        part += 1
        np.reciprocal(part, out=part)
        np.round(part, 6, out=part)
    return out


def age(born: NDArray[np.int32], as_of: dt.date) -> NDArray[np.int16]:
    """Completed years: the age of every possible date of birth is worked out once and looked up. Needs dates from 1900
    to the as-of date."""
    return np.take(_ages(as_of), born - np.int32((_FIRST - dt.date(1970, 1, 1)).days))


@cache
def _ages(as_of: dt.date) -> NDArray[np.int16]:
    days = [dt.date.fromordinal(n) for n in range(_FIRST.toordinal(), as_of.toordinal() + 1)]
    return np.array([as_of.year - d.year - ((d.month, d.day) > (as_of.month, as_of.day)) for d in days], np.int16)
