"""The pack that a fit makes: the specification's own tables, with coefficients, baselines and provenance."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popstrat.core.hashing import HASH
from popstrat.fitting.counts import in_words, rounded
from popstrat.fitting.fitted import StratumFit, TermFit
from popstrat.fitting.pack_writer import baseline, by_stratum, extends_from, neat
from popstrat.fitting.performance import told
from popstrat.fitting.prepare import Prepared
from popstrat.fitting.provenance import provenance
from popstrat.fitting.spec import Spec


@dataclass(frozen=True)
class Found:
    """What the strata's fits come to; ``held_out`` is how many people were kept aside."""

    terms: tuple[TermFit, ...]
    strata: tuple[StratumFit, ...]
    held_out: int
    warnings: tuple[str, ...]


def fitted_pack(
    spec: Spec, prepared: Prepared, found: Found, method: str, measured: dict[str, float] | None, as_of: dt.date,
    output: Path,
) -> dict[str, Any]:  # fmt: skip
    """The new pack's tables; ``measured`` is how well it did."""
    raw: dict[str, Any] = {k: v for k, v in spec.own.items() if k != "definition"}
    head = {k: v for k, v in raw["pack"].items() if k != "seal"}
    folder = Path(spec.pack.sources[0].location).parent
    if "extends" in head:
        names = [head["extends"]] if isinstance(head["extends"], str) else head["extends"]
        moved = [extends_from(name, folder, output) for name in names]
        head["extends"] = moved[0] if len(moved) == 1 else moved
    raw["pack"] = head
    own = dict(spec.own.get("definition", {}))
    body = {
        k: v
        for k, v in own.get(spec.model, {}).items()
        if k not in ("reference_patients", "provenance", "coefficients")
    }
    people, events = sum(s.people for s in found.strata), sum(s.events for s in found.strata)
    source = (
        f"fitted on {in_words(people)} people, {in_words(events)} of them with the event, registered on "
        f"{as_of.isoformat()}: see `provenance`"
    )
    body["evidence"], body["source"] = "derived", source
    body.setdefault("disclaimer", "Fitted on local outcomes; not validated anywhere else.")
    names = [s.name for s in found.strata]
    body["terms"] = [_weighed(term, found, names) for term in spec.body["terms"]]
    body["intercept"] = by_stratum(names, [s.intercept for s in found.strata])
    if spec.body["link"] == "survival":
        body.update(baseline(spec.body, names, [s.survival for s in found.strata]))
    merged = spec.pack.raw["definition"][spec.model]
    if "recalibration" in merged:
        body["recalibration"] = {"intercept": 0.0, "slope": 1.0}
    body["provenance"] = _provenance(spec, prepared, found, method, measured, as_of)
    own[spec.model] = body
    raw["definition"] = own
    return raw


def _weighed(term: Mapping[str, Any], found: Found, strata: list[str]) -> dict[str, Any]:
    """A term of the specification with its coefficients in place of the stand-ins."""

    def weight(ident: str) -> Any:
        weights = {t.stratum: t.coefficient for t in found.terms if t.id == ident}
        return weights[""] if strata == [""] else {name: weights[name] for name in strata if name in weights}

    made = dict(term)
    name = term["id"]
    if "powers" in term:
        several = len(term["powers"]) > 1
        made["coefficients"] = [weight(f"{name}.{i}" if several else name) for i in range(1, len(term["powers"]) + 1)]
    elif "levels" in term:
        made["levels"] = [
            {**level, "coefficient": weight(f"{name}.{level.get('id', level['labels'][0])}")}
            for level in term["levels"]
        ]
    else:
        made["coefficient"] = weight(name)
    return made


def _provenance(
    spec: Spec, prepared: Prepared, found: Found, method: str, measured: dict[str, float] | None, as_of: dt.date
) -> dict[str, Any]:
    first = spec.pack.sources[0]
    days = next(iter(spec.days.values())) if len(spec.days) == 1 else spec.days
    own = {"seed": spec.seed, "specification": {"name": first.name, HASH: first.sha256}}
    made = provenance("fitted", method, as_of, days, found.strata, prepared, own)
    if len(spec.pack.sources) > 1:
        made["extends"] = [{"name": s.name, HASH: s.sha256} for s in spec.pack.sources[1:]]
    if spec.penalty.kind != "none":
        made["strength"] = {s.name or "all": neat(s.strength or 0.0) for s in found.strata}
    whom = {"people": rounded(found.held_out), "share": spec.holdout} if spec.holdout else {}
    made["held_out" if spec.holdout else "on_the_same_people"] = {**whom, **told(measured)}
    if found.warnings:
        made["warnings"] = list(found.warnings)
    made["terms"] = [
        {
            "id": t.id,
            **({"stratum": t.stratum} if t.stratum else {}),
            **{k: neat(v) for k, v in (("error", t.error), ("low", t.low), ("high", t.high)) if v is not None},
            "events": rounded(t.events),
            **({"note": t.note} if t.note else {}),
        }
        for t in found.terms
    ]
    return made
