"""Operations → the engine's program: put in order, given registers, constants collected."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from popstrat.compiler.operations import LISTED, Operation, atoms, in_order, operand_letters, reads
from popstrat.engine import INSTRUCTION_WIDTH, OPERATIONS, Program

_CLASSES = "buhf"  # of registers: bit planes, bytes, 16-bit integers, doubles


def assemble(
    operations: Sequence[Operation],
    classes: Sequence[str],
    column_kinds: Sequence[str],
    output_kinds: Sequence[str],
    counters: int,
    reuse: bool = True,
) -> Program:
    """The program of operations in any order; ``classes`` holds the register class of each value. Without ``reuse``
    every value has a register of its own."""
    operations = in_order(operations)
    constants = _Constants()
    registers = _Registers(operations, classes, reuse)
    code: list[list[int]] = []
    for at, operation in enumerate(operations):
        registers.allocate(operation)
        row = [OPERATIONS[operation.name][0], *(registers.of[v] for v in operation.results)]
        for letter, operand in zip(operand_letters(operation.name), operation.operands, strict=True):
            encoded = [constants.encode(what, atom, registers.of) for what, atom in atoms(letter, operand)]
            row += constants.listed(encoded, len(operand)) if letter in LISTED else encoded
        code.append(row + [0] * (INSTRUCTION_WIDTH - len(row)))
        registers.free_after(at, operation)
    used = registers.used
    return Program(
        np.array(code, dtype=np.int32).reshape(-1, INSTRUCTION_WIDTH),
        constants.arguments,
        list(constants.integers),
        [x for x, _ in constants.doubles],
        column_kinds,
        output_kinds,
        planes=used["b"],
        bytes=used["u"],
        shorts=used["h"],
        numbers=used["f"],
        counters=counters,
    )


class _Registers:
    """Gives each value a register while it is needed."""

    def __init__(self, operations: Sequence[Operation], classes: Sequence[str], reuse: bool) -> None:
        self.classes, self.reuse = classes, reuse
        self.of: dict[int, int] = {}
        self.used = dict.fromkeys(_CLASSES, 0)
        self._free: dict[str, list[int]] = {c: [] for c in _CLASSES}
        self._last = {value: at for at, operation in enumerate(operations) for value in reads(operation)}

    def allocate(self, operation: Operation) -> None:
        """A register for each value that the operation defines."""
        for value in operation.results:
            kind = self.classes[value]
            if self._free[kind]:
                self.of[value] = self._free[kind].pop()
            else:
                self.of[value] = self.used[kind]
                self.used[kind] += 1

    def free_after(self, at: int, operation: Operation) -> None:
        """Free the registers of values that the operation is the last to read, or that nothing reads. Only now, so that
        no operation both reads and writes a register."""
        if not self.reuse:
            return
        for value in {*reads(operation), *operation.results}:
            if self._last.get(value, -1) <= at:
                self._free[self.classes[value]].append(self.of[value])


class _Constants:
    """Constants, each once, and the lists of operands."""

    def __init__(self) -> None:
        self.arguments: list[int] = []
        self.integers: dict[int, int] = {}
        self.doubles: dict[tuple[float, float], int] = {}  # value and sign: zero has two

    def encode(self, what: str, atom: Any, registers: Mapping[int, int]) -> int:
        """A part of an operand as the engine reads it."""
        match what:
            case "r":
                return registers[atom]
            case "k":
                return self.doubles.setdefault((atom, math.copysign(1.0, atom)), len(self.doubles))
            case "i":
                return self.integers.setdefault(atom, len(self.integers))
            case "x":
                return int(OPERATIONS[atom][0])
            case _:
                return int(atom)

    def listed(self, encoded: Sequence[int], count: int) -> list[int]:
        """Where a list of so many items begins among the arguments, and how many there are."""
        self.arguments.extend(encoded)
        return [len(self.arguments) - len(encoded), count]
