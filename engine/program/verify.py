"""The verifier: a program whose operands are all in range and of the right kind cannot leave its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from popstrat.engine._table import EXACT, GRID_BOUND, GRID_STEP
from popstrat.engine.operations import (
    BY_CODE,
    COLUMN_BITS,
    FOLD_CODES,
    OPERANDS,
    OUTPUT_BITS,
    STEP_CODES,
    Operand,
    Operation,
)

if TYPE_CHECKING:
    from popstrat.engine._engine import Program

MOST = 1 << 16  # registers of a class, columns, constants
_CODES = {"+": (STEP_CODES, "an operation on one register"), "&": (FOLD_CODES, "an operation on planes")}
_TABLE = 256  # entries of a table of doubles: a number of 8 bits finds one


def verify(program: Program) -> None:
    """Raise ValueError, naming the operation, for whatever would lead outside."""
    sizes = _sizes(program)
    for row in program.code.tolist():
        if not 0 <= row[0] < len(BY_CODE):
            raise ValueError(f"unknown operation {row[0]}")
        operation, at = BY_CODE[row[0]], 1
        for letter in operation.operands:
            operand = OPERANDS[letter.lower()]
            if operand.kind == "list":
                _list(program, sizes, operation, operand, row[at], row[at + 1])
                at += 2
            else:
                _one(program, sizes, operation, letter.lower(), row[at], at)
                at += 1
        if any(row[at:]):
            raise ValueError(f"{operation.name}: more operands than it takes")


def _sizes(program: Program) -> dict[str, int]:
    """How many there are of what each letter counts."""
    sizes = {"b": program.planes, "u": program.bytes, "h": program.shorts, "f": program.numbers,
             "c": len(program.column_kinds), "o": len(program.output_kinds), "n": program.counters,
             "i": len(program.integers), "k": len(program.doubles), "#": 64}  # fmt: skip
    for letter, size in sizes.items():
        if not 0 <= size <= MOST:
            raise ValueError(f"{size} of what {letter!r} stands for: out of range")
    for kind in program.column_kinds:
        if kind not in COLUMN_BITS:
            raise ValueError(f"unknown column kind {kind!r}")
    for kind in program.output_kinds:
        if kind not in OUTPUT_BITS:
            raise ValueError(f"unknown output kind {kind!r}")
    return sizes


def _one(program: Program, sizes: dict[str, int], operation: Operation, letter: str, value: int, at: int) -> None:
    if not 0 <= value < sizes[letter]:
        raise ValueError(f"{operation.name}: operand {at} out of range")
    if letter == "c" and operation.reads not in ("", program.column_kinds[value]):
        raise ValueError(f"{operation.name}: reads a column of kind {program.column_kinds[value]!r}")
    if letter == "o" and operation.writes not in ("", program.output_kinds[value]):
        raise ValueError(f"{operation.name}: writes an output of kind {program.output_kinds[value]!r}")


def _list(
    program: Program, sizes: dict[str, int], operation: Operation, operand: Operand, start: int, count: int
) -> None:
    name, width = operation.name, len(operand.items)
    if start < 0 or count < 0 or start + width * count > len(program.arguments):
        raise ValueError(f"{name}: argument list out of range")
    if count < operand.least:
        raise ValueError(f"{name}: a list of {count} items")
    if operand.items == "k" and count > _TABLE:
        raise ValueError(f"{name}: a table of {count} entries")
    if operand.items == "b" and 0 < operation.most < count:
        raise ValueError(f"{name}: more than {operation.most} bit planes")
    listed = program.arguments[start : start + width * count]
    for place, item in enumerate(operand.items if count else ""):
        values = listed[place::width]
        if item in _CODES:
            codes, what = _CODES[item]
            if not codes.issuperset(values.tolist()):
                raise ValueError(f"{name}: not {what}")
        elif item != "@" and not (values.min() >= 0 and values.max() < sizes[item]):
            raise ValueError(f"{name}: {_MEANT.get(item) or OPERANDS[item].meaning} out of range")
    if operation.most == EXACT and "k" in operand.items:
        _exact(name, program.doubles[listed[operand.items.index("k") :: width]])


def _exact(name: str, weights: NDArray[np.float64]) -> None:
    if not np.abs(weights).sum() < GRID_BOUND or (np.mod(weights, GRID_STEP) != 0).any():
        raise ValueError(f"{name}: constants that do not add up exactly")


_MEANT = {"#": "bit number", "k": "constant", "h": "register"}
