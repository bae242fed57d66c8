"""The terms of a model as they are summed: each an expression with a weight for each stratum."""

from __future__ import annotations

from collections.abc import Sequence

from popstrat.core.text import suggest
from popstrat.errors import ExpressionError, TermError
from popstrat.lang import nodes as n
from popstrat.lang.parser import DEEPEST, arithmetic, cases, conjunction
from popstrat.packs import shapes
from popstrat.packs.model.parts import Term
from popstrat.packs.model.scope import ModelScope
from popstrat.packs.model.strata import Strata
from popstrat.packs.model.terms import TermText, term_texts
from popstrat.packs.reach import About, reach

_MOST_PARTS = 50_000  # of a term that is looked through
_ZERO = n.Const(n.NUMBER, "0", 0)


class Terms:
    """Builds the terms of one model, in order; a product is made of those before it."""

    def __init__(self, strata: Strata, scope: ModelScope, slope: Sequence[float]) -> None:
        self.strata, self.scope, self.slope = strata, scope, slope
        self.builder, self.ident, self.raw, self.fail = strata.builder, strata.ident, strata.raw, strata.fail
        self.names = list(strata.conditions)
        self.factors: dict[str, tuple[n.Node | None, ...]] = {}  # what products are made of: a term's value by stratum
        self.plain: dict[str, list[n.Node]] = {}  # the same before it is centred, wherever there is one
        self.shadowed: dict[str, str] = {}  # term → which of two meanings a name has in its product

    def _labels(self, text: str) -> Sequence[str]:
        node = self.builder.parse(self.ident, "of", text, scope=self.scope)
        if node.type.kind != "category":
            raise self.fail(f"`levels` are of a category, and {text!r} is {node.type}", text)
        return node.type.labels

    def built(self) -> tuple[Term, ...]:
        """All of them. Refuses inputs, derived values and strata that none uses. Raises `PackError`."""
        try:
            texts = term_texts(self.raw, self._labels)
        except TermError as error:
            raise self.fail(str(error), error.text, error.term, error.at) from None
        if not texts:
            raise self.fail("needs `terms`")
        for term in self.raw["terms"]:
            if "powers" in term:  # looked at alone, so that a fault is shown where it is written
                key = f"term {term['id']}: of"
                self.builder.parse(self.ident, key, term["of"], scope=self.scope, entry=term["id"])
        terms = tuple(self._term(text) for text in texts)
        for i, name in enumerate(self.names):
            if not any(term.parts[i] for term in terms):
                raise self.fail(f"no term has a coefficient for the stratum {name!r}", at=("strata", name))
        idle = [name for name in self.scope.inputs if name not in self.scope.used]
        if idle:
            raise self.scope.fail(f"no term uses the input {idle[0]!r}", "inputs", idle[0])
        idle = [name for name in self.scope.derived if name not in self.scope.used]
        if idle:
            raise self.scope.fail(f"no term uses the derived value {idle[0]!r}", "derived", idle[0])
        return terms

    def _term(self, text: TermText) -> Term:
        owner = text.pointer
        at = ("coefficients", text.id) if text.id in shapes.items(self.raw.get("coefficients")) else ()
        weights = self.strata.numbers(text.coefficient, f"the coefficient of {text.id!r}", owner, term=owner, at=at)
        centers = (0.0,) * len(weights)
        if text.center is not None:
            given = self.strata.numbers(text.center, f"`center` of {text.id!r}", "center", term=owner)
            for i, weight in enumerate(weights):
                if weight is not None and given[i] is None:
                    lost = self.names[i]
                    raise self.fail(f"`center` of {text.id!r} has no number for {lost!r}", "center", owner)
            centers = tuple(c or 0.0 for c in given)
        there = [weight is not None for weight in weights]
        values = self._products(text, there) if text.form == "product" else [self._parse(text)] * len(weights)
        for node in values:
            if node is not None and (told := self._idle(node)):
                raise self.fail(f"term {text.id!r} {told}", owner, owner)
        parts: list[tuple[n.Node, float] | None] = []
        for node, weight, center, times in zip(values, weights, centers, self.slope, strict=True):
            if node is None or weight is None:
                parts.append(None)
                continue
            middle = n.Const(n.NUMBER, repr(center), center)
            centred = arithmetic("-", node, middle, f"{node.text} - {center}") if center else node
            parts.append((centred, times * weight))
        self.plain[text.id] = [node for node in values if node is not None]
        self.factors[text.id] = tuple(part[0] if part else None for part in parts)
        return Term(text.id, text.title, text.evidence, text.source, tuple(parts))

    def _idle(self, node: n.Node) -> str:
        """What is wrong with a term that makes no difference between any two people; nothing for others."""
        if isinstance(node, n.Const):
            return "is the same for every patient"
        deep, parts = n.extent(node, {})
        if deep > DEEPEST or parts > _MOST_PARTS:  # refused later, or too long to look through
            return ""
        found = reach(node, About(self.builder.schema))
        if not found.some:
            return "has no value for any patient"
        if node.type.kind == "bool" and True not in found.truths:
            return "can be true for no patient, with what its inputs can be (their defaults and bounds)"
        interval = found.interval
        fixed = interval is not None and interval.low == interval.high
        if not found.null and (fixed or found.truths == {True}):
            return "is the same for every patient, with what its inputs can be (their defaults and bounds)"
        return ""

    def _parse(self, text: TermText) -> n.Node:
        key, owner = f"term {text.id}", text.pointer
        if text.form == "when":
            return self.builder.parse(self.ident, key, text.text, condition=True, scope=self.scope, entry=owner)
        node = self.builder.parse(self.ident, key, text.text, scope=self.scope, entry=owner)
        if node.type.kind not in ("number", "null"):
            hint = ": write `when` in its place" if node.type.kind == "bool" else ""
            raise self.fail(f"term {text.id!r}: its `value` is {node.type}{hint}", text.text, owner)
        return node

    def _products(self, text: TermText, there: Sequence[bool]) -> list[n.Node | None]:
        """The product of a term's factors in each stratum that has the term."""
        return [
            self._product(text, [self._factor(text, factor, i) for factor in text.factors]) if wanted else None
            for i, wanted in enumerate(there)
        ]

    def _factor(self, text: TermText, factor: str, stratum: int) -> n.Node:
        """One factor of a product in a stratum: a term's value, or else an input, a derived value or a condition."""
        if factor in self.factors:
            other = self.scope.derived.get(factor) or self.scope.word(factor)
            if other is not None and any(other not in node.walk() for node in self.plain[factor]):  # not made of it
                kind = "derived value" if factor in self.scope.derived else "word"
                told = f"in the product of {text.id!r}, {factor!r} is the term of that name, not the {kind}"
                self.shadowed[text.id] = f"{told} {factor}, which is something else"
            found = self.factors[factor][stratum]
            if found is None:
                name = self.names[stratum]
                raise self.fail(
                    f"term {text.id!r}: {factor!r} is not a term of the stratum {name!r}, for which this one has a "
                    "coefficient", factor, text.pointer,
                )  # fmt: skip
            return found
        parts = [ident for ident in self.factors if ident.startswith(f"{factor}.")]
        if parts:
            raise self.fail(
                f"term {text.id!r}: {factor!r} is a term of several parts: say which, {' or '.join(parts)}", factor,
                text.pointer,
            )  # fmt: skip
        try:
            node = self.scope.own(factor) or self.scope.lookup(factor) if factor.isidentifier() else None
        except ExpressionError as error:
            raise self.fail(f"term {text.id!r}: {error.message}", factor, text.pointer) from None
        if node is None:
            known = [*self.factors, *self.scope.derived, *self.scope.inputs]
            raise self.fail(
                f"term {text.id!r}: there is no term, derived value or input {factor!r} before it"
                f"{suggest(factor, known)}", factor, text.pointer,
            )  # fmt: skip
        if node.type.kind not in ("bool", "number"):
            raise self.fail(f"term {text.id!r}: {factor!r} is {node.type}, which has no product", factor, text.pointer)
        return node

    @staticmethod
    def _product(text: TermText, factors: Sequence[n.Node]) -> n.Node:
        conditions = [node for node in factors if node.type.kind == "bool"]
        numbers = [node for node in factors if node.type.kind == "number"]
        if not numbers:
            return conjunction(conditions, text.text)
        product = numbers[0]
        for other in numbers[1:]:
            product = arithmetic("*", product, other, text.text)
        if not conditions:
            return product
        return cases([(conjunction(conditions, text.text), product)], _ZERO, n.NUMBER, text.text)
