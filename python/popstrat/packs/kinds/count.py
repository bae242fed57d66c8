"""``count``: how many of several conditions are true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from popstrat.core.blocks import Block, table
from popstrat.lang import nodes as n
from popstrat.lang.compose import one_line
from popstrat.packs import compared, shapes
from popstrat.packs.builder import Builder, Raw
from popstrat.packs.compared import Said
from popstrat.packs.definition import Definition
from popstrat.packs.kinds.kind import Built, Kind, Names, Witness
from popstrat.packs.phrases import rule_code
from popstrat.packs.trace_parts import Line, Traced


class Count(Kind):
    name = "count"
    called = "count"
    rank = 2
    keys = frozenset({"of"})
    told = ("`of`: a set, or a list of conditions", "how many are true")
    rules = ("eligible",)
    values = ()
    example = """
title = "Conditions of heart and vessels"
means = "How many of three registers the person is on."
assumption = "Invented, to show the form"
version = "1.0"
of = ["chd", "stroke_tia", "pad"]
output = true
"""

    def build(self, builder: Builder, ident: str, raw: Raw) -> Built:
        of = raw.get("of")
        names = [of] if isinstance(of, str) else of
        if not isinstance(names, list) or not names or not all(isinstance(x, str) for x in names):
            raise builder.fault(ident, "needs `of`: the name of a set, or a list of conditions")
        for name in names:
            if builder.members(name) is None:
                builder.parse(ident, "of", name, condition=True)  # so that a fault is shown where it is written
        return Built(builder.parse(ident, "of", f"count({', '.join(map(one_line, names))})"))

    def texts(self, raw: Raw) -> Iterator[str]:
        yield from shapes.texts(raw.get("of"), "when")

    def columns(self, ident: str, raw: Raw) -> Iterator[str]:
        yield from ()

    def assumptions(self, raw: Raw) -> Iterator[tuple[str, str]]:
        yield from ()

    def page(self, raw: Raw, names: Names) -> list[Block]:
        of: str | list[str] = raw["of"]
        if isinstance(of, str) and names.is_set(of):
            return [f"Counts the conditions of {names.link(of)} that are recorded."]
        items = [of] if isinstance(of, str) else of
        return [table(("counts one for each of these that is true",), [(rule_code(i),) for i in items])]

    def trace(self, definition: Definition, witness: Witness) -> Traced:
        node = n.bare(definition.node)
        # an expression after all, where the count could be folded
        saw = witness.counted(node) if isinstance(node, n.CountTrue) else witness.said(node, True)
        return Traced((Line("", saw, fired=True),))

    def differences(self, before: Raw, after: Raw) -> Said:
        if "of" in before or "of" in after:
            yield from compared.members("counts", _listed(before.get("of")), _listed(after.get("of")))


def _listed(of: Any) -> list[str]:
    return [of] if isinstance(of, str) else list(of or ())
