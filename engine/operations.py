"""The table of operations (`ops.h`) as Python has it: what each takes, and what follows from that.

Nothing else says what an operation is; the verifier, the listing, the pacing, the assembler, tests and benchmarks read
this.
"""

from __future__ import annotations

from typing import NamedTuple

from popstrat.engine._table import column_kinds, operands, operations, output_kinds


class Operand(NamedTuple):
    """What a letter of an operation's operands stands for; ops.h explains kinds and items."""

    letter: str
    kind: str  # register, column, output, counter, integer, double or list
    bits: int  # of a register, a row
    items: str  # of a list: a letter for each integer of an item
    least: int  # items of a list
    meaning: str


class Operation(NamedTuple):
    """One operation: its number in programs, its operands (capitals are written), what it reads, writes and costs."""

    code: int
    operands: str
    name: str
    reads: str  # kind of its columns, "" for any
    writes: str  # kind of its output, "" for any
    cost: int
    item: int
    most: int

    @property
    def results(self) -> str:
        """The classes of registers that it writes."""
        return "".join(letter.lower() for letter in self.operands if letter.isupper())


OPERANDS: dict[str, Operand] = {found[0]: Operand(*found) for found in operands()}
LISTS: dict[str, str] = {o.letter: o.items for o in OPERANDS.values() if o.kind == "list"}
OPERATIONS: dict[str, Operation] = {
    name: Operation(code, operands, name, reads, writes, cost, item, most)
    for code, (name, operands, reads, writes, cost, item, most) in enumerate(operations())
}
BY_CODE: tuple[Operation, ...] = tuple(OPERATIONS.values())
COLUMN_BITS: dict[str, int] = column_kinds()
OUTPUT_BITS: dict[str, int] = output_kinds()

IN_PARTS = frozenset(
    o.name for o in BY_CODE if set("Ff") & set(o.operands) or (set(o.operands) <= set("Hhbi") and "H" in o.operands)
)
"""Operations that go over a block in parts, so that their registers stay in the first-level cache: those on doubles,
and from 16-bit integers to others."""

STEPS = frozenset(o.name for o in BY_CODE if o.operands in ("Ff", "Ffk"))
"""Operations that CHAIN does one after the other: from one register of doubles to another, with a constant at most."""

FOLDS = ("AND", "OR", "XOR", "ANDNOT", "NOT")
"""Operations that FOLD does one after the other."""

STEP_CODES = frozenset(OPERATIONS[name].code for name in STEPS)
FOLD_CODES = frozenset(OPERATIONS[name].code for name in FOLDS)
