"""Conditions and values in words, with what they saw in one patient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from popstrat.lang import nodes as n
from popstrat.packs import phrases
from popstrat.packs.definition import Definition
from popstrat.packs.evaluator import Patient, Reference
from popstrat.packs.model.parts import Model
from popstrat.packs.phrases import words

_SIGNS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "=", "!=": "≠"}
_ARITHMETIC = {"+": "+", "-": "−", "*": "×", "/": "/", "**": "^"}
_FEW = 4  # conditions that any() or count() may name one by one; beyond that only those that hold are named


class Narrator:
    """Says what a rule saw in one patient, and notes which other definitions it spoke of: a `kinds.kind.Witness`."""

    def __init__(self, reference: Reference, row: Mapping[str, Any]) -> None:
        self.reference, self.resolved = reference, reference.resolved
        self.patient: Patient = reference.patient(row)
        self._aside = {column for column, _ in self.patient.set_aside}
        self._mentioned: list[str] = []

    def value(self, node: n.Node) -> n.Value:
        """What an expression is for this patient."""
        return self.reference.value(node, self.patient)

    def named(self, ident: str) -> n.Value:
        """What a definition is for this patient, before it is rounded to its column's type."""
        return self.reference.named(ident, self.patient)

    def has(self, column: str) -> bool:
        """Whether a column has a plausible value for this patient."""
        return self.patient.values.get(column) is not None

    def definition(self, ident: str) -> Definition | None:
        """A definition of the pack."""
        return self.resolved.definitions.get(ident)

    def model(self, ident: str) -> Model:
        """What is known of a model."""
        return self.resolved.models[ident]

    def birth_of(self, column: str) -> str | None:
        """The column that an age is counted from."""
        return self.resolved.pack.schema[column].completed_years_since

    def mention(self, ident: str) -> None:
        """Note that another definition was spoken of."""
        self._mentioned.append(ident)

    @contextmanager
    def listening(self) -> Iterator[list[str]]:
        """The definitions that are spoken of inside, in order; not those of an inner `listening`."""
        outer, self._mentioned = self._mentioned, []
        try:
            yield self._mentioned
        finally:
            self._mentioned = outer

    # -- conditions --

    def condition(self, node: n.Node, inside: bool = False) -> str:
        """A condition with the values it saw; inside others, each with its answer."""
        answer = f" ({phrases.answer(self.value(node))})" if inside else ""
        match node:
            case n.And() | n.Or():
                named = self._listed(node)
                if named is not None:
                    return named
                joint = " and " if isinstance(node, n.And) else " or "
                text = joint.join(self.condition(i, True) for i in _flat(node))
                return f"[{text}]" if inside else text
            case n.Not(item=n.IsNull(item=item)):
                return f"{self.said(item)} has a value{answer}"
            case n.Not(item=n.And() | n.Or() as item):
                return f"not {self.condition(item, True)}"
            case n.Not(item=n.Column(name=name)):
                return f"not {self._inside(words(name), node.item, inside)}"
            case n.Not(item=n.Named(id=ident)):
                self.mention(ident)
                return f"not {self._inside(words(ident), node.item, inside)}"
            case n.Not(item=n.IsIn(values=values)) if len(values) > 1:
                return f"not [{self.condition(node.item)}]{answer}"
            case n.Not():
                return f"not {self.condition(node.item)}{answer}"
            case n.IsNull():
                return f"{self.said(node.item)} has no value{answer}"
            case n.Compare():
                return f"{self.said(node.left)} {_SIGNS[node.op]} {self.said(node.right)}{answer}"
            case n.IsIn():
                labels = " or ".join(words(str(v)) for v in node.values)
                labels = f"[{labels}]" if inside and len(node.values) > 1 else labels
                return f"{self.said(node.item)} = {labels}{answer}"
            case n.Within():
                if node.item.name not in self.reference.columns:
                    how = ": its values count as current" if node.absent_is else ""
                    return f"{words(node.item.name)} is not in the table{how}{answer}"
                return f"{self.said(node.item)} in {node.start} to {node.end}{answer}"
            case n.Column():
                return f"{words(node.name)} ({phrases.answer(self.value(node))})"
            case n.Named():
                self.mention(node.id)
                return f"{words(node.id)} ({phrases.answer(self.value(node))})"
            case _:
                return f"{self.said(node)}{answer if not isinstance(node, n.Const) else ''}"

    def _inside(self, name: str, item: n.Node, inside: bool) -> str:
        """What a `not` is of, with its own answer, in brackets so that nobody takes it for that of the `not`."""
        return f"[{name} ({phrases.answer(self.value(item))})]" if inside else name

    def _listed(self, node: n.And | n.Or) -> str | None:
        """any() or all() of a long list: only what decides is named."""
        if len(node.items) <= _FEW or not node.text.startswith(("any(", "all(")):
            return None
        decides = isinstance(node, n.Or)
        found = [i for i in node.items if self.value(i) is decides]
        what = words(node.text)
        if not found:
            return f"{what}: {'none' if decides else 'every one'} of {len(node.items)}"
        return f"{what}: {'' if decides else 'not '}{', '.join(self._short(i) for i in found)}"

    def _short(self, node: n.Node) -> str:
        """A condition by its name, or by what it asks of."""
        if isinstance(node, n.Named):
            self.mention(node.id)
        if isinstance(node, n.Column | n.Named):
            return words(node.name if isinstance(node, n.Column) else node.id)
        return self.said(node.item) if isinstance(node, n.IsIn) else self.condition(node)

    # -- values --

    def said(self, node: n.Node, alone: bool = False) -> str:
        """A value in words: its name and what it is for this patient; `alone` where the result stands beside it."""
        value = self.value(node)
        match node:
            case n.Const():
                shown = phrases.shown(value) if not isinstance(value, str) else words(value)
                return f"{words(node.name)} {shown}" if node.name else shown
            case n.Column():
                if value is None:
                    return f"{words(node.name)} ({'set aside' if node.name in self._aside else 'no record'})"
                return f"{words(node.name)} {phrases.shown(value)}"
            case n.Named():
                self.mention(node.id)
                if value is None:
                    missing = self.missing(node)
                    return f"{words(node.id)} (none{f': {phrases.no_record(missing)}' if missing else ''})"
                return f"{words(node.id)} {words(phrases.shown(value))}"
            case n.Coalesce():
                if isinstance(node.otherwise, n.Const) and node.text == node.item.text:
                    read = self.value(node.item)
                    shown = phrases.shown(value)
                    return f"{words(node.text)} {shown}" + (f" (no record reads as {shown})" if read is None else "")
                first = self.said(node.item)
                return first if self.value(node.item) is not None else f"{first}, else {self.said(node.otherwise)}"
            case n.Cases():
                return self._chosen(node)
            case n.Arithmetic():
                left, right = (f"[{self.said(side)}]" if isinstance(side, n.Coalesce) else self.said(side)
                               for side in (node.left, node.right))  # fmt: skip
                text = f"{left} {_ARITHMETIC[node.op]} {right}"
                if isinstance(node.left, n.Const) and node.left.value == 0 and not node.left.name and node.op == "-":
                    text = f"−{right}"
                return text if alone else f"({text} = {phrases.answer(value)})"
            case n.Call():
                text = f"{node.function}({', '.join(self.said(a, True) for a in node.arguments)})"
                return text if alone else f"{text} = {phrases.answer(value)}"
            case n.CountTrue():
                return f"{words(node.text)} ({self.counted(node)})"
            case n.Whole():
                return self.said(node.item, alone)
            case n.Only():
                return self.said(node.item) if value is not None else f"{self.condition(node.condition)} (no)"
            case _ if node.type.kind == "bool":
                return self.condition(node)
            case _:
                return f"{node.text} = {phrases.answer(value)}"

    def _chosen(self, node: n.Cases) -> str:
        """The branch that was taken, and what decided; of a lookup, the label."""
        item = _looked_up(node)
        if item is not None:
            return f"{node.text} = {phrases.answer(self.value(node))} ({self.said(item)})"
        asked = []
        for condition, value in node.items:
            asked.append(f"{self.condition(condition)}: {phrases.answer(self.value(condition))}")
            if self.value(condition) is True:
                return f"{self.said(value)} ({'; '.join(asked)})"
        return f"{self.said(node.otherwise)} ({'; '.join(asked)})"

    def counted(self, node: n.CountTrue) -> str:
        """How many are true, and which; and which columns leave some of the rest unknown."""
        found = [self._short(i) for i in node.items if self.value(i) is True]
        unknown = [c for i in node.items if self.value(i) is None for c in self.missing(i)]
        text = f"{len(found)} of {len(node.items)}"
        if found:
            text += f": {', '.join(found)}"
        return text + (f" ({phrases.no_record(list(dict.fromkeys(unknown)))})" if unknown else "")

    # -- what is missing --

    def missing(self, node: n.Node) -> list[str]:
        """The columns without a record that left a value unknown."""
        found: list[str] = []
        for part in self._undecided(node):
            found += [name for name in part if name not in found]
        return found

    def _undecided(self, node: n.Node) -> Iterable[list[str]]:
        """The columns for each part that left the node unknown."""
        if node.type.kind == "bool" and self.value(node) is not None:
            return
        match node:
            case n.Column():
                if self.value(node) is None:
                    yield [node.name]
            case n.Named():
                yield self.missing(self.resolved.definitions[node.id].node)
            case n.Only():
                if self.value(node.condition) is not False:
                    yield self.missing(node.condition)
                    yield self.missing(node.item)
            case n.Cases():
                for condition, value in node.items:
                    yield self.missing(condition)
                    if self.value(condition) is True:
                        yield self.missing(value)
                        return
                yield self.missing(node.otherwise)
            case n.Coalesce():
                if self.value(node) is None:
                    yield self.missing(node.item)
                    yield self.missing(node.otherwise)
            case _:
                for child in node.children():
                    yield self.missing(child)


def _looked_up(node: n.Cases) -> n.Node | None:
    """The category or the number of which every case asks what it is, as a lookup's do."""
    asked = [_asked(part) for condition, _ in node.items
             for part in (condition.items if isinstance(condition, n.Or) else (condition,))]  # fmt: skip
    return asked[0] if len(node.items) > 1 and len(set(map(id, asked))) == 1 else None


def _asked(condition: n.Node) -> n.Node | None:
    match condition:
        case n.IsIn(item=item) | n.IsNull(item=item) | n.Compare(op="==", left=item, right=n.Const()):
            return item
    return None


def _flat(node: n.And | n.Or) -> Iterable[n.Node]:
    """The parts of a chain of `and`, or of `or`."""
    for item in node.items:
        if type(item) is type(node) and isinstance(item, n.And | n.Or) and not item.text.startswith(("any(", "all(")):
            yield from _flat(item)
        else:
            yield item
