"""The compiled core: programs of typed operations over columns, bit planes and numbers.

It knows nothing of what a column means. `OPERATIONS` is the table of operations; `Program` is a checked list of them,
`Frame` binds it to the buffers of one batch, `Frame.run` runs it over a range of rows without the GIL, and `Work` has
several threads run several frames. `increasing`, `distinct`, `astray`, `count_at`, `text_of_views`, `used` and
`views_coded` are loops over whole columns.
"""

from __future__ import annotations

from popstrat.engine._engine import LARGE, STREAM_ROWS, Frame, Labels, Memory, Program, Work
from popstrat.engine._table import (
    BLOCK,
    CODE_NULL,
    CODE_UNKNOWN,
    GRID_BOUND,
    GRID_STEP,
    INSTRUCTION_WIDTH,
    LEVELS,
    NEWEST_SHIFT,
    levels,
)
from popstrat.engine.arrays._arrays import astray, count_at, distinct, increasing, text_of_views, used, views_coded
from popstrat.engine.operations import (
    COLUMN_BITS,
    FOLDS,
    IN_PARTS,
    LISTS,
    OPERANDS,
    OPERATIONS,
    OUTPUT_BITS,
    STEPS,
    Operand,
    Operation,
)

__all__ = [
    "BLOCK",
    "CODE_NULL",
    "CODE_UNKNOWN",
    "COLUMN_BITS",
    "FOLDS",
    "GRID_BOUND",
    "GRID_STEP",
    "INSTRUCTION_WIDTH",
    "IN_PARTS",
    "LARGE",
    "LEVELS",
    "LISTS",
    "NEWEST_SHIFT",
    "OPERANDS",
    "OPERATIONS",
    "OUTPUT_BITS",
    "STEPS",
    "STREAM_ROWS",
    "Frame",
    "Labels",
    "Memory",
    "Operand",
    "Operation",
    "Program",
    "Work",
    "astray",
    "count_at",
    "distinct",
    "increasing",
    "levels",
    "text_of_views",
    "used",
    "views_coded",
]
