"""``expression``: one rule, which gives whatever it gives."""

from __future__ import annotations

from collections.abc import Iterator

from popstrat.core.blocks import Block
from popstrat.lang import nodes as n
from popstrat.packs.builder import Builder, Raw
from popstrat.packs.compared import Said
from popstrat.packs.definition import Definition
from popstrat.packs.kinds.kind import Built, Kind, Names, Witness
from popstrat.packs.phrases import rule_code
from popstrat.packs.trace_parts import Line, Traced


class Expression(Kind):
    name = "expression"
    called = "rule"
    rank = 1
    keys = frozenset({"value"})
    told = ("`value`", "whatever the rule gives: true or false, a number, a label")
    rules = ("value", "eligible")
    values = ()
    example = """
title = "Metabolic risk"
means = "A body mass index of 30 or over, or an HbA1c of 42 or over."
assumption = "Invented, to show the form"
version = "1.0"
value = "bmi >= 30 or hba1c >= 42"
output = true
"""

    def build(self, builder: Builder, ident: str, raw: Raw) -> Built:
        return Built(builder.parse(ident, "value", raw.get("value"), at=("value",)))

    def texts(self, raw: Raw) -> Iterator[str]:
        yield from ()

    def columns(self, ident: str, raw: Raw) -> Iterator[str]:
        yield from ()

    def assumptions(self, raw: Raw) -> Iterator[tuple[str, str]]:
        yield from ()

    def page(self, raw: Raw, names: Names) -> list[Block]:
        return [f"Rule: {rule_code(raw['value'])}"]

    def trace(self, definition: Definition, witness: Witness) -> Traced:
        node = n.bare(definition.node)
        birth = witness.birth_of(node.name) if isinstance(node, n.Column) else None
        if birth is not None:
            how = "completed years since the date of birth" if witness.has(birth) else "as given in the table"
            return Traced((Line("", how, fired=True),))
        return Traced((Line("", witness.said(node, True), fired=True),))

    def differences(self, before: Raw, after: Raw) -> Said:
        yield from ()
