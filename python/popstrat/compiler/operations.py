"""Operations as the compiler holds them, before they have registers.

A *value* is what an operation defines: each is defined once and numbered in the order of emission. What an operand
holds follows from its letter in the engine's table of operations (`engine/ops.h`).
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

from popstrat.engine import OPERANDS, OPERATIONS

# What an operand of each letter is made of: a register (r), a constant of doubles (k) or integers (i), a plain number
# (n), the name of an operation (x). Of a list, what one item of it is made of. The letters are the engine's.
_MADE_OF = {"register": "r", "column": "n", "output": "n", "counter": "n", "integer": "i", "double": "k"}
_OF_ITEMS = {"#": "n", "@": "n", "+": "x", "&": "x"}
SINGLE = {o.letter: _MADE_OF[o.kind] for o in OPERANDS.values() if o.kind != "list"}
LISTED = {
    o.letter: "".join(SINGLE.get(item) or _OF_ITEMS[item] for item in o.items)
    for o in OPERANDS.values()
    if o.kind == "list"
}


class Operation(NamedTuple):
    """One operation: its name, the values it defines, and its operands (values, constants or lists of them)."""

    name: str
    results: tuple[int, ...]
    operands: tuple[Any, ...]


@cache
def defined_classes(name: str) -> str:
    """The register class (b, u, h or f) of each value that an operation defines."""
    return "".join(letter.lower() for letter in OPERATIONS[name][1] if letter.isupper())


@cache
def operand_letters(name: str) -> str:
    """The letter of each operand that is not a value it defines."""
    return "".join(letter for letter in OPERATIONS[name][1] if not letter.isupper())


def counts(operation: Operation) -> bool:
    """Whether it adds to a counter, whatever else it does."""
    return "n" in OPERATIONS[operation.name][1]


def atoms(letter: str, operand: Any) -> Iterable[tuple[str, Any]]:
    """The parts of an operand with what each is (r, k, i, n or x), lists from first to last."""
    if letter in SINGLE:
        return ((SINGLE[letter], operand),)
    made_of = LISTED[letter]
    if len(made_of) == 1:
        return [(made_of, item) for item in operand]
    return [pair for item in operand for pair in zip(made_of, item, strict=True)]


def reads(operation: Operation) -> list[int]:
    """The values that an operation reads, as often as it reads them."""
    single, listed = _registers_among(operation.name)
    operands = operation.operands
    found: list[int] = [operands[i] for i in single]
    for operand, width, place in listed:
        given = operands[operand]
        if width == 1:
            found.extend(given)
        else:
            found.extend(item[place] for item in given)
    return found


@cache
def _registers_among(name: str) -> tuple[list[int], list[tuple[int, int, int]]]:
    """The operands that are values; and the lists that hold some: which, of how many parts an item is, and which part
    is a value."""
    letters = list(enumerate(operand_letters(name)))
    lists = [(i, LISTED[letter]) for i, letter in letters if "r" in LISTED.get(letter, "")]
    return [i for i, letter in letters if SINGLE.get(letter) == "r"], [(i, len(m), m.find("r")) for i, m in lists]


def readers(operations: Iterable[Operation]) -> dict[int, int]:
    """How often each value is read."""
    found: dict[int, int] = defaultdict(int)
    for operation in operations:
        for value in reads(operation):
            found[value] += 1
    return found


def in_order(
    operations: Sequence[Operation], second: Callable[[Operation], bool] = lambda operation: False
) -> list[Operation]:
    """The operations so that each follows those whose values it reads, otherwise as they stand.

    Those that are ``second`` wait until no other is ready, and then go on until none of them is.
    """
    defines = {value: i for i, operation in enumerate(operations) for value in operation.results}
    needs = [{defines[value] for value in reads(operation)} for operation in operations]
    followers: list[list[int]] = [[] for _ in operations]
    waiting = [len(found) for found in needs]
    for i, found in enumerate(needs):
        for j in found:
            followers[j].append(i)
    ready: dict[bool, list[int]] = {False: [], True: []}
    for i, count in enumerate(waiting):
        if count == 0:
            heapq.heappush(ready[second(operations[i])], i)
    out = []
    turn = False
    while ready[False] or ready[True]:
        if not ready[turn]:
            turn = not turn
        i = heapq.heappop(ready[turn])
        out.append(operations[i])
        for j in followers[i]:
            waiting[j] -= 1
            if waiting[j] == 0:
                heapq.heappush(ready[second(operations[j])], j)
    if len(out) != len(operations):
        raise RuntimeError("operations that wait for each other")
    return out
