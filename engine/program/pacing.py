"""Paced prefetch: how much of the next block's memory goes with each operation of this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from popstrat.engine._table import BLOCK, PART, SHARE_BITS
from popstrat.engine.operations import BY_CODE, COLUMN_BITS, IN_PARTS, OPERANDS, OUTPUT_BITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from popstrat.engine._engine import Program

_CALL = 8  # the cost of calling an operation at all
_STEP = 20  # of a step of a chain that costs nothing by itself
_DONE = 0.95  # of the block's time, when all is prefetched


def spans(codes: Sequence[int]) -> NDArray[np.int32]:
    """Neighbouring operations of one kind together: (begin, end, whether in parts) of each run."""
    found: list[list[int]] = []
    for i, code in enumerate(codes):
        parts = BY_CODE[code].name in IN_PARTS
        if found and found[-1][2] == parts:
            found[-1][1] = i + 1
        else:
            found.append([i, i + 1, parts])
    return np.array(found or [[0, 0, 0]], dtype=np.int32)


def shares(program: Program) -> NDArray[np.int32]:
    """Of each operation, a call: its share of the block's prefetching, in 2^-SHARE_BITS, as it takes of the time."""
    rows = program.code.tolist()
    costs = [_cost(program, row) for row in rows]
    whole = sum(costs) * _DONE / (1 << SHARE_BITS)
    calls = [BLOCK // PART if BY_CODE[row[0]].name in IN_PARTS else 1 for row in rows]
    return np.array([cost / whole // n for cost, n in zip(costs, calls, strict=True)] or [0], dtype=np.int32)


def _cost(program: Program, row: Sequence[int]) -> int:
    """As much as the bits that it reads and writes a row, and what it works out besides."""
    operation, at = BY_CODE[row[0]], 1
    cost = operation.cost + _CALL
    for letter in operation.operands:
        operand = OPERANDS[letter.lower()]
        if operand.kind == "list":
            count = row[at + 1]
            if operand.items[0] == "+":
                steps = program.arguments[row[at] : row[at] + 2 * count : 2].tolist()
                cost += sum(BY_CODE[step].cost or _STEP for step in steps)
            else:
                cost += count * operation.item
            at += 2
            continue
        if letter == "c":
            cost += COLUMN_BITS[program.column_kinds[row[at]]]
        elif letter == "o":
            cost += OUTPUT_BITS[program.output_kinds[row[at]]] if operation.writes else 1
        else:
            cost += operand.bits
        at += 1
    return cost
