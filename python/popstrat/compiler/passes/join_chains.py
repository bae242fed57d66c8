"""Chains: arithmetic on one register, step after step, as one operation."""

from __future__ import annotations

from collections.abc import Sequence

from popstrat.compiler.operations import Operation, readers
from popstrat.engine import STEPS

Steps = tuple[tuple[str, float], ...]


def join_chains(operations: Sequence[Operation]) -> list[Operation]:
    """With operations on one register of doubles joined to a CHAIN where nothing else reads what lies between them, so
    that it never leaves the processor's registers."""
    uses = readers(operations)
    chains: dict[int, tuple[int, Steps]] = {}  # value → the value its chain begins with, and the steps
    joined: dict[int, Operation] = {}
    for at, operation in enumerate(operations):
        name, results, operands = operation
        if name in STEPS:
            value, constant = operands[0], operands[1] if len(operands) > 1 else 0.0
            begin, before = chains.pop(value) if value in chains and uses[value] == 1 else (value, ())
            if before:
                del joined[value]
            chains[results[0]] = begin, (*before, (name, constant))
        joined[results[0] if results else -1 - at] = operation
    return [_as_chain(operation, chains) for operation in joined.values()]


def _as_chain(operation: Operation, chains: dict[int, tuple[int, Steps]]) -> Operation:
    if operation.results and len(chains.get(operation.results[0], ((), ()))[1]) > 1:
        return Operation("CHAIN", operation.results, chains[operation.results[0]])
    return operation
