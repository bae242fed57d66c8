"""Text that a spreadsheet would run as a formula, and what is done about it: one rule for every file that people open.

A cell whose text begins with one of `FORMULA_SIGNS` gets an apostrophe in front. Numbers are not text, and stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from popstrat.core.arrow import is_text, without_views
from popstrat.core.lazy import compute as pc

FORMULA_SIGNS = "=+-@\t\r"
NEUTRAL = "'"
"""What is put in front."""

_IS_SIGN = np.isin(np.arange(256), [ord(sign) for sign in FORMULA_SIGNS])


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would take the text for a formula."""
    return text[:1] in FORMULA_SIGNS if text else False


def neutral(text: str) -> str:
    """The text as it may stand in a cell."""
    return NEUTRAL + text if is_formula(text) else text


def formulas(texts: pa.Array) -> pa.Array:
    """Which of a column of plain text are formulas (bool; null where the text is)."""
    return pc.is_in(pc.utf8_slice_codeunits(texts, 0, 1), value_set=pa.array(list(FORMULA_SIGNS), texts.type))


def may_hold_formulas(column: pa.Array) -> bool:
    """Whether a text in the column begins with a sign: one look at first bytes, whatever its layout. Entries of a
    dictionary and texts under a null count too, and offsets that lie are not followed."""
    if pt.is_dictionary(column.type):
        column = column.dictionary
    if not is_text(column.type) or not len(column):
        return False
    _, where, *data = column.buffers()
    if pt.is_string_view(column.type):  # a length of four bytes and the first four of the text
        views = np.frombuffer(where, np.uint8)[: (column.offset + len(column)) * 16].reshape(-1, 16)[column.offset :]
        return bool((_IS_SIGN[views[:, 4]] & views[:, :4].any(axis=1)).any())
    offsets: NDArray[Any] = np.frombuffer(where, np.int64 if pt.is_large_string(column.type) else np.int32)
    offsets = offsets[column.offset : column.offset + len(column) + 1]
    text = np.frombuffer(data[0], np.uint8) if data[0] is not None else np.empty(0, np.uint8)
    if not len(text):
        return False
    return bool((_IS_SIGN[text.take(offsets[:-1], mode="clip")] & (offsets[1:] > offsets[:-1])).any())


def neutral_column(column: pa.Array) -> pa.Array:
    """A column of text, or of a dictionary of text, as it may stand in cells; the very column if nothing in it is a
    formula. Raises ``pa.ArrowInvalid`` for a column whose buffers do not hold what they should."""
    if not may_hold_formulas(column):
        return column
    column.validate(full=True)
    column = without_views(column)
    if pt.is_dictionary(column.type):
        return pa.DictionaryArray.from_arrays(column.indices, neutral_column(column.dictionary))
    marked = pc.binary_join_element_wise(pa.scalar(NEUTRAL, column.type), column, pa.scalar("", column.type))
    return pc.if_else(formulas(column), marked, column)
