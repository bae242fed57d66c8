"""How a model came to its result: what stood in for what, the terms in the order of the sum, the link."""

from __future__ import annotations

import math
from collections.abc import Iterator

from popstrat.errors import TraceError
from popstrat.lang import nodes as n
from popstrat.lang.values import on_grid
from popstrat.model import Model, Stratum
from popstrat.pack import Definition
from popstrat.reasons.findings import Contribution, ModelTrace, StandIn
from popstrat.reasons.narrator import Narrator
from popstrat.reasons.phrases import shown, words


def trace_model(definition: Definition, narrator: Narrator) -> ModelTrace | None:
    """The terms as they are summed; None where there is no sum, as for a patient in no stratum.

    Raises `TraceError` if the terms as told do not add up to the reference evaluator's linear predictor.
    """
    raw, model = definition.raw, narrator.resolved.models[definition.id]
    number = _stratum(model, narrator)
    predictor = narrator.named(model.predictor)
    if number is None or predictor is None:
        return None
    stratum = model.strata[number]
    start = on_grid(stratum.start)
    added = tuple(_contributions(model, number, start, narrator))
    total = added[-1].total if added else start
    if total != predictor:
        raise TraceError(f"internal error: the terms of {definition.id} add up to {total!r}, not {predictor!r}")
    missing = narrator.resolved.definitions.get(f"{definition.id}.inputs_missing")
    counted = narrator.named(missing.id) if missing else None
    return ModelTrace(
        start=start,
        contributions=added,
        silent=len(model.terms) - len(added),
        linear_predictor=total,
        link=_link(model, stratum, total, narrator),
        stand_ins=tuple(_stand_ins(definition, narrator)),
        missing=int(counted) if isinstance(counted, int | float) else None,
        missing_output=missing.output if missing else None,
        disclaimer=raw.get("disclaimer", ""),
        intended_use=raw.get("intended_use", ""),
    )


def _stratum(model: Model, narrator: Narrator) -> int | None:
    """The number of the stratum that the patient is in."""
    holds = (s.when is None or narrator.value(s.when) is True for s in model.strata)
    return next((i for i, held in enumerate(holds) if held), None)


def _contributions(model: Model, stratum: int, start: float, narrator: Narrator) -> Iterator[Contribution]:
    """The terms that add something, in the order of the sum, which is exact on its grid."""
    total = start
    for term in model.terms:
        part = term.parts[stratum]
        if part is None:
            continue
        node, weight = part
        value = narrator.value(node)
        if value is None:
            continue
        number = float(value) if isinstance(value, bool | int | float) else math.nan
        adds = on_grid(number * weight)
        total += adds
        if adds == 0:
            continue
        for inner in node.walk():
            if isinstance(inner, n.Named):
                narrator.mention(inner.id)
        yield Contribution(term.id, term.title, number, weight, adds, total, term.evidence, term.source)


def _link(model: Model, stratum: Stratum, total: float, narrator: Narrator) -> str:
    """The last step, with its numbers; of a survival model one for each horizon."""
    whose = f", for {words(stratum.name)}" if stratum.name else ""

    def result(ident: str) -> str:
        value = narrator.named(ident)
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


def _stand_ins(definition: Definition, narrator: Narrator) -> Iterator[StandIn]:
    """Inputs without a record, and those beyond their bounds."""
    parse = narrator.resolved.parse
    for name, spec in definition.raw.get("inputs", {}).items():
        source = parse(definition.id, f"input {name}", spec.get("from", name))
        if isinstance(source, n.Coalesce) and source.text == source.item.text:
            source = source.item  # a null that reads as a label is still no record
        value = narrator.value(source)
        if value is None:
            default = spec["default"]
            if isinstance(default, str) and source.type.kind == "number":
                default = narrator.value(parse(definition.id, f"input {name}, default", default))
            yield StandIn(words(name), shown(default), spec.get("why") or spec.get("source") or "")
            value = default
        if "clip" in spec and isinstance(value, int | float):
            low, high = spec["clip"]
            if not low <= value <= high:
                used = min(max(value, low), high)
                yield StandIn(words(name), shown(used), f"{shown(value)} lies beyond {low} to {high}")
