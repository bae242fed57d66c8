"""Early writing: a number goes to its output column from the operation that makes it."""

from __future__ import annotations

from collections.abc import Sequence

from popstrat.compiler.operations import Operation, readers, reads


def write_early(operations: Sequence[Operation]) -> list[Operation]:
    """With numbers written by the chain or the look-up that makes them, unless the mask depends on the number: work
    goes on while memory takes them in. What writes a number may now stand before what makes its mask."""
    uses = readers(operations)
    maker_of = {value: i for i, operation in enumerate(operations) for value in operation.results}
    out: dict[int, Operation] = dict(enumerate(operations))

    def depends(value: int, on: int) -> bool:
        seen, left = {value}, [value]
        while left:
            # as they are by now: what writes a number waits for its mask
            fresh = set(reads(out[maker_of[left.pop()]])) - seen
            left.extend(fresh)
            seen |= fresh
        return on in seen

    for i, operation in enumerate(operations):
        if operation.name != "OUT_NUM":
            continue
        output, number, mask = operation.operands
        maker = out[maker_of[number]]
        if maker.name == "CHAIN" and not depends(mask, number):
            out[maker_of[number]] = Operation("CHAIN_OUT", maker.results, (*maker.operands, output, mask))
            del out[i]
        elif maker.name == "LOOKUP" and uses[number] == 1 and not depends(mask, number):
            out[maker_of[number]] = Operation("LOOKUP_OUT", (), (*maker.operands, output, mask))
            del out[i]
    return [out[i] for i in sorted(out)]
