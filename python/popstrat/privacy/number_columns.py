"""Whether a column holds NHS numbers, in whatever form: judged from all of it, by the share of right check digits.

Of ten-digit numbers that have nothing to do with the NHS one in eleven has the right check digit, by chance. So what is
judged are the different ten-digit numbers of a column, other values not counted: a column of 1,000 nulls, notes or
short codes and a few NHS numbers holds NHS numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from popstrat.core.arrow import is_text, numbers
from popstrat.errors import BETWEEN, DATE, plain_digits
from popstrat.privacy.nhs_numbers import DIGITS, PASSED, REPEATED, check

BY_CHANCE = 1 / 11
HALF = 0.5
DEVIATIONS = 5
_KEPT = 1 << 16  # different numbers that are told apart over batches; with more of them repeats no longer matter
_LEAST, _MOST = 10 ** (DIGITS - 1), 10**DIGITS
_GROUPED = rf"(?:^|[^0-9])0*(?P<number>[0-9]{{3}}{BETWEEN}[0-9]{{3}}{BETWEEN}[0-9]{{4}})(?:[.,]0+)?(?:[^0-9]|$)"
_WHOLE = rf"^[^0-9]*0*(?P<number>[0-9](?:{BETWEEN}[0-9]){{9}})(?:[.,]0+)?[^0-9]*$"
_DATES = rf"(^|[^0-9]){DATE}([^0-9]|$)"
_EXPONENT = r"^[^0-9]*(?P<number>[0-9]+(?:\.[0-9]*)?[eE]\+?[0-9]{1,2})[^0-9]*$"


class TenDigits:
    """The ten-digit numbers of a column, counted batch by batch: ``different`` of them, of which ``right`` have the
    check digit of an NHS number. Ten times the same digit, which people type for "not known", is not counted."""

    def __init__(self) -> None:
        self.different = self.right = 0
        self._seen: NDArray[np.int64] | None = np.zeros(0, np.int64)

    def look(self, values: pa.Array) -> None:
        """Count some more of the column, of any type; of a dictionary every entry, used or not."""
        for leaf in _leaves(values):
            self._count(_ten_digits(leaf))

    def _count(self, found: NDArray[np.int64]) -> None:
        found = np.unique(found[found % REPEATED != 0])
        if self._seen is not None and len(found):
            found = found[~np.isin(found, self._seen, assume_unique=True)]
            self._seen = np.concatenate([self._seen, found])
            if len(self._seen) > _KEPT:
                self._seen = None
        if len(found):
            self.different += len(found)
            self.right += int((check(pa.array(found))[1] == PASSED).sum())

    @property
    def are_nhs_numbers(self) -> bool:
        """Whether at least half have the right check digit, or more than chance gives by five standard deviations.

        Half is what decides about a few numbers, so that one that is right is enough where there is no other: a column
        of one random number is then called NHS numbers once in eleven times, and one of five once in 150. Of many the
        deviations decide: of 1,000 more than 136, of a million more than 92,348; by chance that happens once in three
        million columns, and it finds NHS numbers among ten times as many other numbers.
        """
        if not self.right:
            return False
        expected = self.different * BY_CHANCE
        far = expected + DEVIATIONS * math.sqrt(expected * (1 - BY_CHANCE))
        return self.right >= HALF * self.different or self.right > far


def _leaves(values: pa.Array) -> Iterator[pa.Array]:
    """The arrays of plain values that a column of any type is made of."""
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        yield from _leaves(values.storage)
    elif pt.is_dictionary(kind):
        yield from _leaves(values.dictionary)
    elif pt.is_run_end_encoded(kind):
        yield from _leaves(values.values)
    elif pt.is_struct(kind):
        for inner in values.flatten():
            yield from _leaves(inner)
    elif pt.is_union(kind):
        for i in range(kind.num_fields):
            yield from _leaves(values.field(i))
    elif pt.is_map(kind):
        yield from _leaves(values.keys)
        yield from _leaves(values.items)
    elif pt.is_nested(kind):
        yield from _leaves(values.flatten())
    else:
        yield values


def _ten_digits(values: pa.Array) -> NDArray[np.int64]:
    """The values that are ten-digit numbers, or texts with one in them: as its only number, however it is grouped, or
    beside others in groups of three, three and four (the first). Quotes, leading zeros, a fraction of zeros and an
    exponent make no difference, nor does a minus sign."""
    kind = values.type
    if len(values) == values.null_count or pt.is_boolean(kind) or pt.is_temporal(kind):
        return np.zeros(0, np.int64)
    if pt.is_string_view(kind) or pt.is_binary_view(kind):  # which Arrow cannot filter
        values = values.cast(pa.large_string() if pt.is_string_view(kind) else pa.large_binary())
    values = values.drop_null()
    if pt.is_integer(kind):
        return _of_length(np.abs(numbers(values.cast(pa.int64(), safe=False))))
    if pt.is_decimal(kind):
        values, kind = values.cast(pa.float64()), pa.float64()  # ten digits and their fraction lose nothing there
    if pt.is_floating(kind):
        return _of_floats(numbers(values).astype(np.float64))
    return _of_text(_as_text(values))


def _of_length(whole: NDArray[np.int64]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = whole[(whole >= _LEAST) & (whole < _MOST)]
    return found


def _of_floats(values: NDArray[np.float64]) -> NDArray[np.int64]:
    values = np.abs(values)
    whole = (values >= _LEAST) & (values < _MOST) & (values == np.floor(values))
    found: NDArray[np.int64] = values[whole].astype(np.int64)
    return found


def _as_text(values: pa.Array) -> pa.Array:
    if not is_text(values.type):
        values = values.cast(pa.large_binary())
    try:
        return values.cast(pa.large_string())
    except pa.ArrowInvalid:  # some bytes are not UTF-8; what is, digits of every script among it, stays
        return pa.array([v.decode("utf-8", "replace") for v in values.to_pylist()], pa.large_string())


def _of_text(texts: pa.Array) -> NDArray[np.int64]:
    texts = texts.filter(pc.match_substring_regex(texts, "(?s).{5}"))  # "999e7" is the shortest
    if not len(texts):
        return np.zeros(0, np.int64)
    texts = texts.unique()
    texts = pc.replace_substring_regex(_plain(texts), _DATES, r"\1x\2")
    found = [_of_length(_extracted(texts, pattern, pa.int64())) for pattern in (_GROUPED, _WHOLE)]
    if pc.any(pc.match_substring_regex(texts, _EXPONENT)).as_py():
        found.append(_of_floats(_extracted(texts, _EXPONENT, pa.float64())))
    return np.concatenate(found)


def _plain(texts: pa.Array) -> pa.Array:
    """The texts with `plain_digits`: those that have others are few, and only they are looked at one by one."""
    other = pc.match_substring_regex(pc.replace_substring_regex(texts, "[0-9]+", ""), r"[\p{N}]")
    if not pc.any(other).as_py():
        return texts
    mended = pa.array([plain_digits(t) for t in texts.filter(other).to_pylist()], texts.type)
    return pc.replace_with_mask(texts, other, mended)


def _extracted(texts: pa.Array, pattern: str, kind: pa.DataType) -> NDArray[Any]:
    found = pc.struct_field(pc.extract_regex(texts, pattern), "number").drop_null()
    if kind == pa.int64():
        found = pc.replace_substring_regex(found, "[^0-9]+", "")
    return numbers(found.cast(kind))
