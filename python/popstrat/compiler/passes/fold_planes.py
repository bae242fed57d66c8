"""Folds: logic on bit planes, step after step, as one operation."""

from __future__ import annotations

from collections.abc import Sequence

from popstrat.compiler.operations import Operation, readers

Fold = tuple[tuple[str, int], ...]
"""How a plane comes about: it starts with one plane, whose step does not count, and each step takes in another."""


def fold_planes(operations: Sequence[Operation]) -> list[Operation]:
    """With operations on planes joined to a FOLD, or an ANY, where nothing else reads what lies between them."""
    uses = readers(operations)
    folds: dict[int, Fold] = {}
    joined: dict[int, Operation] = {}
    for at, operation in enumerate(operations):
        name, results, operands = operation
        items: tuple[int, ...] = ()
        if name == "ANY":
            items = operands[0]
        elif name in ("AND", "OR", "XOR", "ANDNOT"):
            items = operands
        if len(items) > 1:
            step = "OR" if name == "ANY" else name
            before = max(items, key=lambda v: len(folds.get(v, ())) if uses[v] == 1 else 0)
            first: Fold = (("OR", before),)
            if uses[before] == 1 and before in folds:
                first = folds.pop(before)
                del joined[before]
            if step == "ANDNOT" and before == items[1] != items[0]:
                rest: Fold = (("NOT", items[0]),)
            else:
                others = list(items)
                others.remove(before)
                rest = tuple((step, v) for v in others)
            folds[results[0]] = first + rest
        joined[results[0] if results else -1 - at] = operation
    return [_as_fold(operation, folds) for operation in joined.values()]


def _as_fold(operation: Operation, folds: dict[int, Fold]) -> Operation:
    fold = folds.get(operation.results[0], ()) if operation.results else ()
    if len(fold) <= 2:
        return operation
    if all(step == "OR" for step, _ in fold):
        return Operation("ANY", operation.results, (tuple(value for _, value in fold),))
    return Operation("FOLD", operation.results, (fold,))
