"""Definitions → one program, with what its columns, outputs and counters stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from popstrat.compiler.assembly import assemble
from popstrat.compiler.categories import CATEGORY
from popstrat.compiler.comparisons import not_below
from popstrat.compiler.conditions import IS_FALSE, IS_TRUE
from popstrat.compiler.emitter import FALSE
from popstrat.compiler.lowering import Lowering, Tables
from popstrat.compiler.numbers import NUMBER
from popstrat.compiler.options import OPTIMISED, Options
from popstrat.compiler.outputs import Output, write, write_flags
from popstrat.engine import Program
from popstrat.lang import nodes as n
from popstrat.packs import plausibility
from popstrat.packs.definition import NOT_HELD, Definition
from popstrat.packs.resolved import Resolved

TallyKey = tuple[str, str, str]
TABLES = Tables(IS_TRUE, IS_FALSE, NUMBER, CATEGORY)


@dataclass
class Compiled:
    """A program and what its columns, outputs and counters stand for. Plain data; pickles."""

    program: Program
    columns: list[str]
    outputs: list[Output]
    quality: dict[tuple[str, str], int]  # (column, reason) → counter
    newest: dict[str, int]  # date column → NEWEST counter
    tallies: dict[TallyKey, int | None]  # what else is counted → counter, None for what never holds
    out_of_order: dict[str, tuple[int, int]]  # column that lies below another → counters of rows: both, and not below
    recorded: dict[str, tuple[int, ...]]  # column → counters of its values, NaN too; of a flag's true ones
    asked: dict[str, tuple[int | None, ...]]  # question → counters of its conditions, None for what never holds


def compile_definitions(
    resolved: Resolved,
    kinds: Mapping[str, str],
    outputs: Sequence[Definition],
    *,
    check: Iterable[str] = (),
    flags: bool = True,
    tallies: Mapping[TallyKey, n.Node] = MappingProxyType({}),
    aside: Sequence[Definition] = (),
    filled: Iterable[str] = (),
    questions: Mapping[str, Sequence[n.Node]] = MappingProxyType({}),
    counted: bool = True,
    options: Options = OPTIMISED,
) -> Compiled:
    """The program that writes the outputs for one arrangement of input columns.

    Args:
        resolved: the pack at its as-of date.
        kinds: the columns at hand → the engine's kind of each ("null": all null); any other column is absent.
        outputs: what is written, in this order.
        check: columns whose plausibility is checked besides those that the outputs use.
        flags: write `quality_flags` after the outputs.
        tallies: conditions to count.
        aside: what is written last, and not counted.
        filled: columns, among those that are checked, whose values are counted, of flags the true ones.
        questions: conditions on checked columns that are counted, some for each question.
        counted: without it nothing is counted that only a record tells of.
        options: which optimisations are made.
    """
    c = Lowering(TABLES, resolved, kinds, options)
    written: list[Output] = []
    for definition in outputs:
        written.append(write(c, definition, len(written), counted))
    check = list(check)
    for name in check:
        c.plausible.ok(name)
    disorder = _out_of_order(c, check)
    if flags:
        bits = {key: reason.bit for key, reason in plausibility.reasons(c.schema).items()}
        written.append(write_flags(c, len(written), bits))
    for definition in aside:
        written.append(write(c, definition, len(written), counted=False))
    newest: dict[str, int] = {}
    recorded = {name: _recorded(c, name) for name in filled}
    asked = {name: tuple(_tally(c, node) for node in nodes) for name, nodes in questions.items()}
    if counted or recorded:
        _count_implausible(c)
    if counted:
        newest = _newest(c)
    counts = {key: _tally(c, condition) for key, condition in tallies.items() if counted or key[1] == NOT_HELD}
    columns = list(c.columns.used)
    operations = c.e.operations
    for run in options.passes:
        operations = run(operations)
    program = assemble(
        operations, c.e.classes, [c.columns.kinds[name] for name in columns], [o.kind for o in written], c.e.counters,
        options.reuse,
    )  # fmt: skip
    return Compiled(program, columns, written, c.plausible.counted, newest, counts, disorder, recorded, asked)


def _out_of_order(c: Lowering, names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """For each column that lies below another in the same row: counters of the rows that hold both, and of those where
    it does not. Counted whether or not anything else is, since the caller may refuse them."""
    found = {}
    for name in names:
        other = c.schema[name].below
        if other is not None and c.columns.present(name) and c.columns.present(other):
            both, wrong = not_below(c, name, other)
            found[name] = c.e.rows(both), c.e.rows(wrong)
    return found


def _recorded(c: Lowering, name: str) -> tuple[int, ...]:
    """The counters of a column's values, plausible ones first and then the others, NaN among those; of a flag of the
    true ones."""
    if not c.columns.present(name):
        return ()
    if c.schema[name].type == "bool":
        return (c.e.rows(c.true(n.Column(n.BOOL, name, name))),)
    known, bad = c.plausible.counted, {why: plane for why, plane in c.plausible.bad.items() if why[0] == name}
    others = (known[why] if why in known else c.e.rows(plane) for why, plane in bad.items())
    return c.e.rows(c.plausible.ok(name)), *others


def _count_implausible(c: Lowering) -> None:
    """Count the implausible values that no check has counted in passing."""
    for reason, plane in c.plausible.bad.items():
        if reason not in c.plausible.counted:
            c.plausible.counted[reason] = c.e.rows(plane)


def _newest(c: Lowering) -> dict[str, int]:
    """The counter of the newest plausible date of each date column."""
    found: dict[str, int] = {}
    for name, plane in c.plausible.dates.items():
        found[name] = c.e.counter()
        c.e.emit("NEWEST", found[name], c.columns.index(name), c.e.register(plane))
    return found


def _tally(c: Lowering, condition: n.Node) -> int | None:
    """The counter of a condition, None where it never holds."""
    rows = c.true(condition)
    return None if rows == FALSE else c.e.rows(rows)
