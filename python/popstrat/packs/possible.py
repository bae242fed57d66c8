"""What the conditions of a pack can be at all, as the plausible ranges and the labels of its columns tell.

A condition that can never hold, or always holds, is a slip more often than it is meant: a threshold in another unit, a
rule below one that takes everybody. It means what it says all the same, so that it is told and not refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from popstrat.lang import nodes as n
from popstrat.lang.toml_places import Path
from popstrat.packs import shapes
from popstrat.packs.definition import Definition
from popstrat.packs.model.parts import Model
from popstrat.packs.reach import About, Known, Reach, holding, reach
from popstrat.packs.resolved import Resolved

_ANY = Reach()
Tell = Callable[..., None]
_MOST_PARTS = 50_000  # of a term that is looked through
_MOST_BEFORE = 500  # conditions of a list that each later one is held against


@dataclass(frozen=True)
class Remark:
    """What is told of a definition, and the text of it that is meant."""

    definition: str
    told: str
    text: str
    at: Path = ()


def remarks(resolved: Resolved) -> Iterator[Remark]:
    """What is odd about the conditions of a pack: each once, with the definition that has it."""
    possible = _Possible(resolved)
    for definition in resolved.definitions.values():
        if definition.parent is None:
            yield from _of(definition, possible, resolved)


def _of(d: Definition, possible: _Possible, resolved: Resolved) -> Iterator[Remark]:
    found: dict[str, Remark] = {}

    def tell(told: str, text: str, at: Path = ()) -> None:
        found.setdefault(text or told, Remark(d.id, told, text, at))

    for node in d.eligible:
        if True not in possible.truths(node):
            tell("is for nobody: `eligible` never holds", node.text)
    possible.known = {}
    held = holding(d.eligible, possible.about)
    if held is None and not found:
        tell("is for nobody: the parts of `eligible` exclude one another", "", ("eligible",))
    _conditions([part for node in d.eligible for part in node.walk()], possible, tell)
    possible.known = held or {}  # from here on, of whoever is eligible
    rules = d.rules if d.kind == "first_match" else {}
    _reached([(f"rule {i}", node) for i, node in enumerate(rules.values(), 1)], possible, tell)
    model = resolved.models.get(d.id)
    strata = [(f"the stratum {s.name}", s.when) for s in model.strata if s.when is not None] if model else []
    _reached(strata, possible, tell)
    slope = shapes.items(d.raw.get("recalibration")).get("slope", 1)
    if any(one < 0 for one in (slope.values() if isinstance(slope, dict) else [slope])):
        tell("a `recalibration` with a slope under 0 turns the order of the results round", "slope")
    outside = {id(part) for node in d.eligible for part in node.walk()}  # what is known is no news
    for node in (*d.rules.values(), *(when for _, when in strata), n.bare(d.node)):
        _conditions([part for part in node.walk() if id(part) not in outside], possible, tell)
    if model:
        _terms(d, model, possible, tell)
        _inputs(model, possible, tell)
        for name, told in model.shadowed:
            tell(told, "", _place(d.raw, name))
    possible.known = {}
    yield from found.values()


def _conditions(parts: Iterable[n.Node], possible: _Possible, tell: Tell) -> None:
    """Tell of comparisons that cannot come out either way."""
    for part in parts:
        if isinstance(part, n.Compare) and any(map(_record, (part.left, part.right))):
            truths = possible.truths(part)
            if True not in truths or False not in truths:
                how = "never holds" if True not in truths else "always holds where there is a value"
                tell(f"`{part.text}` {how}: {possible.range_of(part)}", part.text)


def _terms(d: Definition, model: Model, possible: _Possible, tell: Tell) -> None:
    """Tell of terms that make no difference between any two people whom the model is for; not of a flag by itself that
    `eligible` rules out in as many words, nor of its products: published models are used so."""
    made = {term["id"]: term for term in shapes.tables(d.raw.get("terms"))}
    ruled_out: set[str] = set()
    for term in model.terms:
        factors = set(made.get(term.id, {}).get("product", ()))
        plain = [part[0] for part in term.parts if part is not None]
        if factors & ruled_out:
            ruled_out.add(term.id)
            continue
        if all(possible.known.get(node, _ANY).truths == {False} for node in plain):
            ruled_out.add(term.id)
            continue
        nodes = list(dict.fromkeys(part[0] for part in term.parts if part is not None))
        if sum(n.extent(node, {})[1] for node in nodes) > _MOST_PARTS:
            continue
        place = _place(d.raw, term.id)
        reaches = [possible.reach(node) for node in nodes]
        conditions = all(node.type.kind == "bool" for node in nodes)
        if conditions and not any(True in found.truths for found in reaches):
            ruled_out.add(term.id)
            tell(f"term {term.id!r} can be true for nobody whom the model is for", nodes[0].text, place)
        elif all(not found.null and (found.truths == {True} or found.fixed) for found in reaches):
            tell(f"term {term.id!r} is the same for everybody whom the model is for", nodes[0].text, place)
        else:
            for node in nodes:
                _conditions(node.walk(), possible, lambda told, text, at=(): tell(told, text, place))  # noqa: B023


def _inputs(model: Model, possible: _Possible, tell: Tell) -> None:
    """Tell of defaults that no record could have been."""
    for made in model.inputs:
        if made.default is None or made.given.type.kind != "number":
            continue
        record, other = (reach(node, possible.about).interval for node in (made.given, made.default))
        if record is not None and other is not None and (other.low > record.high or other.high < record.low):
            told = f"lies between {record.low:.10g} and {record.high:.10g}"
            tell(f"input {made.name!r}: its default is outside of what a record can say: {made.given.text} {told}", "",
                 ("inputs", made.name, "default"))  # fmt: skip


def _place(raw: Mapping[str, Any], name: str) -> Path:
    """The keys of a model at which a term stands, or a derived value."""
    if name in shapes.items(raw.get("derived")):
        return ("derived", name)
    for number, term in enumerate(raw.get("terms", ())):
        if name == term["id"] or name.startswith(f"{term['id']}."):
            return ("terms", number)
    return ("terms",)


def _reached(rules: Sequence[tuple[str, n.Node]], possible: _Possible, tell: Tell) -> None:
    """Tell of what nobody reaches in a list of which the first that holds counts."""
    before: list[tuple[n.Node, str]] = []  # what takes everybody for whom it holds
    everybody = ""
    for name, node in rules:
        truths = possible.truths(node)
        parts = (node, *_joined(node))
        earlier = next((other for held, other in before for part in parts if _implies(part, held)), "")
        if everybody or earlier:
            tell(f"nobody reaches {name}: {everybody or earlier} above it holds for all of them", node.text)
        elif True not in truths:
            told = possible.range_of(node) if isinstance(node, n.Compare) else ""
            tell(f"nobody reaches {name}: it never holds{f': {told}' if told else ''}", node.text)
        if possible.always(node):
            everybody = everybody or name
        if len(before) < _MOST_BEFORE:
            before += ((part, name) for part in (node, *_either(node)))


def _implies(a: n.Node, b: n.Node) -> bool:
    """Whether wherever the one holds so does the other; false if that is not plain to see."""
    if isinstance(a, n.IsIn) and isinstance(b, n.IsIn):
        return a.item == b.item and set(a.values) <= set(b.values)
    if not (isinstance(a, n.Compare) and isinstance(b, n.Compare) and a.left == b.left):
        return a == b
    x, y = (side.right.value if isinstance(side.right, n.Const) else None for side in (a, b))
    if x is None or y is None or isinstance(x, str) or isinstance(y, str):
        return a == b
    match a.op, b.op:
        case (">" | ">=" | "==") as first, (">" | ">=") as second:
            return bool(x > y or (x == y and (first == ">" or second == ">=")))  # type: ignore[operator]
        case ("<" | "<=" | "==") as first, ("<" | "<=") as second:
            return bool(x < y or (x == y and (first == "<" or second == "<=")))  # type: ignore[operator]
    return a == b


def _joined(node: n.Node) -> tuple[n.Node, ...]:
    """Conditions that hold wherever this one does."""
    return node.items if isinstance(node, n.And) else ()


def _either(node: n.Node) -> tuple[n.Node, ...]:
    """Conditions where which this one holds."""
    return node.items if isinstance(node, n.Or) else ()


def _record(node: n.Node) -> n.Column | None:
    """The column that an expression is, or that an input is with what stands in for it."""
    item = node.item if isinstance(node, n.Coalesce) else node
    return item if isinstance(item, n.Column) else None


class _Possible:
    """What conditions can be, with the definitions that they use, where what is ``known`` holds."""

    def __init__(self, resolved: Resolved) -> None:
        self.schema = resolved.pack.schema
        self.about = About(self.schema, {d.id: d.node for d in resolved.definitions.values()}, resolved.as_of)
        self.risks = {ident for ident, model in resolved.models.items() if model.link != "identity"}
        self.known: Known = {}

    def reach(self, node: n.Node) -> Reach:
        return reach(node, self.about, self.known)

    def truths(self, node: n.Node) -> frozenset[bool]:
        """Whether it can be true, and whether false, where it is not unknown."""
        return self.reach(node).truths

    def always(self, node: n.Node) -> bool:
        """Whether it is true for everybody."""
        found = self.reach(node)
        return not found.null and found.truths == {True}

    def range_of(self, compared: n.Compare) -> str:
        """The range of the column, or of the definition, that is compared, in words; nothing if it has no ends."""
        for node in (compared.left, compared.right):
            if isinstance(node, n.Named) and node.id in self.risks:
                return f"{node.id} lies between 0 and 1"
        found = list(filter(None, map(_record, (compared.left, compared.right))))
        if not found:
            return ""
        node = found[0]
        name, interval = node.name, self.reach(node).interval
        if node.type.kind == "date":
            return f"{name} lies between {self.schema.earliest_date} and the as-of date"
        if node.type.kind != "number" or interval is None or not interval.safe:
            return ""
        column, low, high = self.schema[name], interval.low, interval.high
        unit = f" {column.unit}" if column.unit else ""
        if node not in self.known and None not in (column.minimum, column.maximum):
            return f"{name} lies between {column.minimum} and {column.maximum}{unit}"
        whom = ", for whom it is" if node in self.known else ""
        return f"{name} lies between {low:.6g} and {high:.6g}{unit}{whom}"
