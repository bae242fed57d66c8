"""Why a model gives somebody no result: the first reason, in one order, that holds.

A part of `eligible` that is *not met* comes first, as written: whoever is outside is outside whatever else is recorded.
Then an input that the model requires and that has no record. Then a part that *cannot be told*, because something that
it reads has no record, which is the reason; so a null never reads as the opposite of what a part asks for. Then that
somebody is in no stratum, and that a term has no value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from popstrat.core.text import suggest
from popstrat.errors import PackError
from popstrat.lang import nodes as n
from popstrat.lang.nulls import may_be_null
from popstrat.lang.parser import cases, conjunction, disjunction, is_null, negation
from popstrat.lang.toml_places import Path
from popstrat.packs import shapes
from popstrat.packs.builder import Builder, Raw
from popstrat.packs.model.parts import Model
from popstrat.packs.model.scope import recorded, required
from popstrat.packs.patient_table import patient_schema
from popstrat.packs.phrases import no_record

_PART = ("when", "reason")
NO_STRATUM = "in no stratum"
NO_VALUE = "a term has no value"
NO_ROOM = "beyond what its column holds"
_NAMED = 8  # columns of a part that are told of by name where they have no record


@dataclass(frozen=True)
class Part:
    """A condition that everybody with a result meets, and the reason where it is not met. ``required``: that an input
    has a record, which the model asks for by itself."""

    condition: n.Node
    reason: str
    required: bool = False


def eligibility(builder: Builder, ident: str, raw: Raw) -> list[Part]:
    """The conditions for whom a model is: those it states, then a record of each input that it requires. Raises
    `PackError`."""

    def fail(message: str) -> PackError:
        return builder.fault(ident, message, "eligible")

    written = raw.get("eligible", [])
    if isinstance(written, str):
        written = [{"when": written, "reason": f"not: {' '.join(written.split())}"}]
    sound = isinstance(written, list) and all(isinstance(e, dict) for e in written)
    if not sound or ("eligible" in raw and not written):
        raise fail("`eligible` is a condition, or a list of { when, reason }")
    parts = []
    for number, entry in enumerate(written):
        wrong = next((key for key in entry if key not in _PART), None)
        if wrong is not None:
            told = f"each part of `eligible` has a `when` and a `reason`, and not {wrong!r}{suggest(wrong, _PART)}"
            raise builder.fault(ident, told, at=("eligible", number, wrong))
        if not isinstance(entry.get("reason"), str) or not entry["reason"]:
            raise fail("each part of `eligible` has a `when` and a `reason`")
        at: Path = ("eligible", number, "when") if isinstance(raw["eligible"], list) else ("eligible",)
        parts.append(Part(builder.parse(ident, "eligible", entry.get("when"), condition=True, at=at), entry["reason"]))
    for name, spec in shapes.items(raw.get("inputs")).items():
        if required(spec):
            record = recorded(builder.parse(ident, f"input {name}", spec.get("from", name), at=("inputs", name)))
            there = negation(is_null(record, f"{name} is null"), f"{name} is not null")
            parts.append(Part(there, _no_record(name, builder), required=True))
    if len({part.reason for part in parts}) < len(parts):
        raise fail("two parts of `eligible` give the same reason")
    return parts


def _no_record(name: str, builder: Builder) -> str:
    """The reason of who has no record of an input: by the title of a column that a pack adds."""
    if name in builder.schema and name not in patient_schema():
        return f"no record of {builder.schema[name].title}"
    return no_record([name])


def why_not(builder: Builder, model: Model, parts: Sequence[Part], result: n.Node) -> tuple[n.Node, tuple[str, ...]]:
    """The first reason why somebody has no result, a category, null for those who have one; and all that there are, in
    the order in which they count."""
    opened = [(_opened(part.condition, builder), part) for part in parts]
    items = [(negation(node, part.reason), [part.reason]) for node, part in opened]
    records: dict[str, n.Node] = {}  # reason → that there is no record
    for node, part in opened:
        if not part.required and may_be_null(node, lambda ident: builder.definition(ident).node):
            read = [*_records(node, builder)][:_NAMED]
            lost = {_no_record(c.name, builder): is_null(c, f"{c.name} is null") for c in read}
            records |= lost
            # the part's own reason for what has no value although everything has a record
            items.append((negation(_true(node), part.reason), [*lost, part.reason]))
    named = [s.when for s in model.strata if s.when is not None]
    if named:
        items.append((negation(_true(disjunction(named, "in a stratum")), NO_STRATUM), [NO_STRATUM]))
    items.append((n.IsNull(n.BOOL, NO_VALUE, n.Named(n.NUMBER, "", model.predictor)), [NO_VALUE]))
    if isinstance(result, n.Whole):
        items.append((n.IsNull(n.BOOL, NO_ROOM, result), [NO_ROOM]))
    reasons = tuple(dict.fromkeys(reason for _, given in items for reason in given))
    kind = n.Type("category", reasons)

    def first(given: Sequence[str]) -> n.Node:
        *before, last = given
        found = [(records[reason], n.Const(kind, reason, reason)) for reason in before]
        return cases(found, n.Const(kind, last, last), kind, "")

    node = cases([(when, first(given)) for when, given in items], n.Const(n.NULL, "null", None), kind, "")
    return (n.Cases(kind, "", (), node) if isinstance(node, n.Const) else node), reasons


def _opened(node: n.Node, builder: Builder) -> n.Node:
    """A condition that is true where this one is, with the rules of the definitions that it uses by name in their
    place: a name is false where its rule is unknown."""
    match node:
        case n.And():
            return conjunction([_opened(item, builder) for item in node.items], node.text)
        case n.Or():
            return disjunction([_opened(item, builder) for item in node.items], node.text)
        case n.Named() if node.type.kind == "bool":
            return _opened(builder.definition(node.id).node, builder)
        case n.Only():
            return conjunction([_opened(node.condition, builder), _opened(node.item, builder)], node.text)
    return node


def _records(node: n.Node, builder: Builder) -> Iterator[n.Column]:
    """The columns without a record of which the expression may be null, in the order in which it reads them."""
    seen: set[str] = set()

    def look(part: n.Node) -> Iterator[n.Column]:
        if isinstance(part, n.Column):
            if part.type.kind != "bool" and part.name not in seen:
                seen.add(part.name)
                yield part
        elif isinstance(part, n.Named):
            if part.type.kind != "bool" and part.id not in seen:
                seen.add(part.id)
                yield from look(builder.definition(part.id).node)
        elif may_be_null(part, lambda ident: builder.definition(ident).node):
            for inner in part.children():
                yield from look(inner)

    return look(node)


def _true(node: n.Node) -> n.Node:
    """`node` as a condition that is true or false, never unknown."""
    if isinstance(node, n.Const):
        return n.Const(n.BOOL, node.text, node.value is True)
    return cases([(node, n.Const(n.BOOL, "true", True))], n.Const(n.BOOL, "false", False), n.BOOL, node.text)
