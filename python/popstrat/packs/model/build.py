"""A model's table turned into expressions.

However a term is written (a condition, a number, powers of a number, levels of a category, a product of other terms)
it becomes one typed expression with a weight for each stratum, so that nothing after this knows of more than weighted
sums. A model is refused rather than guessed at: an input that no term uses, a term that is the same for everybody, a
level without a weight, a stratum that nothing names are errors when the pack is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from popstrat.core.text import suggest
from popstrat.errors import PackError
from popstrat.lang import nodes as n
from popstrat.lang.parser import cases, conjunction, disjunction, is_null, negation
from popstrat.lang.toml_places import Path
from popstrat.lang.values import WHOLE
from popstrat.packs import shapes
from popstrat.packs.builder import Builder, Raw
from popstrat.packs.definition import Definition
from popstrat.packs.model.parts import Model, Stratum
from popstrat.packs.model.scope import ModelScope, recorded, required
from popstrat.packs.model.strata import Strata, given
from popstrat.packs.model.summed import Terms
from popstrat.packs.patient_table import patient_schema
from popstrat.packs.phrases import no_record
from popstrat.packs.typed import label_cases

_PART = ("when", "reason")
LINKS = ("logistic", "survival", "identity")
DECIMALS = 6
NO_STRATUM = "in no stratum"
NO_VALUE = "a term has no value"
NO_ROOM = "beyond what its column holds"
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


def eligibility(builder: Builder, ident: str, raw: Raw) -> list[tuple[n.Node, str]]:
    """The conditions for whom a model is, each with the reason that stands where it is not met: those it states, then
    a record of each input that it requires. Raises `PackError`."""

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
        node = builder.parse(ident, "eligible", entry.get("when"), condition=True, at=at)
        parts.append((node, entry["reason"]))
    for name, spec in shapes.items(raw.get("inputs")).items():
        if required(spec):
            record = recorded(builder.parse(ident, f"input {name}", spec.get("from", name), at=("inputs", name)))
            there = negation(is_null(record, f"{name} is null"), f"{name} is not null")
            parts.append((there, _no_record(name, builder)))
    said = [reason for _, reason in parts]
    if len(set(said)) < len(said):
        raise fail("two parts of `eligible` give the same reason")
    return parts


def _no_record(name: str, builder: Builder) -> str:
    """The reason of who has no record of an input: by the title of a column that a pack adds."""
    if name in builder.schema and name not in patient_schema():
        return f"no record of {builder.schema[name].title}"
    return no_record([name])


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
        reasons = eligibility(self.builder, self.ident, raw)
        eligible = conjunction([node for node, _ in reasons], "eligible") if reasons else None
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
        self._missing(eligible, found)
        self._reasons(model, reasons, found)
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
        return Model(self.ident, link, eligible, made, terms, horizons, tuple(self.scope.declared),
                     (*self.scope.shadowed.items(), *built.shadowed.items()))  # fmt: skip

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

    def _missing(self, eligible: n.Node | None, result: n.Node) -> None:
        """What stood in for what was not recorded, of whoever has a result: no share of them is over 100 %."""
        scored = negation(n.IsNull(n.BOOL, NO_VALUE, result), "scored")
        counted = n.CountTrue(n.NUMBER, "inputs missing", tuple(self.scope.missing.values()))
        if "missing_output" in self.raw:
            self._define(
                "inputs_missing", f"{self.raw['title']}: inputs missing", eligible,
                n.Only(n.NUMBER, counted.text, scored, counted), type="uint8",
                means="How many inputs of the model had no record, so that their declared default stood in.",
                output=self.raw["missing_output"],
            )  # fmt: skip
        for kind, table in (("missing", self.scope.missing), ("clipped", self.scope.clipped)):
            for name, node in table.items():
                self.tallies[self.ident, kind, name] = conjunction([scored, node], name)

    def _reasons(self, model: Model, parts: Sequence[tuple[n.Node, str]], result: n.Node) -> None:
        """Why somebody has no result, as a category and as counts."""
        predictor = n.Named(n.NUMBER, "", model.predictor)
        items = [(negation(_true(node), reason), reason) for node, reason in parts]
        named = [s.when for s in model.strata if s.when is not None]
        if named:
            items.append((negation(_true(disjunction(named, "in a stratum")), NO_STRATUM), NO_STRATUM))
        items.append((n.IsNull(n.BOOL, NO_VALUE, predictor), NO_VALUE))
        if isinstance(result, n.Whole):
            items.append((n.IsNull(n.BOOL, NO_ROOM, result), NO_ROOM))
        node = label_cases(items, None, tuple(reason for _, reason in items))
        if "reason_output" in self.raw:
            self._define(
                "reason", f"{self.raw['title']}: why there is none", None, node,
                means="The first reason why the model gives no result; null where it gives one.",
                output=self.raw["reason_output"],
            )  # fmt: skip
        for _, reason in items:
            self.tallies[self.ident, "not_scored", reason] = n.IsIn(n.BOOL, reason, node, (reason,))

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


def _true(node: n.Node) -> n.Node:
    """`node` as a condition that is true or false, never unknown."""
    if isinstance(node, n.Const):
        return n.Const(n.BOOL, node.text, node.value is True)
    return cases([(node, n.Const(n.BOOL, "true", True))], n.Const(n.BOOL, "false", False), n.BOOL, node.text)
