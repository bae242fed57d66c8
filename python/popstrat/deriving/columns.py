"""Columns of cells on their way to canonical values: their distinct texts, and which rows hold some of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from popstrat.core.arrow import from_numpy, is_text, numbers, true, valid, without_views
from popstrat.core.lazy import compute as pc
from popstrat.errors import InputError

_ROWS_NAMED = 5


class Tally(Counter[str]):
    """How many rows there were of each reason."""

    def note(self, reason: str, rows: int) -> None:
        if rows:
            self[reason] += int(rows)


def texts_of(column: pa.Array, name: str) -> pa.Array:
    """Values of any plain type as text; whole numbers without a point."""
    if is_text(column.type):
        return without_views(column)
    if pt.is_floating(column.type):
        wide = numbers(column.cast(pa.float64()).fill_null(np.nan))
        known = wide[~np.isnan(wide)]
        if len(known) and (np.abs(known) < 2**53).all() and (np.trunc(known) == known).all():
            column = from_numpy(np.nan_to_num(wide).astype(np.int64), np.isnan(wide))
    try:
        return whole(column).cast(pa.string())
    except pa.ArrowException:
        raise InputError(f"is {column.type}, which cannot be read as text", column=name) from None


def whole(column: pa.Array) -> pa.Array:
    """Numbers out of a dictionary; decimals without a fraction, some databases' whole numbers, as whole numbers."""
    if pt.is_dictionary(column.type) and not is_text(column.type):
        column = column.dictionary.take(column.indices)
    if pt.is_decimal(column.type) and column.type.scale == 0:
        try:
            return column.cast(pa.int64())
        except pa.ArrowException:
            return column.cast(pa.string())
    return column


def cast(column: pa.Array, kind: pa.DataType, name: str) -> pa.Array:
    try:
        return column.cast(kind)
    except pa.ArrowException:
        raise InputError(f"holds numbers that do not fit {kind}", column=name) from None


def coded_texts(column: pa.Array) -> pa.Array:
    column = without_views(column)
    return column if pt.is_dictionary(column.type) else column.dictionary_encode()


def having(texts: pa.Array, form: str) -> NDArray[np.bool_]:
    """Which texts have a form; null has none."""
    return true(pc.match_substring_regex(texts, form))


def rows_with(coded: pa.Array, entries: Sequence[int]) -> NDArray[np.intp]:
    """The rows of a dictionary column that hold one of these entries."""
    if not entries:
        return np.zeros(0, np.intp)
    chosen = np.zeros(len(coded.dictionary) + 1, np.bool_)
    chosen[list(entries)] = True
    return np.flatnonzero(chosen[entry_of(coded)])


def entry_of(coded: pa.Array) -> NDArray[np.int64]:
    """Which entry each row of a dictionary column holds; one past the last for none."""
    codes = numbers(coded.indices).astype(np.int64)
    return codes if not coded.indices.null_count else np.where(valid(coded.indices), codes, len(coded.dictionary))


def without(column: pa.Array, mask: NDArray[np.bool_]) -> pa.Array:
    """The column with nothing where the mask is set."""
    if not mask.any():
        return column
    return pc.if_else(from_numpy(mask), pa.scalar(None, column.type), column)


def at_rows(problem: str, name: str, rows: NDArray[np.intp]) -> InputError:
    more = max(0, len(rows) - _ROWS_NAMED)
    return InputError(problem, column=name, rows=rows[:_ROWS_NAMED].tolist(), more=more)
