"""``metric``: people, or events, counted by area: who is counted, of whom, and which direction is good."""

from __future__ import annotations

from collections.abc import Iterator

from popstrat.core.blocks import Block, code, table
from popstrat.lang import nodes as n
from popstrat.packs.builder import Builder, Raw
from popstrat.packs.compared import Said
from popstrat.packs.definition import Definition
from popstrat.packs.kinds.kind import Built, Kind, Names, Witness, agree
from popstrat.packs.phrases import answer, rule_code
from popstrat.packs.reach import About, fits
from popstrat.packs.shapes import is_number
from popstrat.packs.trace_parts import Line, Traced

MEASURES = ("proportion", "rate_per_1000", "floor")
GOOD = ("high", "low", "none")
EVERYBODY = "all"
"""The cohort of a metric of everybody on the list."""
_PER = 1000
_HELD = "int32"
"""As what whole number events are counted; one person's beyond it are no record."""
_ONLY_COMPUTED = ("numerator", "denominator", "measure", "per", "eligible")


class Metric(Kind):
    name = "metric"
    called = "metric"
    rank = 7
    keys = frozenset({"numerator", "denominator", "cohort", "good", "target", "measure", "per", "not_computable"})
    told = (
        "`numerator`, `denominator`, `cohort`, `good`, `target`, `per`, `measure`, `not_computable`",
        "[counts by area](#metrics), never a column: the people in `numerator`, of those in `cohort` and `denominator`",
    )
    rules = ("cohort", "denominator", "numerator", "eligible")
    values = ("good", "target", "measure", "per", "not_computable")
    alone = True  # it is counted, not written
    counted = True
    tells_eligible = True
    example = """
title = "Smoking in adults"
means = "Adults who smoke, of those whose smoking is recorded."
assumption = "Invented, to show the form"
version = "1.0"
denominator = "age >= 18 and smoking is not null"
numerator = 'smoking == "current"'
good = "low"
target = 0.05
"""

    def build(self, builder: Builder, ident: str, raw: Raw) -> Built:
        for key in ("output", "type"):
            if raw.get(key):
                raise builder.fault(ident, f"a metric writes no column: it has no `{key}`", key)
        self._check_values(builder, ident, raw)
        if "not_computable" in raw:
            return self._without(builder, ident, raw)
        events = _per(raw) == _PER
        node = builder.parse(ident, "numerator", raw.get("numerator"), condition=not events, at=("numerator",))
        rules = {"numerator": node}
        if node.type.kind == "number":
            node = _events(node, builder)
        elif node.type.kind not in ("bool", "null"):
            raise builder.fault(ident, f"`numerator` is a condition or a number of events, and this is {node.type}",
                                str(raw["numerator"]), at=("numerator",))  # fmt: skip
        return Built(node, rules)

    def _check_values(self, builder: Builder, ident: str, raw: Raw) -> None:
        if raw.get("good") not in GOOD:
            told = f"needs `good`, the direction that is good: {', '.join(GOOD)}"
            raise builder.fault(ident, told, str(raw.get("good", "")))
        if "measure" in raw and raw["measure"] not in MEASURES:
            raise builder.fault(ident, f"`measure` is one of {', '.join(MEASURES)}", str(raw["measure"]))
        if "per" in raw and (raw["per"] != _PER or isinstance(raw["per"], bool)):
            raise builder.fault(ident, f"`per` is {_PER}, or not given for a share", "per")
        if "per" in raw and measure_of(raw) != "rate_per_1000":
            raise builder.fault(ident, f"a {measure_of(raw)} is not `per` {_PER}", "per")
        target = raw.get("target")
        most = 1 if _per(raw) == 1 else float("inf")
        if target is not None and not (is_number(target) and 0 <= target <= most):
            told = "from 0 to 1" if most == 1 else "of 0 or more"
            raise builder.fault(ident, f"`target` is a number {told}", "target")

    def _without(self, builder: Builder, ident: str, raw: Raw) -> Built:
        """A metric that no patient table can say: nobody is counted."""
        if not isinstance(raw["not_computable"], str) or not raw["not_computable"]:
            raise builder.fault(ident, "`not_computable` is the reason, as text", "not_computable")
        for key in _ONLY_COMPUTED:
            if key in raw:
                raise builder.fault(ident, f"what is not computable has no `{key}`", key)
        return Built(n.Const(n.BOOL, "false", False))

    def eligible(self, builder: Builder, ident: str, raw: Raw) -> tuple[n.Node, ...]:
        if "not_computable" in raw:
            return ()
        found = [*super().eligible(builder, ident, raw)]
        for key in ("cohort", "denominator"):
            if key in raw:
                found.append(builder.parse(ident, key, raw[key], condition=True, at=(key,)))
        if "cohort" in raw and not str(raw["cohort"]).isidentifier():
            raise builder.fault(ident, "`cohort` is the name of a condition", str(raw["cohort"]), at=("cohort",))
        return tuple(found)

    def texts(self, raw: Raw) -> Iterator[str]:
        yield from ()

    def columns(self, ident: str, raw: Raw) -> Iterator[str]:
        yield from ()

    def assumptions(self, raw: Raw) -> Iterator[tuple[str, str]]:
        yield from ()

    def page(self, raw: Raw, names: Names) -> list[Block]:
        if "not_computable" in raw:
            return [f"Not computable from a patient table: {raw['not_computable']}"]
        rows = [("counted", rule_code(raw["numerator"]))]
        cohort, denominator = raw.get("cohort"), raw.get("denominator")
        of = [*([names.link(cohort)] if cohort else []), *([rule_code(denominator)] if denominator else [])]
        rows.append(("of", " and ".join(of) if of else "everybody on the list"))
        rows.append(("measure", code(measure_of(raw))))
        rows.append(("good is", {"high": "high", "low": "low", "none": "neither high nor low"}[raw["good"]]))
        if "target" in raw:
            rows.append(("target", shown_target(raw)))
        return [table(("", ""), rows)]

    def trace(self, definition: Definition, witness: Witness) -> Traced:
        if "numerator" not in definition.rules:
            return Traced(())
        node = definition.rules["numerator"]
        value = witness.value(node)
        if node.type.kind == "number":
            return Traced((Line("events", witness.said(node, True), fired=True),))
        agree(definition, witness, value is True)
        return Traced((Line("counted", witness.condition(node), answer(value), fired=True),))

    def differences(self, before: Raw, after: Raw) -> Said:
        yield from ()


def measure_of(raw: Raw) -> str:
    """What the value of a metric is: one of `MEASURES`."""
    return str(raw.get("measure") or ("rate_per_1000" if raw.get("per") == _PER else "proportion"))


def cohort_of(raw: Raw) -> str:
    """The condition that names a metric's cohort, or `EVERYBODY`."""
    return str(raw.get("cohort", EVERYBODY))


def shown_target(raw: Raw) -> str:
    """The target in words."""
    target = raw["target"]
    return f"{target:g} per 1,000" if _per(raw) == _PER else f"{100 * target:g}%"


def _per(raw: Raw) -> int:
    return _PER if measure_of(raw) == "rate_per_1000" else 1


def _events(node: n.Node, builder: Builder) -> n.Node:
    """A number of events: whole, and not below nothing."""
    zero = n.Const(n.NUMBER, "0", 0)
    whole = node if fits(node, _HELD, About(builder.schema)) else n.Whole(n.NUMBER, node.text, node, _HELD)
    return n.Only(n.NUMBER, node.text, n.Compare(n.BOOL, "", ">=", node, zero), whole)
