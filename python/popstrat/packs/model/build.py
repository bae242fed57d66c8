"""A model's table turned into expressions.

However a term is written (a condition, a number, powers of a number, levels of a category, a product of other terms)
it becomes one typed expression with a weight for each stratum, so that nothing after this knows of more than weighted
sums. A model is refused rather than guessed at: an input that no term uses, a term that is the same for everybody, a
level without a weight, a stratum that nothing names are errors when the pack is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from popstrat.core.text import suggest
from popstrat.errors import PackError
from popstrat.lang import nodes as n
from popstrat.lang.parser import cases, conjunction, negation
from popstrat.lang.values import WHOLE
from popstrat.packs.builder import Builder, Raw
from popstrat.packs.definition import Definition
from popstrat.packs.model.parts import Model, Stratum
from popstrat.packs.model.reasons import NO_VALUE, Part, eligibility, why_not
from popstrat.packs.model.scope import ModelScope
from popstrat.packs.model.strata import Strata, given
from popstrat.packs.model.summed import Terms
from popstrat.packs.typed import label_cases

LINKS = ("logistic", "survival", "identity")
DECIMALS = 6
_SATURATED = 600.0  # exp of more is as good as infinite: the result is its limit, to all 15 places
_ONE = n.Const(n.NUMBER, "1", 1.0)
_ZERO = n.Const(n.NUMBER, "0", 0)


@dataclass(frozen=True)
class BuiltModel:
    """A model's result at its first horizon, what is known of it, the definitions beside it, what a run counts."""

    node: n.Node
    model: Model
    besides: tuple[Definition, ...]
    tallies: dict[tuple[str, str, str], n.Node]


class ModelBuilder:
    """Builds the expressions of one model: its linear predictor, its result at each horizon, what it counts."""

    def __init__(self, builder: Builder, ident: str, raw: Raw) -> None:
        self.builder, self.ident, self.raw = builder, ident, raw
        self.scope = ModelScope(builder, ident)
        self.besides: list[Definition] = []
        self.tallies: dict[tuple[str, str, str], n.Node] = {}

    def fail(self, message: str, text: str = "") -> PackError:
        """An error that points at `text` in the model's table."""
        return self.builder.fault(self.ident, message, text)

    def build(self) -> BuiltModel:
        """The result, and what comes with it. Raises `PackError`."""
        raw = self.raw
        link = raw.get("link")
        if link not in LINKS:
            shown = str(link or "")
            wrong = f", and not {shown!r}{suggest(shown, LINKS)}" if shown else ""
            raise self.fail(f"needs a `link`: one of {', '.join(LINKS)}{wrong}", shown)
        self._texts(link)
        strata = Strata(self.builder, self.ident, raw)
        parts = eligibility(self.builder, self.ident, raw)
        eligible = conjunction([part.condition for part in parts], "eligible") if parts else None
        for name, spec in self._table("inputs").items():
            self.scope.declare(name, spec)
        for name, spec in self._table("derived").items():
            self.scope.derive(name, spec)
        model = self._model(link, strata, eligible)
        total = self._linear_predictor(model)
        self._define("linear_predictor", f"{raw['title']}: linear predictor", eligible, total)
        results = [self._result(model, horizon) for horizon in range(max(1, len(model.horizons)))]
        found: n.Node = n.Named(n.NUMBER, "", model.predictor)
        if raw.get("type") in WHOLE:
            found = n.Whole(n.NUMBER, "", results[0], raw["type"])
        self._missing(model, eligible, found)
        model = self._reasons(model, parts, found)
        for horizon, entry, node in zip(model.horizons[1:], raw.get("horizons", ())[1:], results[1:], strict=True):
            output = entry.get("output", False)
            self._define(
                horizon.id, horizon.title, eligible, node, means=raw.get("means", ""),
                output=f"{self.ident}_{horizon.id}" if output is True else output,
                decimals=raw.get("decimals", DECIMALS),
            )  # fmt: skip
        return BuiltModel(results[0], model, tuple(self.besides), self.tallies)

    def _model(self, link: str, strata: Strata, eligible: n.Node | None) -> Model:
        intercept, slope = strata.recalibration()
        built = Terms(strata, self.scope, slope)
        terms = built.built()
        starts = strata.numbers(self.raw.get("intercept", 0.0), "`intercept`", "intercept", all_of_them=True)
        survivals, horizons = strata.horizons(link)
        # of the risk: ln(−ln(1 − risk)) is ln(−ln S0) + lp, so that the baseline is recalibrated like the predictor
        powers = slope if "of" in self.raw.get("recalibration", {}) else (1.0,) * len(slope)
        made = tuple(
            Stratum(
                name, when, intercept[i] + slope[i] * given(starts[i]),
                tuple(_to_power(given(s[i]), powers[i]) for s in survivals),
            )
            for i, (name, when) in enumerate(strata.conditions.items())
        )  # fmt: skip
        shadowed = (*self.scope.shadowed.items(), *built.shadowed.items())
        return Model(
            self.ident, link, eligible, made, terms, horizons, tuple(self.scope.declared), shadowed=shadowed
        )  # fmt: skip

    def _texts(self, link: str) -> None:
        for key in ("intended_use", "disclaimer", "horizon", "name"):
            if key in self.raw and not isinstance(self.raw[key], str):
                raise self.fail(f"`{key}` is text", key)
        draft = self.raw.get("draft", False)
        if not isinstance(draft, bool):
            raise self.fail("`draft` is true or false", "draft")
        if not isinstance(self.raw.get("provenance", {}), dict):
            raise self.fail("`provenance` is a table", "provenance")
        needed = ("intended_use",) if link == "identity" else ("intended_use", "disclaimer")
        for key in needed:
            if not self.raw.get(key) and not draft:
                raise self.fail(f"needs `{key}`, which is shown with the result (or `draft = true`)")

    def _table(self, key: str) -> dict[str, Any]:
        found = self.raw.get(key, {})
        if not isinstance(found, dict):
            raise self.fail(f"`{key}` is a table: bmi = {{ default = 27 }}", key)
        return found

    def _define(self, name: str, title: str, eligible: n.Node | None, node: n.Node, **more: Any) -> None:
        body = {"title": title, "version": self.raw["version"], "source": self.raw.get("source", "")} | more
        found = node if eligible is None else n.Only(node.type, node.text, eligible, node)
        self.besides.append(self.builder.make(f"{self.ident}.{name}", found, body, self.ident))

    # -- what is counted --

    def _missing(self, model: Model, eligible: n.Node | None, result: n.Node) -> None:
        """What stood in for what was not recorded, and which stratum they are in, of whoever has a result: no share of
        them is over 100%."""
        scored = negation(n.IsNull(n.BOOL, NO_VALUE, result), "scored")
        counted = n.CountTrue(n.NUMBER, "inputs missing", tuple(self.scope.missing.values()))
        if "missing_output" in self.raw:
            self._define(
                "inputs_missing", f"{self.raw['title']}: inputs missing", eligible,
                n.Only(n.NUMBER, counted.text, scored, counted), type="uint8",
                means="How many inputs of the model were not recorded and took their declared default.",
                output=self.raw["missing_output"],
            )  # fmt: skip
        for kind, table in (("missing", self.scope.missing), ("clipped", self.scope.clipped)):
            for name, node in table.items():
                self.tallies[self.ident, kind, name] = conjunction([scored, node], name)
        named = [(s.when, s.name) for s in model.strata if s.when is not None]
        if named:
            names = tuple(name for _, name in named)
            stratum = label_cases(named, None, names)
            for name in names:
                self.tallies[self.ident, "strata", name] = conjunction(
                    [scored, n.IsIn(n.BOOL, name, stratum, (name,))], name
                )

    def _reasons(self, model: Model, parts: Sequence[Part], result: n.Node) -> Model:
        """Why somebody has no result, as a category and as counts; the model, which knows of it."""
        node, reasons = why_not(self.builder, model, parts, result)
        if "reason_output" in self.raw:
            self._define(
                "reason", f"{self.raw['title']}: why there is none", None, node,
                means="The first reason why the model gives no result; null if it gives one.",
                output=self.raw["reason_output"],
            )  # fmt: skip
        for reason in reasons:
            self.tallies[self.ident, "not_scored", reason] = n.IsIn(n.BOOL, reason, node, (reason,))
        return replace(model, why=node, stated=tuple(part.reason for part in parts if not part.required))

    # -- results --

    def _linear_predictor(self, model: Model) -> n.Node:
        sums = []
        for i, stratum in enumerate(model.strata):
            parts = tuple(part for term in model.terms if (part := term.parts[i]) is not None)
            label = f"{self.ident}, linear predictor{f', {stratum.name}' if stratum.name else ''}"
            sums.append(n.WeightedSum(n.NUMBER, label, stratum.start, parts))
        return self._across(model, list(sums), "linear predictor")

    def _across(self, model: Model, found: Sequence[n.Node], text: str) -> n.Node:
        """Each stratum's own; null for people in none."""
        if model.strata[0].when is None:
            return found[0]
        items = [(_given_node(s.when), node) for s, node in zip(model.strata, found, strict=True)]
        return cases(items, n.Const(n.NULL, "null", None), n.NUMBER, text)

    def _result(self, model: Model, horizon: int) -> n.Node:
        lp = n.Named(n.NUMBER, model.predictor, model.predictor)
        result: n.Node = lp
        if model.link == "logistic":
            growth = _growth(n.Arithmetic(n.NUMBER, "", "-", _ZERO, lp))
            result = n.Arithmetic(
                n.NUMBER, "1 / (1 + exp(-lp))", "/", _ONE, n.Arithmetic(n.NUMBER, "", "+", growth, _ONE)
            )
        elif model.link == "survival":
            logs = self._across(model, [_number(math.log(s.survival[horizon])) for s in model.strata], "ln S0")
            hazard = n.Arithmetic(n.NUMBER, "", "*", _growth(lp), logs)
            result = n.Arithmetic(n.NUMBER, "1 - S0 ** exp(lp)", "-", _ONE, n.Call(n.NUMBER, "", "exp", (hazard,)))
        places = self.raw.get("decimals", DECIMALS)
        if isinstance(places, bool) or not isinstance(places, int) or not 0 <= places <= 15:
            raise self.fail("`decimals` is a whole number from 0 to 15", "decimals")
        return n.Call(n.NUMBER, self.ident, "round", (result, n.Const(n.NUMBER, str(places), places)))


def _growth(x: n.Node) -> n.Node:
    """exp(x), of a linear predictor however large: what follows from it is then finite, and never null."""
    return n.Call(n.NUMBER, "", "exp", (n.Call(n.NUMBER, "", "min", (x, _number(_SATURATED))),))


def _to_power(survival: float, power: float) -> float:
    """Baseline survival with its cumulative hazard to a power."""
    return survival if power == 1 else math.exp(-((-math.log(survival)) ** power))


def _number(x: float) -> n.Const:
    return n.Const(n.NUMBER, repr(x), x)


def _given_node(x: n.Node | None) -> n.Node:
    assert x is not None
    return x
