"""Scheduling: the work on doubles stands together."""

from __future__ import annotations

from collections.abc import Sequence

from popstrat.compiler.operations import Operation, in_order
from popstrat.engine import IN_PARTS


def gather_numbers(operations: Sequence[Operation]) -> list[Operation]:
    """With the work on doubles drawn together, as late as it can wait: the engine then takes it in parts of a block
    that stay in the first-level cache."""
    return in_order(operations, second=lambda operation: operation.name in IN_PARTS)
