"""``status``: a condition that is diagnosed or not, at target or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from popstrat.core.blocks import Block, code, table
from popstrat.lang.compose import together
from popstrat.lang.parser import conjunction
from popstrat.packs.builder import Builder, Raw
from popstrat.packs.compared import Said
from popstrat.packs.definition import Definition
from popstrat.packs.kinds.kind import Built, Kind, Names, Witness, agree
from popstrat.packs.phrases import answer, rule_code
from popstrat.packs.trace_parts import Line, Traced
from popstrat.packs.typed import label_cases

LABELS = ("none", "optimised", "unoptimised", "undiagnosed")


class Status(Kind):
    name = "status"
    called = "status"
    rank = 4
    keys = frozenset({"diagnosed", "optimised", "undiagnosed"})
    told = (
        "`diagnosed`, `optimised`, `undiagnosed`",
        "`optimised` or `unoptimised` if diagnosed; otherwise `undiagnosed` or `none`",
    )
    rules = ("eligible", "diagnosed", "optimised", "undiagnosed")
    values = ()
    example = """
title = "Cholesterol after a heart attack or stroke"
means = "Whether LDL cholesterol is at 2.0 mmol/l or under."
assumption = "Invented, to show the form"
version = "1.0"
diagnosed = "chd or stroke_tia"
optimised = "ldl <= 2.0"
undiagnosed = "ldl >= 4.9"
output = true
"""

    def build(self, builder: Builder, ident: str, raw: Raw) -> Built:
        parts = {
            k: builder.parse(ident, k, raw.get(k), condition=True, at=(k,))
            for k in ("diagnosed", "optimised", "undiagnosed")
        }
        diagnosed = parts["diagnosed"]
        items = [
            (conjunction([diagnosed, parts["optimised"]], f"{diagnosed.text}, optimised"), "optimised"),
            (diagnosed, "unoptimised"),
            (parts["undiagnosed"], "undiagnosed"),
        ]
        return Built(label_cases(items, "none", LABELS), parts)

    def texts(self, raw: Raw) -> Iterator[str]:
        yield from ()

    def columns(self, ident: str, raw: Raw) -> Iterator[str]:
        yield from ()

    def assumptions(self, raw: Raw) -> Iterator[tuple[str, str]]:
        yield from ()

    def page(self, raw: Raw, names: Names) -> list[Block]:
        diagnosed = rule_code(raw["diagnosed"])
        both = " and ".join(map(code, together([raw["diagnosed"], raw["optimised"]], "and")))
        rows = [
            (code("optimised"), "diagnosed, and at target", both),
            (code("unoptimised"), "diagnosed, and not known to be at target", f"{diagnosed}, otherwise"),
            (code("undiagnosed"), "not diagnosed, and the record suggests it", rule_code(raw["undiagnosed"])),
            (code("none"), "none of these", "otherwise"),
        ]
        return [table(("label", "in words", "rule"), rows)]

    def trace(self, definition: Definition, witness: Witness) -> Traced:
        diagnosed = definition.rules["diagnosed"]
        truth = witness.value(diagnosed)
        lines = [Line("diagnosed", witness.condition(diagnosed), answer(truth))]
        asked = "optimised" if truth is True else "undiagnosed"
        node = definition.rules[asked]
        found = witness.value(node)
        lines.append(Line(asked, witness.condition(node), answer(found), True))
        if truth is True:
            agree(definition, witness, "optimised" if found is True else "unoptimised")
        else:
            agree(definition, witness, "undiagnosed" if found is True else "none")
        return Traced(tuple(lines))

    def said(self, title: str) -> Mapping[str, tuple[str, str]]:
        return {
            "undiagnosed": ("undiagnosed", f"{title}: suggested by the record, and not diagnosed"),
            "unoptimised": ("not_at_target", f"{title}, not at target"),
        }

    def differences(self, before: Raw, after: Raw) -> Said:
        yield from ()
