"""The compiled core: programs of typed operations over columns, bit planes and numbers.

It knows nothing of what a column means. `Program` is a checked list of operations, `Frame` binds it to the buffers of
one batch, `Frame.run` runs it over a range of rows without the GIL, and `Work` has several threads run
several frames.
"""

from __future__ import annotations

from popstrat.engine._engine import (
    BLOCK,
    CODE_NULL,
    CODE_UNKNOWN,
    FOLDS,
    GRID_BOUND,
    GRID_STEP,
    IN_PARTS,
    INSTRUCTION_WIDTH,
    LARGE,
    LEVELS,
    NEWEST_SHIFT,
    OPERATIONS,
    STEPS,
    STREAM_ROWS,
    Frame,
    Labels,
    Memory,
    Program,
    Work,
    astray,
    distinct,
    increasing,
    levels,
)

__all__ = [
    "BLOCK",
    "CODE_NULL",
    "CODE_UNKNOWN",
    "FOLDS",
    "GRID_BOUND",
    "GRID_STEP",
    "INSTRUCTION_WIDTH",
    "IN_PARTS",
    "LARGE",
    "LEVELS",
    "NEWEST_SHIFT",
    "OPERATIONS",
    "STEPS",
    "STREAM_ROWS",
    "Frame",
    "Labels",
    "Memory",
    "Program",
    "Work",
    "astray",
    "distinct",
    "increasing",
    "levels",
]
