"""Output columns: how each is written, and what is counted of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from popstrat.compiler.emitter import FALSE, TRUE, Plane
from popstrat.compiler.held import Number
from popstrat.compiler.loading import doubles
from popstrat.compiler.lowering import Lowering
from popstrat.packs.definition import Definition


@dataclass
class Output:
    """An output column of the program: how the engine writes it and what it counts."""

    name: str
    kind: str  # bits, codes, short, number, flags
    nullable: bool
    definition: Definition | None
    valid: int | None = None  # counter of the rows that are not null, where some may be
    nulls_of: int = -1  # the first output that is null for the same rows: its bitmap is this one's too
    counters: dict[str, int] = field(default_factory=dict)  # label → counter; of a number "" → how many are not null
    total: int | None = None  # SUM counter of a number
    total_planes: tuple[int, ...] = ()  # or one COUNT for each of its bit planes, lowest first


def write(c: Lowering, definition: Definition, number: int, counted: bool = True) -> Output:
    """Emit the writing and counting of a definition's output column, the ``number``-th of the program."""
    assert definition.output is not None
    out = Output(definition.output, "", False, definition)
    ok = _WRITERS[definition.node.type.kind](c, definition, number, out, counted)
    out.nullable = ok != TRUE
    if out.nullable:
        out.valid = c.e.rows(ok)
        out.nulls_of = c.nulls.setdefault(out.valid, number)
        if out.nulls_of == number:
            c.e.emit("OUT_VALID", number, c.e.register(ok))
    return out


def write_flags(c: Lowering, number: int, bits: Mapping[tuple[str, str], int | None]) -> Output:
    """Emit the writing of `quality_flags`: the bit of each reason for which a value was set aside, if it has one."""
    found = ((plane, bits[reason]) for reason, plane in c.plausible.bad.items())
    pairs = tuple((c.e.register(plane), bit) for plane, bit in found if bit is not None)
    c.e.emit("OUT_FLAGS", number, pairs)
    return Output("quality_flags", "flags", False, None)


def _condition(c: Lowering, definition: Definition, number: int, out: Output, counted: bool) -> Plane:
    out.kind = "bits"
    plane = c.true(definition.node)
    c.e.emit("OUT_BITS", number, c.e.register(plane))
    if counted:
        _count(c, out, "true", plane)
    return TRUE


def _category(c: Lowering, definition: Definition, number: int, out: Output, counted: bool) -> Plane:
    out.kind = "codes"
    category = c.category(definition.node)
    labels = definition.node.type.labels
    planes = [category.label(label) for label in labels]
    if counted:
        for label, plane in zip(labels, planes, strict=True):
            _count(c, out, label, plane)
    c.e.emit("OUT_CODES", number, tuple(c.e.register(p) for p in c.e.binary(planes)))
    return category.ok


def _number(c: Lowering, definition: Definition, number: int, out: Output, counted: bool) -> Plane:
    e, value, dtype = c.e, c.number(definition.node), definition.dtype
    ok = value.ok
    if dtype == "uint8" and value.planes is not None and len(value.planes) <= 8:
        out.kind = "codes"
        e.emit("OUT_CODES", number, tuple(e.register(e.both(p, ok)) for p in value.planes))
    elif dtype == "int16":
        out.kind = "short"
        short = value.short if value.short is not None else e.value("SHORT_NUM", doubles(e, value))
        e.emit("OUT_SHORT", number, short, e.register(ok))
    else:
        out.kind = "number"
        e.emit("OUT_NUM", number, doubles(e, value), e.register(ok))
    if counted and ok != FALSE:
        _count(c, out, "", ok)
        _total(c, out, value, ok)
    return ok


def _count(c: Lowering, out: Output, label: str, plane: Plane) -> None:
    if plane != FALSE:
        out.counters[label] = c.e.rows(plane)


def _total(c: Lowering, out: Output, value: Number, ok: Plane) -> None:
    if value.planes is None:
        out.total = c.e.counter()
        c.e.emit("SUM", out.total, doubles(c.e, value), c.e.register(ok))
        return
    out.total_planes = tuple(c.e.rows(c.e.both(plane, ok)) for plane in value.planes)


_WRITERS: Mapping[str, Callable[[Lowering, Definition, int, Output, bool], Plane]] = {
    "bool": _condition,
    "category": _category,
    "number": _number,
}
