"""What each term of a model adds to a patient's linear predictor.

Every contribution is a multiple of the grid that linear predictors are added up in (`popstrat.lang.values.GRID`), so
the contributions of a patient, with where their stratum starts, add up to the linear predictor to the last bit.
Terms are expressions like any other: they are compiled into the same program as the scores.

What a default adds, where there is no record, is no reason: it is never listed, and stands in a column of its own where
all contributions are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from popstrat.core.arrow import text_array
from popstrat.core.text import suggest
from popstrat.engine import Memory
from popstrat.errors import InputError
from popstrat.lang import nodes as n
from popstrat.lang.parser import cases, conjunction, negation
from popstrat.lang.values import on_grid
from popstrat.packs.definition import Definition
from popstrat.packs.model.on_record import on_record
from popstrat.packs.model.parts import Model, Stratum
from popstrat.packs.resolved import Resolved

MOST = 64  # of a patient; as many as the engine takes (`engine.arrays.top_k.MOST`)
START, DEFAULTS, PREDICTOR = "start", "defaults", "linear_predictor"
LISTED = pa.list_(
    pa.field(
        "item",
        pa.struct(
            [
                pa.field("term", pa.dictionary(pa.int16(), pa.string()), nullable=False),
                pa.field("amount", pa.float64(), nullable=False),
            ]
        ),
        nullable=False,
    )
)
"""A patient's largest contributions: term and amount, the largest first, whatever the sign."""


def column_name(model: Model) -> str:
    """The column that holds a model's largest contributions."""
    return f"{model.id}_contributions"


def chosen(resolved: Resolved, model: str | None) -> Model:
    """The model of that id, or the pack's only one. Raises `InputError`."""
    found = resolved.models
    known = ", ".join(found) or "none"
    if model is None:
        if len(found) != 1:
            raise InputError(f"say which model: the pack has {known}")
        return next(iter(found.values()))
    if model not in found:
        raise InputError(f"there is no model {model!r}{suggest(model, found)}: the pack has {known}")
    return found[model]


Part = tuple[n.Node, float]
"""What is summed, and its weight."""


@dataclass(frozen=True)
class Entry:
    """One term in one stratum, as the program writes it: bits and an amount for a condition, else numbers."""

    term: int
    amount: float | None
    definition: Definition


class Listing:
    """A model's largest contributions as a column: what the program is to write besides, and what is made of it."""

    def __init__(self, resolved: Resolved, model: Model, k: int) -> None:
        if not 1 <= k <= MOST:
            raise InputError(f"between 1 and {MOST} contributions can be listed, not {k}")
        self.model, self.k = model, k
        self.name = column_name(model)
        self.terms = text_array([term.id for term in model.terms])
        self.entries = tuple(_entries(resolved, model))
        scored = negation(n.IsNull(n.BOOL, "", _predictor(model)), "has a linear predictor")
        self.scored = _definition(resolved, model, "scored", scored)

    @property
    def definitions(self) -> list[Definition]:
        """What the program writes for it; nothing of that is in the scored table."""
        return [self.scored, *(entry.definition for entry in self.entries)]

    def column(self, written: Sequence[tuple[Memory, Memory | None]], rows: int) -> pa.Array:
        """The column, of what the program wrote for `definitions`."""
        from popstrat.engine.arrays.top_k import top_k

        present = pa.py_buffer(written[0][0])
        columns = [
            (entry.term, entry.amount, values, valid)
            for entry, (values, valid) in zip(self.entries, written[1:], strict=True)
        ]
        offsets, codes, amounts = top_k(columns, present, rows, 0, rows, self.k)
        term, amount = LISTED.value_type
        numbers = pa.Array.from_buffers(term.type.index_type, len(codes), [None, pa.py_buffer(codes)])
        values = pa.Array.from_buffers(amount.type, len(amounts), [None, pa.py_buffer(amounts)])
        terms = pa.DictionaryArray.from_arrays(numbers, self.terms, safe=False)
        items = pa.StructArray.from_arrays([terms, values], fields=[term, amount])
        return pa.Array.from_buffers(LISTED, rows, [present, pa.py_buffer(offsets)], children=[items])


def _entries(resolved: Resolved, model: Model) -> list[Entry]:
    found = []
    for place, stratum in enumerate(model.strata):
        within = _within(model, place)
        for number, term in enumerate(model.terms):
            part = term.parts[place]
            if part is None:
                continue
            node, weight = part
            name = f"{stratum.name}.{term.id}"
            told = on_record(model, node)
            where = within if told is None else [*within, told]
            if node.type.kind == "bool":
                condition = conjunction([*where, node], term.id)
                entry = Entry(number, on_grid(weight), _definition(resolved, model, name, condition))
            else:
                amount = _only(where, n.WeightedSum(n.NUMBER, term.id, 0.0, (part,)))
                entry = Entry(number, None, _definition(resolved, model, name, amount))
            found.append(entry)
    return found


def every_term(resolved: Resolved, model: Model) -> list[Definition]:
    """A column for each term: what it adds by the record, 0 where it does not apply; where the stratum starts; what
    defaults add in the place of records; and their sum. Null for whoever has no linear predictor."""
    scored = negation(n.IsNull(n.BOOL, "", _predictor(model)), "has a linear predictor")
    taken = {START, DEFAULTS, PREDICTOR}
    made = [
        _definition(resolved, model, START, _only([scored], _across(model, [_number(s.start) for s in model.strata])))
    ]
    stood_in: list[list[tuple[n.Node, float]]] = [[] for _ in model.strata]
    for term in model.terms:
        if term.id in taken:
            raise InputError(f"a term is called {term.id!r}, which is the name of another column")
        sums = []
        for part, besides in zip(term.parts, stood_in, strict=True):
            recorded, default = _divided(model, part)
            sums.append(n.WeightedSum(n.NUMBER, term.id, 0.0, recorded))
            besides += default
        made.append(_definition(resolved, model, term.id, _only([scored], _across(model, sums))))
    besides_of = [n.WeightedSum(n.NUMBER, DEFAULTS, 0.0, tuple(parts)) for parts in stood_in]
    made.append(_definition(resolved, model, DEFAULTS, _only([scored], _across(model, besides_of))))
    return [*made, _definition(resolved, model, PREDICTOR, _predictor(model))]


def _divided(model: Model, part: Part | None) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """A term's part as it adds by the record, and as it adds where a default stood in: each nothing where the other is
    something."""
    if part is None:
        return (), ()
    node, weight = part
    told = on_record(model, node)
    if told is None:
        return (part,), ()
    default = negation(told, "a default stood in")
    if node.type.kind == "bool":
        return ((conjunction([node, told], ""), weight),), ((conjunction([node, default], ""), weight),)
    return ((_where(told, node), weight),), ((_where(default, node), weight),)


def _where(condition: n.Node, node: n.Node) -> n.Node:
    """A number where the condition holds, 0 elsewhere."""
    return cases([(condition, node)], n.Const(n.NUMBER, "0", 0), n.NUMBER, node.text)


def _predictor(model: Model) -> n.Named:
    return n.Named(n.NUMBER, model.predictor, model.predictor)


def _number(x: float) -> n.WeightedSum:
    return n.WeightedSum(n.NUMBER, START, x, ())


def _within(model: Model, place: int) -> list[n.Node]:
    """Who is scored in a stratum: eligible, in it, and in none before it."""
    conditions = [] if model.eligible is None else [model.eligible]
    when = model.strata[place].when
    if when is not None:
        codes = [_code(i) for i in range(len(model.strata))]
        items = [(_when(s), code) for s, code in zip(model.strata, codes, strict=True)]
        which = cases(items, n.Const(n.NULL, "null", None), n.NUMBER, "stratum")
        conditions.append(n.Compare(n.BOOL, f"stratum is {model.strata[place].name}", "==", which, codes[place]))
    return conditions


def _code(i: int) -> n.Const:
    return n.Const(n.NUMBER, str(i), i)


def _when(stratum: Stratum) -> n.Node:
    assert stratum.when is not None
    return stratum.when


def _across(model: Model, found: Sequence[n.Node]) -> n.Node:
    if model.strata[0].when is None:
        return found[0]
    items = [(_when(s), node) for s, node in zip(model.strata, found, strict=True)]
    return cases(items, n.Const(n.NULL, "null", None), n.NUMBER, "by stratum")


def _only(conditions: Sequence[n.Node], node: n.Node) -> n.Node:
    return n.Only(node.type, node.text, conjunction(conditions, ""), node) if conditions else node


def _definition(resolved: Resolved, model: Model, name: str, node: n.Node) -> Definition:
    kind = "bool" if node.type.kind == "bool" else "float64"
    version = resolved.definitions[model.id].version
    return Definition(f"{model.id}:{name}", "term", node, name, "", "", version, name, kind, {}, model.id)


def is_listed(kind: pa.DataType) -> bool:
    """Whether a column of this type holds listed contributions, whatever file it comes from."""
    if not pa.types.is_list(kind) or not pa.types.is_struct(kind.value_type):
        return False
    return [f.name for f in kind.value_type] == [f.name for f in LISTED.value_type]


def as_text(column: pa.Array) -> pa.Array:
    """Listed contributions as text, for formats without lists: ``copd +0.5256; age_from_70 +0.44``."""
    from popstrat.core.lazy import compute as pc

    items = column.flatten()
    terms, amounts = items.field("term").cast(pa.string()), items.field("amount")
    signs = pc.if_else(pc.greater(amounts, 0.0), pa.scalar(" +"), pa.scalar(" "))
    shown = pc.binary_join_element_wise(terms, pc.binary_join_element_wise(signs, _short(amounts), ""), "")
    sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), shown), "; ")
    return pc.if_else(column.is_valid(), joined, pa.scalar(None, pa.string()))


def _short(amounts: pa.Array) -> Any:
    from popstrat.core.lazy import compute as pc

    return pc.round(amounts, 6).cast(pa.string())
