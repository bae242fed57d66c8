"""``model``: weighted terms of inputs with declared defaults, added up and put through a link.

What the table means is in `packs.model`; here is what is particular to it as a kind: how it is read, shown and traced.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from popstrat.core.blocks import Block, Table, code, table
from popstrat.core.text import suggest
from popstrat.errors import TraceError
from popstrat.lang import nodes as n
from popstrat.lang.compose import less
from popstrat.lang.values import on_grid
from popstrat.packs import compared, shapes
from popstrat.packs.builder import Builder, Raw
from popstrat.packs.compared import Said
from popstrat.packs.definition import Definition
from popstrat.packs.kinds.kind import Built, Kind, Names, Witness
from popstrat.packs.model.build import DECIMALS, ModelBuilder
from popstrat.packs.model.on_record import on_record
from popstrat.packs.model.parts import Model, Stratum
from popstrat.packs.model.reasons import eligibility
from popstrat.packs.model.scope import required
from popstrat.packs.model.terms import TermText, said_twice, term_texts, weighed
from popstrat.packs.phrases import rule_code, shown, words
from popstrat.packs.trace_parts import Contribution, ModelTrace, StandIn, Traced


class RiskModel(Kind):
    name = "model"
    called = "model"
    rank = 6
    keys = frozenset({
        "inputs", "derived", "strata", "terms", "coefficients", "link", "intercept", "baseline_survival", "horizons",
        "horizon", "recalibration", "decimals", "missing_output", "reason_output", "intended_use", "disclaimer",
        "evidence", "provenance", "draft", "name", "called",
    })  # fmt: skip
    told = ("above", "the linked sum")
    rules = ("eligible",)
    values = (
        "link", "intercept", "baseline_survival", "horizons", "recalibration", "decimals", "missing_output",
        "reason_output", "draft",
    )  # fmt: skip
    reference_patients = 3
    decimals = DECIMALS
    alone = True  # its terms and its counts are shown without a column
    defaults = True
    tells_eligible = True
    example = """
title = "Risk of a fall, 12 months, in two terms"
means = "The chance of a recorded fall in the next 12 months."
source = "Invented, to show the form"
version = "1.0"
intended_use = "An example. Not for patients."
disclaimer = "Invented coefficients."
evidence = "assumption"
link = "logistic"
intercept = -3.0
inputs = { efi = { default = 0.12, clip = [0.0, 0.5], why = "the border between fit and mildly frail" } }
terms = [
    { id = "efi", title = "Frailty index", value = "efi", coefficient = 2.5 },
    { id = "falls", title = "Falls", when = "falls", coefficient = 1.1 },
]
reference_patients = [
    { patient = { age = 80, efi = 0.2 }, expected = 0.075858 },
    { patient = { age = 80, efi = 0.2, falls = true }, expected = 0.197816 },
    { patient = { age = 70 }, expected = 0.062973 },
]
output = true
"""

    def build(self, builder: Builder, ident: str, raw: Raw) -> Built:
        built = ModelBuilder(builder, ident, raw).build()
        if "called" in raw:
            _check_called(builder, ident, raw["called"], built.model)
        return Built(built.node, {}, built.besides, built.model, built.tallies)

    def eligible(self, builder: Builder, ident: str, raw: Raw) -> tuple[n.Node, ...]:
        return tuple(part.condition for part in eligibility(builder, ident, raw))

    # -- reading --

    def texts(self, raw: Raw) -> Iterator[str]:
        for term in shapes.tables(raw.get("terms")):
            yield from shapes.texts([term.get(key) for key in ("when", "value", "of")])
            yield " ".join(shapes.texts(term.get("product")))
        yield from shapes.texts(list(shapes.items(raw.get("strata")).values()))
        yield from shapes.texts(list(shapes.items(raw.get("derived")).values()), "value")
        for name, spec in shapes.items(raw.get("inputs")).items():
            written = shapes.items(spec)
            yield from shapes.texts([written.get("from", name), written.get("default")])

    def columns(self, ident: str, raw: Raw) -> Iterator[str]:
        for key in ("missing_output", "reason_output"):
            if raw.get(key):
                yield str(raw[key])
        for horizon in shapes.tables(raw.get("horizons")):
            if horizon.get("output"):
                yield f"{ident}_{horizon.get('id')}" if horizon["output"] is True else str(horizon["output"])

    def assumptions(self, raw: Raw) -> Iterator[tuple[str, str]]:
        reasons: dict[str, list[str]] = {}  # terms with the same reason together
        for term in term_texts(raw):
            if term.evidence == "assumption":
                reasons.setdefault(term.source, []).append(term.title)
        for why, terms in reasons.items():
            yield "; ".join(terms), why
        for name, spec in raw.get("inputs", {}).items():
            if required(spec):
                continue
            yield f"{code(name)} without a record is {rule_code(spec['default'])}", spec.get("why", "")

    def twice(self, raw: Raw) -> Iterator[tuple[tuple[str, ...], str]]:
        for ident in said_twice(raw):
            told = f"the term {ident!r} has a coefficient here and where it stands: say it once"
            yield ("coefficients", ident), told

    # -- showing --

    def page(self, raw: Raw, names: Names) -> list[Block]:
        blocks: list[Block] = [_formula(raw)]
        strata = raw.get("strata", {})
        if strata:
            rows = [(code(name), rule_code(when)) for name, when in strata.items()]
            blocks.append(table(("stratum", "first that holds"), rows))
        again = raw.get("recalibration")
        if again:
            what = "ln(−ln(1 − risk))" if "of" in again else "LP"
            blocks.append(
                f"Recalibrated: {what} is replaced by {_side(again.get('intercept', 0))} + "
                f"{_side(again.get('slope', 1))} × {what}."
            )
        blocks.append(_terms(raw))
        blocks += _products(raw)
        if raw.get("derived"):
            blocks.append(_derived(raw["derived"]))
        needed = [name for name, spec in raw.get("inputs", {}).items() if required(spec)]
        if needed:
            blocks.append(f"Required: {', '.join(map(code, needed))}; null if one of them is not recorded.")
        if raw.get("inputs"):
            stand_ins = len(needed) < len(raw["inputs"])
            blocks.append("What stands in where an input has no record:" if stand_ins else "Its inputs:")
            blocks.append(_inputs(raw["inputs"]))
        if "missing_output" in raw:
            blocks.append(f"How many were not recorded is in the column {code(raw['missing_output'])}.")
        return blocks

    def trace(self, definition: Definition, witness: Witness) -> Traced:
        """The terms as they are summed, and the link; nothing where there is no sum, as in no stratum."""
        raw, model = definition.raw, witness.model(definition.id)
        number = _stratum(model, witness)
        predictor = witness.named(model.predictor)
        if number is None or predictor is None:
            return Traced(())
        stratum = model.strata[number]
        start = on_grid(stratum.start)
        added = tuple(_contributions(model, number, start, witness))
        total = added[-1].total if added else start
        if total != predictor:
            raise TraceError(f"internal error: the terms of {definition.id} add up to {total!r}, not {predictor!r}")
        missing = witness.definition(f"{definition.id}.inputs_missing")
        counted = witness.named(missing.id) if missing else None
        found = ModelTrace(
            start=start,
            contributions=added,
            silent=len(model.terms) - len(added),
            linear_predictor=total,
            link=_link(model, stratum, total, witness),
            stand_ins=tuple(_stand_ins(model, witness)),
            missing=int(counted) if isinstance(counted, int | float) else None,
            missing_output=missing.output if missing else None,
            disclaimer=raw.get("disclaimer", ""),
            intended_use=raw.get("intended_use", ""),
        )
        return Traced((), found)

    def result(self, raw: Raw, value: n.Value) -> str | None:
        if isinstance(value, float) and raw.get("link") != "identity":
            return f"{value:.6g} ({100 * value:.1f}%)"
        return None

    def differences(self, before: Raw, after: Raw) -> Said:
        yield from compared.keyed("term", weighed(before), weighed(after))
        for what, key, single in (
            ("stratum", "strata", "when"),
            ("input", "inputs", "default"),
            ("derived", "derived", "value"),
        ):
            x, y = (
                [{"id": k, **(v if isinstance(v, dict) else {single: v})} for k, v in raw.get(key, {}).items()]
                for raw in (before, after)
            )
            yield from compared.keyed(what, x, y)
        if before.get("called") != after.get("called"):
            yield "wording", "what its terms are called in sentences"


def _check_called(builder: Builder, ident: str, called: Any, model: Model) -> None:
    """Refuse what is no text for a term of the model."""
    if not isinstance(called, dict) or not all(isinstance(text, str) and text for text in called.values()):
        raise builder.fault(ident, "`called` is a table of what terms are called in sentences: term = text", "called")
    terms = [term.id for term in model.terms]
    for name in called:
        if name not in terms:
            raise builder.fault(ident, f"`called`: there is no term {name!r}{suggest(name, terms)}", name)


# -- on a page ---------------------------------------------------------------------------------------------------------


def _formula(raw: Raw) -> str:
    """From the sum of the terms to the result."""
    baselines = raw.get("horizons") or [{"baseline_survival": raw.get("baseline_survival")}]
    told = "; ".join(
        (f"{h.get('title', h['id'])}: " if "id" in h else "") + _by_stratum(h["baseline_survival"])
        for h in baselines
        if h["baseline_survival"] is not None
    )
    steps = {
        "survival": f"risk = 1 − S₀ ^ exp(LP), where the baseline survival S₀ is {told}",
        "logistic": "risk = 1 / (1 + exp(−LP))",
        "identity": "result = LP",
    }
    total = f"LP, the linear predictor, is {_by_stratum(raw.get('intercept', 0.0))} plus the sum of the terms below"
    return f"{total}; {steps[raw['link']]}, rounded to {raw.get('decimals', 6)} places."


def _terms(raw: Raw) -> Table:
    rows = [_term(term, raw["link"] != "identity") for term in term_texts(raw)]
    headings = ("term", "where true, or times", "coefficient", "exp(coefficient)", "evidence", "source or reason")
    return table(headings, rows, (2, 3))


def _products(raw: Raw) -> list[Block]:
    """What the names in products are that are those of terms with another rule."""
    texts = {term.id: term for term in term_texts(raw)}
    named = dict.fromkeys(factor for term in texts.values() for factor in term.factors)
    told = [
        f"{code(name)} is {_centred(of.text, of.center)}" for name in named
        if (of := texts.get(name)) is not None and of.form != "product" and (of.text != name or of.center is not None)
    ]  # fmt: skip
    return [f"In a product, a name first means a term above it: {', '.join(told)}."] if told else []


def _term(term: TermText, ratio: bool) -> tuple[str, ...]:
    by = isinstance(term.coefficient, dict)
    weights = term.coefficient if by else {"": term.coefficient}
    shown = "; ".join(f"{f'{name}: ' if by else ''}{_coefficient(w)}" for name, w in weights.items())
    curved = "**" in term.text or "ln(" in term.text or "×" in term.text  # a ratio for each unit means nothing there
    ratios = "; ".join(f"{math.exp(w):.3f}" for w in weights.values()) if ratio and not curved else ""
    rule = term.text if term.form == "product" else _centred(term.text, term.center)
    return term.title, rule, shown, ratios, term.evidence, term.source


def _derived(derived: Mapping[str, Any]) -> Table:
    rows = []
    for name, made in derived.items():
        body = made if isinstance(made, dict) else {"value": made}
        rows.append(
            (code(name), _centred(body["value"], body.get("center")), str(body.get("why", body.get("source", ""))))
        )
    return table(("derived value", "is", "why"), rows)


def _inputs(inputs: Mapping[str, Any]) -> Table:
    rows = [
        (code(name), rule_code(spec["from"]) if "from" in spec else "",
         "none: required" if required(spec) else rule_code(spec["default"]),
         "{} to {}".format(*spec["clip"]) if "clip" in spec else "", spec.get("why", spec.get("source", "")))
        for name, spec in inputs.items()
    ]  # fmt: skip
    return table(("input", "from", "stands in", "kept within", "why"), rows)


def _centred(text: str, center: Any) -> str:
    """A rule less its centre, of which there may be one for each stratum."""
    if isinstance(center, dict):
        return "; ".join(f"{name}: {code(less(text, number))}" for name, number in center.items())
    return rule_code(text) if center is None else code(less(text, center))


def _coefficient(x: float) -> str:
    """Every digit that the pack has, and at least four places, so that it can be held against what was published."""
    return max(f"{x:.4f}", repr(float(x)), key=len)


def _by_stratum(value: Any) -> str:
    """A number, or one for each stratum."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {number:.15g}" for name, number in value.items())
    return f"{value:.15g}"


def _side(value: Any) -> str:
    """The same beside an operator."""
    return f"({_by_stratum(value)})" if isinstance(value, dict) or value < 0 else _by_stratum(value)


# -- in a trace --------------------------------------------------------------------------------------------------------


def _stratum(model: Model, witness: Witness) -> int | None:
    """The number of the stratum that the patient is in."""
    holds = (s.when is None or witness.value(s.when) is True for s in model.strata)
    return next((i for i, held in enumerate(holds) if held), None)


def _contributions(model: Model, stratum: int, start: float, witness: Witness) -> Iterator[Contribution]:
    """The terms that add something, in the order of the sum, which is exact on its grid."""
    total = start
    for term in model.terms:
        part = term.parts[stratum]
        if part is None:
            continue
        node, weight = part
        value = witness.value(node)
        if value is None:
            continue
        number = float(value) if isinstance(value, bool | int | float) else math.nan
        adds = on_grid(number * weight)
        total += adds
        if adds == 0:
            continue
        for inner in node.walk():
            if isinstance(inner, n.Named):
                witness.mention(inner.id)
        told = on_record(model, node)
        recorded = told is None or witness.value(told) is True
        yield Contribution(term.id, term.title, number, weight, adds, total, term.evidence, term.source, recorded)


def _link(model: Model, stratum: Stratum, total: float, witness: Witness) -> str:
    """The last step, with its numbers; of a survival model one for each horizon."""
    whose = f", for {words(stratum.name)}" if stratum.name else ""

    def result(ident: str) -> str:
        value = witness.named(ident)
        return f"{value:.6g}" if isinstance(value, int | float) else "none"

    match model.link:
        case "survival":
            told = [
                f"{f'{words(horizon.id)}: ' if horizon.id else ''}1 − {survival} ^ exp({total:.6f}) = "
                f"{result(horizon.definition)}"
                for horizon, survival in zip(model.horizons, stratum.survival, strict=True)
            ]
            which = f"{stratum.survival[0]} being" if len(told) == 1 else "each with"
            return f"{'; '.join(told)}, {which} the baseline survival{whose}"
        case "logistic":
            return f"1 / (1 + exp({-total:.6f})) = {result(model.id)}"
        case _:
            return f"the sum itself, rounded: {result(model.id)}"


def _stand_ins(model: Model, witness: Witness) -> Iterator[StandIn]:
    """Inputs without a record, and those beyond their bounds."""
    for made in model.inputs:
        value = witness.value(made.given)
        if value is None and made.default is not None:
            value = witness.value(made.default)
            yield StandIn(words(made.name), shown(value), made.spec.get("why") or made.spec.get("source") or "")
        if "clip" in made.spec and isinstance(value, int | float):
            low, high = made.spec["clip"]
            if not low <= value <= high:
                used = min(max(value, low), high)
                yield StandIn(words(made.name), shown(used), f"{shown(value)} lies beyond {low} to {high}")
