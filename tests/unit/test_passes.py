"""The compiler's optional passes one by one, on operations written by hand, and what holds them together."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pytest

from popstrat.compiler import OPTIMISED, PASSES, PLAIN, compile_definitions
from popstrat.compiler.assembly import assemble
from popstrat.compiler.categories import CATEGORY
from popstrat.compiler.conditions import IS_FALSE, IS_TRUE
from popstrat.compiler.lowering import NODE_TYPES, Lowering, Table
from popstrat.compiler.numbers import NUMBER
from popstrat.compiler.operations import Operation, in_order, reads
from popstrat.compiler.options import NAMES
from popstrat.compiler.passes.drop_unused import drop_unused
from popstrat.compiler.passes.fold_planes import fold_planes
from popstrat.compiler.passes.gather_numbers import gather_numbers
from popstrat.compiler.passes.join_chains import join_chains
from popstrat.compiler.passes.write_early import write_early
from popstrat.compiler.program import TABLES
from popstrat.lang import nodes as n
from popstrat.packs.load import load_pack
from popstrat.scoring.scorer import Scorer


def op(name: str, results: int | Sequence[int] | None, *operands: object) -> Operation:
    """An operation that defines one value, several or none."""
    if results is None:
        return Operation(name, (), operands)
    return Operation(name, (results,) if isinstance(results, int) else tuple(results), operands)


def test_what_nothing_uses_is_dropped_and_what_counts_is_not() -> None:
    """A value that only an unused value reads goes as well; a check counts whether or not its planes are read."""
    used, unused = op("BITS", 0, 0), op("BITS", 1, 1)
    check = op("CHECK_I32", (3, 4), 2, 0, 100, 0)
    operations = [used, unused, op("NOT", 2, 1), check, op("OUT_BITS", None, 0, 0)]
    assert drop_unused(operations) == [used, check, operations[-1]]


def test_a_chain_ends_where_another_operation_reads_it() -> None:
    """Only values that nothing else reads disappear into a chain, and one step alone is no chain."""
    load, write = op("F64_F64", 0, 0), op("OUT_NUM", None, 0, 3, 9)
    steps = [op("ADDK", 1, 0, 2.0), op("MULK", 2, 1, 3.0), op("EXP", 3, 2)]
    assert join_chains([load, *steps, write]) == [
        load, op("CHAIN", 3, 0, (("ADDK", 2.0), ("MULK", 3.0), ("EXP", 0.0))), write,
    ]  # fmt: skip
    other = op("LN", 4, 2)  # the second step is read twice
    assert join_chains([load, *steps, other]) == [
        load, op("CHAIN", 2, 0, (("ADDK", 2.0), ("MULK", 3.0))), steps[2], other,
    ]  # fmt: skip


def test_planes_are_folded_where_nothing_else_reads_them() -> None:
    """The longest way to a plane is carried on; ANDNOT from its second operand is NOT; ORs alone are an ANY."""
    planes = [op("BITS", i, i) for i in range(4)]
    a, b, c = op("AND", 4, 0, 1), op("OR", 5, 4, 2), op("ANDNOT", 6, 3, 5)
    write = op("OUT_BITS", None, 0, 6)
    fold = op("FOLD", 6, (("OR", 0), ("AND", 1), ("OR", 2), ("NOT", 3)))
    assert fold_planes([*planes, a, b, c, write]) == [*planes, fold, write]
    twice = op("OUT_BITS", None, 1, 5)
    assert fold_planes([*planes, a, b, c, write, twice]) == [
        *planes, op("FOLD", 5, (("OR", 0), ("AND", 1), ("OR", 2))), c, write, twice,
    ]  # fmt: skip
    ors = [op("OR", 4, 0, 1), op("OR", 5, 4, 2), op("OUT_BITS", None, 0, 5)]
    assert fold_planes([*planes, *ors])[-2] == op("ANY", 5, (0, 1, 2))


def test_a_number_is_written_early_unless_its_mask_depends_on_it() -> None:
    """The chain takes the output and the mask along; a mask worked out from the chain's result forbids it."""
    chain, mask = op("CHAIN", 1, 0, (("NEG", 0.0), ("EXP", 0.0))), op("BITS", 2, 0)
    start, write = op("F64_F64", 0, 1), op("OUT_NUM", None, 0, 1, 2)
    early = op("CHAIN_OUT", 1, *chain.operands, 0, 2)
    assert write_early([start, chain, mask, write]) == [start, early, mask]
    assert in_order([start, early, mask]) == [start, mask, early]
    resting = op("FINITE", 2, 1)
    assert write_early([start, chain, resting, write]) == [start, chain, resting, write]


def test_work_on_doubles_is_gathered() -> None:
    """It waits for whatever else is ready, and comes without a break."""
    planes = [op("BITS", i, i) for i in range(2)]
    numbers = [op("F64_F64", 2, 2), op("EXP", 3, 2)]
    assert gather_numbers([planes[0], numbers[0], planes[1], numbers[1]]) == [*planes, *numbers]


def test_operations_that_wait_for_each_other_are_an_error() -> None:
    """No order of them would do."""
    with pytest.raises(RuntimeError, match="wait for each other"):
        in_order([op("NOT", 0, 1), op("NOT", 1, 0)])


def test_registers_are_used_again_or_not() -> None:
    """A register is free once its value has been read for the last time, never within the same operation."""
    operations = [op("BITS", 0, 0), op("NOT", 1, 0), op("NOT", 2, 1), op("NOT", 3, 2), op("OUT_BITS", None, 0, 3)]
    assert assemble(operations, "bbbb", ["bits"], ["bits"], 0).planes == 2
    assert assemble(operations, "bbbb", ["bits"], ["bits"], 0, reuse=False).planes == 4


def test_values_read_by_lists_and_pairs() -> None:
    """Constants, bit numbers and steps among them are no values."""
    assert reads(op("WEIGH", 9, 8, ((1, 0.5), (2, 0.25)))) == [8, 1, 2]
    assert reads(op("FOLD", 9, (("OR", 3), ("AND", 4)))) == [3, 4]
    assert reads(op("OUT_FLAGS", None, 0, ((5, 1), (6, 2)))) == [5, 6]
    assert reads(op("CHAIN", 9, 7, (("EXP", 0.0), ("ADDK", 1.0)))) == [7]
    assert reads(op("COUNT", None, 0, 3)) == [3]


@pytest.mark.parametrize("name", NAMES)
def test_each_pass_does_something(name: str) -> None:
    """Left out, it leaves another program for the London pack."""
    scorer = Scorer("london-2026", dt.date(2026, 6, 30))
    bindings = scorer.bind(scorer.input_schema).bindings
    kinds = {column: b.kind for column, b in bindings.items() if b.kind not in ("id", "text")}
    outputs = scorer.resolved.outputs
    whole = compile_definitions(scorer.resolved, kinds, outputs).program
    fewer = compile_definitions(scorer.resolved, kinds, outputs, options=OPTIMISED.without(name)).program
    assert fewer.listing() != whole.listing()


def test_options_by_name() -> None:
    """All left out by name is the plainest choice; what has no name is an error."""
    assert OPTIMISED.without(*NAMES) == PLAIN
    assert OPTIMISED.without("fold_planes").passes == tuple(p for p in PASSES if p is not fold_planes)
    with pytest.raises(KeyError):
        OPTIMISED.without("fold_plains")


def test_a_type_of_node_that_a_table_forgets_is_an_error() -> None:
    """As is one that it says two things of: the package then cannot be imported."""
    for table in (IS_TRUE, IS_FALSE, NUMBER, CATEGORY):
        assert {*table.functions} | table.never == NODE_TYPES
        functions = {kind: function for kind, function in table.functions.items() if kind is not n.Named}
        with pytest.raises(TypeError, match="Named"):
            Table(table.makes, functions, table.never)
        with pytest.raises(TypeError, match="Named"):
            Table(table.makes, table.functions, [*table.never, n.Named])


def test_what_a_table_never_makes() -> None:
    """A number is no condition."""
    resolved = load_pack("london-2026").at(dt.date(2026, 6, 30))
    lowering = Lowering(TABLES, resolved, {}, OPTIMISED)
    with pytest.raises(TypeError, match="not a condition"):
        lowering.true(n.CountTrue(n.NUMBER, "count()", ()))
