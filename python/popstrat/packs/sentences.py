"""What is said of a person: the sentences that a pack has beside its rules, as data.

    [definition.diabetes_status]
    sentences = [
        { under = "not_at_target", label = "unoptimised", when = "recent(hba1c_date)",
          say = "Diabetes, not at target: HbA1c {hba1c}[ on {hba1c_date}], target {hba1c_target}" },
    ]

A sentence is told of whom its definition holds for (a condition that is true; of a category the ``label``; anything
else that has a value), where ``when`` holds too, and everything that it shows has a record. In braces stands an
expression of the rule language, which is shown as this person's value; a condition in braces shows nothing. What stands
in square brackets is left out where a value in it has no record, or a condition in it does not hold.

A definition without ``sentences`` that writes a column is told of by its title; ``sentences = []`` says nothing. What a
table lacks altogether is no finding: a sentence needs every column that it reads by itself (`Sentence.needs`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from popstrat.core.text import suggest
from popstrat.errors import PackError
from popstrat.lang import nodes as n
from popstrat.lang.parser import conjunction, is_null, negation
from popstrat.packs.definition import Definition
from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.resolve import Resolver
from popstrat.packs.resolved import Resolved
from popstrat.packs.uses import SENTENCES, braces

GROUPS: Mapping[str, str] = {
    "why": "Why",
    "undiagnosed": "Not diagnosed",
    "not_at_target": "Not at target",
    "missing_treatment": "Treatment missing",
    "due": "Due",
    "situation": "Situation",
    "risk": "Risk",
}
"""What sentences stand ``under``: by what there is to do, with its heading."""

DRIVERS = "drivers"
"""What raises a model's risk most stands under this, after the sentences."""

_KEYS = ("under", "label", "when", "say")
_DEEPEST = 8  # brackets in brackets
_MOST_NESTED = 30  # of an expression in a sentence, without the definitions that it uses
MONEY = ("£", "€", "$")
"""What a unit begins with that is one of money."""

Style = Literal["number", "percent", "date", "label", "condition"]


@dataclass(frozen=True)
class Slot:
    """A value in a sentence, and how it is written. A condition is not written: it is there or not."""

    node: n.Node
    style: Style

    @property
    def is_number(self) -> bool:
        return self.style in ("number", "percent")


Piece = str | Slot | tuple["Piece", ...]
"""Of a sentence: text, a value, or what is left out where a value in it is not there."""


@dataclass(frozen=True)
class Sentence:
    """One sentence of a definition. ``needs``: the columns without which a table says nothing of it; ``caveat``: what
    goes with it wherever it is told."""

    definition: str
    under: str
    condition: n.Node
    pieces: tuple[Piece, ...]
    needs: frozenset[str]
    caveat: str = ""

    def slots(self) -> Iterator[Slot]:
        """Its values, in reading order."""
        yield from slots_of(self.pieces)


def slots_of(pieces: Iterable[Piece]) -> Iterator[Slot]:
    """The values in pieces of a sentence, those in brackets too."""
    for piece in pieces:
        if isinstance(piece, Slot):
            yield piece
        elif isinstance(piece, tuple):
            yield from slots_of(piece)


def sentences_of(resolved: Resolved) -> tuple[Sentence, ...]:
    """Every sentence of a pack, in the order of its definitions. Raises `PackError` for one at fault."""
    writer = _Writer(resolved)
    own = [d for ident in resolved.pack.raw.get("definition", {}) if (d := resolved.definitions.get(ident))]
    return tuple(sentence for definition in own for sentence in writer.of(definition))


class _Writer:
    """Makes sentences of what a pack writes."""

    def __init__(self, resolved: Resolved) -> None:
        self.resolved = resolved
        self.resolver = Resolver(resolved.pack, resolved.as_of)
        self.resolver.definitions |= resolved.definitions

    def of(self, definition: Definition) -> Iterator[Sentence]:
        written = definition.raw.get(SENTENCES)
        if written is None:
            yield from self._general(definition) if definition.output is not None else ()
            return
        for number, table in enumerate(written):
            yield self._sentence(definition, table, number)

    def _sentence(self, definition: Definition, table: Mapping[str, Any], number: int) -> Sentence:
        ident, at = definition.id, (SENTENCES, number)

        def fault(told: str, key: str) -> PackError:
            return self.resolver.fault(ident, told, str(table.get(key, "")), at=(*at, key) if key in table else at)

        for key in table:
            if key not in _KEYS:
                raise self.resolver.fault(ident, f"unknown key {key!r}{suggest(key, _KEYS)}", at=(*at, key))
        under = str(table.get("under", ""))
        if under not in GROUPS:
            raise fault(f"a sentence stands `under` one of {', '.join(GROUPS)}{suggest(under, GROUPS)}", "under")
        if not isinstance(table.get("say"), str) or not table["say"].strip():
            raise fault("a sentence needs `say`, its text", "say")
        condition = self._holds(definition, table.get("label"), fault)
        needs: set[str] = set()
        if "when" in table:
            when = self.resolver.parse(ident, "when", table["when"], condition=True, at=(*at, "when"))
            _refuse_deep(when, lambda told: fault(told, "when"))
            condition = conjunction([condition, when], str(table["when"]))
            needs |= self._read(when)

        def value(text: str) -> Slot:
            return self._slot(self.resolver.parse(ident, "say", text, at=(*at, "say")), lambda t: fault(t, "say"))

        pieces = _pieces(table["say"], value, lambda told: fault(told, "say"))
        for piece in pieces:
            if isinstance(piece, Slot):
                needs |= self._read(piece.node)
        return Sentence(ident, under, condition, pieces, frozenset(needs), _caveat(definition))

    def _holds(self, definition: Definition, label: Any, fault: Callable[[str, str], PackError]) -> n.Node:
        """That a definition says something of a person, with this label if one is given."""
        kind = definition.node.type
        named = n.Named(kind, definition.id, definition.id)
        if label is None:
            return named if kind == n.BOOL else negation(is_null(named, definition.id), definition.id)
        if kind.kind != "category":
            raise fault(f"`label` is for what gives labels, and {definition.id} is {kind}", "label")
        if label not in kind.labels:
            near = suggest(str(label), kind.labels)
            raise fault(f"{label!r} is none of {', '.join(kind.labels)}{near}", "label")
        return n.IsIn(n.BOOL, definition.id, named, (label,))

    def _slot(self, node: n.Node, fault: Callable[[str], PackError]) -> Slot:
        _refuse_deep(node, fault)
        if isinstance(node, n.Coalesce) and isinstance(node.otherwise, n.Const) and node.text == node.item.text:
            node = node.item  # what a column reads as where it has no record is nothing to tell
        match node.type.kind:
            case "bool":
                return Slot(node, "condition")
            case "date":
                return Slot(node, "date")
            case "category":
                return Slot(node, "label")
            case "number":
                return Slot(node, "percent" if self._is_share(node) else "number")
        raise fault(f"{node.text!r} has no value to show")

    def _is_share(self, node: n.Node) -> bool:
        """Whether a number is a model's probability, which people write in per cent."""
        model = self.resolved.models.get(node.id) if isinstance(node, n.Named) else None
        return model is not None and model.link != "identity"

    def _read(self, node: n.Node) -> set[str]:
        """The columns that an expression reads by itself, not through definitions. A window of a date column whose
        values count as current without it does not need it."""
        match node:
            case n.Within(absent_is=True):
                return set()
            case n.Column():
                return {node.name}
        return {name for child in node.children() for name in self._read(child)}

    def _general(self, definition: Definition) -> Iterator[Sentence]:
        """What is said of a definition whose pack has no words for it, by what it gives."""
        title, unit, ident = definition.title, str(definition.raw.get("unit", "")), definition.id
        kind = definition.node.type
        named = n.Named(kind, ident, ident)

        def made(under: str, condition: n.Node, *pieces: Piece) -> Sentence:
            return Sentence(ident, under, condition, pieces, frozenset(), _caveat(definition))

        told = KINDS[definition.kind].said(title)
        if told:
            for label, (under, text) in told.items():
                yield made(under, n.IsIn(n.BOOL, ident, named, (label,)), text)
        elif kind == n.BOOL:
            yield made("why", named, title)
        elif unit[:1] not in MONEY:
            slot = self._slot(named, lambda told: self.resolver.fault(ident, told))
            behind = "" if slot.style == "percent" or not unit else f" {unit}"
            there = negation(is_null(named, ident), ident)
            yield made(
                "risk" if slot.style == "percent" else "why", there, f"{title}: ", slot, *([behind] if behind else [])
            )


def _refuse_deep(node: n.Node, fault: Callable[[str], PackError]) -> None:
    """Refuse what nests so deep that, with the definitions that it uses, what reads it might not go down as far."""
    if n.extent(node, {})[0] > _MOST_NESTED:
        raise fault(f"nests more than {_MOST_NESTED} deep: give a part of it a definition of its own")


def _pieces(text: str, value: Callable[[str], Slot], fault: Callable[[str], PackError]) -> tuple[Piece, ...]:
    """A text with its values in braces and its parts in square brackets."""
    stack: list[list[Piece]] = [[]]
    plain = ""
    at = 0

    def flush() -> None:
        nonlocal plain
        if plain:
            stack[-1].append(plain)
        plain = ""

    while at < len(text):
        sign = text[at]
        if sign == "{":
            _, end = next(braces(text[at:]))
            if at + end == len(text):
                raise fault("a brace { is not closed")
            flush()
            stack[-1].append(value(text[at + 1 : at + end]))
            at += end
        elif sign == "[":
            if len(stack) > _DEEPEST:
                raise fault(f"brackets stand in brackets, {_DEEPEST} deep at most")
            flush()
            stack.append([])
        elif sign == "]":
            if len(stack) == 1:
                raise fault("a bracket ] was not opened")
            flush()
            inner = stack.pop()
            if not any(slots_of(inner)):
                raise fault("what stands in square brackets needs a value in braces, without which it is left out")
            stack[-1].append(tuple(inner))
        elif sign == "}":
            raise fault("a brace } was not opened")
        else:
            plain += sign
        at += 1
    if len(stack) > 1:
        raise fault("a bracket [ is not closed")
    flush()
    return tuple(stack[0])


def _caveat(definition: Definition) -> str:
    return str(definition.raw.get("caveat") or definition.raw.get("disclaimer", "")).rstrip(".")
