"""Dead code: operations of which nothing that is written or counted makes use."""

from __future__ import annotations

from collections.abc import Sequence

from popstrat.compiler.operations import Operation, counts, reads


def drop_unused(operations: Sequence[Operation]) -> list[Operation]:
    """Without the operations that define only what nothing reads; writing and counting are uses of their own."""
    wanted: set[int] = set()
    kept = []
    for operation in reversed(operations):
        if not operation.results or counts(operation) or wanted.intersection(operation.results):
            wanted.update(reads(operation))
            kept.append(operation)
    return kept[::-1]
