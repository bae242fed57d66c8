"""``popstrat fit``: a specification, a list and its outcomes in, a fitted pack out."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popstrat.core.hashing import HASH
from popstrat.core.progress import Progress
from popstrat.core.text import suggest
from popstrat.core.version import version
from popstrat.errors import InputError, PackError
from popstrat.fitting.design import Design, Part, gather
from popstrat.fitting.estimate import (
    Estimates,
    Sample,
    bootstrap,
    breslow,
    dependent,
    estimate,
    one_thread,
    support,
    unusable,
)
from popstrat.fitting.figures import figures, told
from popstrat.fitting.following import Outcomes, constant, read_outcomes
from popstrat.fitting.spec import Spec, read_spec
from popstrat.fitting.writing import check_free, described, extends_from, neat, rounded, tomlkit_module, write_pack
from popstrat.pack import Pack
from popstrat.runs.column_map import NO_MAP, ColumnMap

F64 = NDArray[np.float64]
Z = 1.959963984540054
_HOLDOUT = 11  # number of the random stream that divides the people


@dataclass(frozen=True)
class TermFit:
    """A fitted coefficient. ``error`` and the 95 % interval are None where a penalty leaves none.

    ``events``: people with the event who are not at the term's commonest value.
    """

    id: str
    title: str
    stratum: str
    coefficient: float
    error: float | None
    low: float | None
    high: float | None
    events: int
    note: str = ""


@dataclass(frozen=True)
class StratumFit:
    """One stratum: its start or its baseline survival by horizon, and who it was fitted to."""

    name: str
    people: int
    events: int
    intercept: float
    survival: Mapping[str, float]
    strength: float | None


@dataclass(frozen=True)
class Fitted:
    """What `fit` found and wrote. ``figures`` are those of the people kept aside (``held_out`` of them), or, where none
    were, of those it was fitted to, which flatter it."""

    pack: Pack
    output: Path
    model: str
    method: str
    terms: tuple[TermFit, ...]
    strata: tuple[StratumFit, ...]
    figures: dict[str, float] | None
    held_out: int
    counts: Mapping[str, int]
    warnings: tuple[str, ...]
    notices: tuple[str, ...] = ()
    period: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``: counts rounded as in the pack."""
        return {
            **described(self),
            "terms": [
                {**{k: v for k, v in vars(t).items() if v not in (None, "")}, "events": rounded(t.events)}
                for t in self.terms
            ],
            "figures": told(self.figures),
            "held_out": rounded(self.held_out) if self.held_out else 0,
        }


@dataclass
class _Work:
    """What the strata add up to."""

    terms: list[TermFit] = field(default_factory=list)
    strata: list[StratumFit] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    risk: list[F64] = field(default_factory=list)
    event: list[F64] = field(default_factory=list)
    days: list[NDArray[np.int64]] = field(default_factory=list)
    held_out: int = 0


@one_thread
def fit(
    specification: str | Path,
    inputs: Sequence[str | Path],
    outcome_file: str | Path,
    output: str | Path,
    *,
    as_of: dt.date,
    column: str | None = None,
    time_column: str | None = None,
    event_column: str | None = None,
    mapping: ColumnMap = NO_MAP,
    threads: int | None = None,
    encoding: str = "utf-8",
    allow_unknown: bool = False,
    allow_missing: bool = False,
    profile: str = "direct-care",
    progress: Progress | None = None,
) -> Fitted:
    """Fit the model of a specification to outcomes and write it as a new pack.

    A logistic model takes a yes or no, or days and events up to the horizon (people lost before it then count by
    inverse probability of censoring weights). A survival model takes days and events (Cox regression) or, of people
    all followed to the horizon, a yes or no (complementary log-log regression). Strata are fitted each on its own.

    Raises `PackError` for the specification, `InputError` for the list, the outcomes, terms that cannot be estimated
    (by name) and an output that may not be written. Nothing is written unless all went well.
    """
    tomlkit_module()
    given = {"column": column, "time_column": time_column, "event_column": event_column}
    spec = read_spec(specification, given)
    output = Path(output)
    check_free(output, spec.pack, spec.pack.id, spec.pack.version)
    _check_texts(spec)
    _check_terms(spec, as_of)
    outcomes = read_outcomes(
        outcome_file, spec.columns, horizon=next(iter(spec.days.values())), encoding=encoding
    )  # fmt: skip
    design = gather(
        inputs, spec.unit_pack, spec.model, outcomes, as_of=as_of, mapping=mapping, threads=threads, encoding=encoding,
        allow_unknown=allow_unknown, allow_missing=allow_missing, profile=profile, progress=progress,
    )  # fmt: skip
    work = _Work()
    link = _regression(spec, outcomes)
    for part in design.parts:
        _stratum(spec, part, link, design, work, outcomes)
    _expectations(spec, work)
    if spec.strict and work.warnings:
        raise InputError("; ".join(work.warnings) + " (and the specification is strict)")
    period = _periods(spec, work)
    work.warnings[:0] = design.warnings
    measured = None
    if work.risk:
        days = np.concatenate(work.days) if work.days else None
        horizon = next(iter(spec.days.values()))
        measured = figures(np.concatenate(work.risk), np.concatenate(work.event), days=days, horizon=horizon)
    method = _method(spec, link)
    raw = _assemble(spec, design, work, outcomes, method, measured, as_of, output)
    pack = write_pack(output, raw, spec.model, design.typical, as_of)
    return Fitted(
        pack, output, spec.model, method, tuple(work.terms), tuple(work.strata), measured, work.held_out, design.counts,
        tuple(work.warnings), design.notices, period,
    )  # fmt: skip


def _check_texts(spec: Spec) -> None:
    if not spec.body.get("intended_use"):
        raise spec.pack.error(f"definition.{spec.model}", "needs `intended_use`, which is shown with the result")


def _check_terms(spec: Spec, as_of: dt.date) -> None:
    """That the pack is sound with stand-in coefficients, and that [fit] names terms that there are."""
    resolved = spec.unit_pack.at(as_of)
    known = [term.id for term in resolved.models[spec.model].terms]
    for name in [*spec.signs, *(term for group in spec.monotone for term in group)]:
        if not _matching(name, known):
            raise spec.pack.error("fit", f"there is no term {name!r}{suggest(name, known)}", name, 0, len(name))


def _matching(name: str, known: Sequence[str]) -> list[str]:
    """The terms that a name stands for: itself, or all levels or powers of it."""
    return [term for term in known if term == name or term.startswith(f"{name}.")]


def _regression(spec: Spec, outcomes: Outcomes) -> str:
    if spec.body["link"] == "logistic":
        return "logistic"
    if not outcomes.timed and len(spec.days) > 1:
        raise PackError(
            f"{spec.pack.sources[0].name}: a model with several horizons needs --time-column and --event-column"
        )
    return "cox" if outcomes.timed else "cloglog"


def _method(spec: Spec, link: str) -> str:
    named = {
        "logistic": "logistic regression",
        "cloglog": "complementary log-log regression",
        "cox": "Cox regression, Breslow's ties and baseline",
    }[link]
    if spec.penalty.kind == "none":
        return f"{named}, maximum likelihood"
    mixed = f" (mix {spec.penalty.mix:g})" if spec.penalty.kind == "elastic" else ""
    chosen = "as stated" if spec.penalty.strength is not None else f"by {spec.penalty.folds}-fold cross-validation"
    return f"{named}, {spec.penalty.kind} penalty{mixed}, its strength {chosen}"


def _stratum(spec: Spec, part: Part, link: str, design: Design, work: _Work, outcomes: Outcomes) -> None:
    file = outcomes.name
    horizon = next(iter(spec.days.values()))
    days = part.followed.days
    event, weight = part.events, None
    where = f" in the stratum {part.name!r}" if part.name else ""
    if days is not None and max(spec.days.values()) > int(days.max()):
        raise InputError(
            f"nobody{where} is followed for {max(spec.days.values()):,} days: a shorter horizon is needed", file=file
        )
    if link == "logistic" and days is not None:
        event, weight = followed_to(days, event, horizon, where, file)
    aside = np.random.default_rng(np.random.SeedSequence([spec.seed, _HOLDOUT])).random(int(part.rows.max()) + 1)
    kept = aside[part.rows] >= spec.holdout  # by place in the list, so that strata and columns change nothing
    rows = np.flatnonzero(kept if weight is None else kept & (weight > 0))
    sample = Sample(
        part.terms, part.matrix, event, days if link == "cox" else None, weight
    ).only(rows)  # fmt: skip
    events = int(sample.event.sum())
    if events == 0 or events == len(sample.event):
        raise constant(outcomes, events > 0, where, horizon if link == "logistic" else None)
    named = spec.pack.sources[0].name
    notes = unusable(sample, spec.min_events)
    if notes and spec.too_few == "refuse":
        told_terms = "; ".join(f"term {term!r}{where} {why}" for term, why in list(notes.items())[:6])
        more = f"; and {len(notes) - 6} more" if len(notes) > 6 else ""
        raise InputError(f'{told_terms}{more}. Drop or join them, or say too_few = "drop" in [fit]', file=named)
    usable = [j for j, term in enumerate(part.terms) if term not in notes]
    if not usable:
        raise InputError(f"no term{where} can be fitted", file=named)
    sample = Sample(
        tuple(part.terms[j] for j in usable), sample.matrix[:, usable].tocsc(), sample.event, sample.days, sample.weight
    )
    rarer = min(events, len(sample.event) - events)
    if rarer < spec.min_events_per_term * len(usable):
        raise InputError(
            f"{rounded(rarer)} people with the event{where} for {len(usable)} terms are "
            f"{rarer / len(usable):.1f} a term; [fit] asks for {spec.min_events_per_term:g} (min_events_per_term)",
            file=file,
        )
    if spec.penalty.kind == "none" and (tied := dependent(sample)):
        raise InputError(
            f"the terms {', '.join(map(repr, tied[:8]))}{where} determine each other: drop one of them", file=named
        )
    found = estimate(sample, link, spec.penalty, spec.seed)
    _keep(spec, part, sample, found, notes, link, design, work)


def followed_to(
    days: NDArray[np.int64], event: F64, horizon: int, where: str, file: str, bands: NDArray[np.int64] | None = None
) -> tuple[F64, F64]:
    """The outcome by a horizon, and inverse probability of censoring weights (`popstrat.validation.measures`)."""
    from popstrat.validation.measures import horizon_weights

    try:
        outcome, weight = horizon_weights(days, event == 1, horizon, strata=bands)
    except ValueError:
        raise InputError(f"too few people{where} are followed for {horizon:,} days", file=file) from None
    return outcome.astype(np.float64), weight


def _keep(
    spec: Spec, part: Part, sample: Sample, found: Estimates, notes: Mapping[str, str], link: str, design: Design,
    work: _Work,
) -> None:  # fmt: skip
    """Round the coefficients, find the baseline that goes with them, and note everything down."""
    errors = found.errors
    low = high = None
    if errors is not None:
        low, high = found.coefficients - Z * errors, found.coefficients + Z * errors
    elif spec.bootstrap:
        drawn = bootstrap(sample, link, spec.penalty, found.strength or 0.0, spec.bootstrap, spec.seed)
        errors = drawn.std(axis=0, ddof=1)
        low, high = found.coefficients - Z * errors, found.coefficients + Z * errors
    coefficients = np.array([neat(x) for x in found.coefficients])
    backed = support(sample)
    titles = {term.id: term.title for term in design.model.terms}
    place = {term: j for j, term in enumerate(sample.terms)}
    for term in part.terms:
        j = place.get(term)
        if j is None:
            work.terms.append(TermFit(term, titles[term], part.name, 0.0, None, None, None, 0, notes[term]))
            continue
        around = [None if x is None else float(x[j]) for x in (errors, low, high)]
        work.terms.append(
            TermFit(term, titles[term], part.name, float(coefficients[j]), around[0], around[1], around[2],
                    int(backed.events[j]))
        )  # fmt: skip
    predictor = part.matrix[:, [part.terms.index(t) for t in sample.terms]] @ coefficients
    here = sample.matrix @ coefficients
    survival: dict[str, float] = {}
    intercept = 0.0
    if link == "cox":
        assert sample.days is not None
        hazard = breslow(sample.days, sample.event, np.exp(here), sample.weight)
        survival = {name: math.exp(-float(hazard[days])) for name, days in spec.days.items()}
    elif link == "cloglog":
        survival = {name: math.exp(-math.exp(found.intercept)) for name in spec.days}
    else:
        intercept = neat(found.intercept)
    if not all(0 < s < 1 for s in survival.values()):
        raise InputError("a baseline survival of 0 or 1: give the continuous terms a `center` near their means")
    first = next(iter(survival.values()), 0.5)
    risk = 1 / (1 + np.exp(-(intercept + predictor))) if link == "logistic" else -np.expm1(
        math.log(first) * np.exp(predictor)
    )  # fmt: skip
    events = int(sample.event.sum())
    work.strata.append(StratumFit(part.name, len(sample.event), events, intercept, survival, found.strength))
    aside = np.random.default_rng(np.random.SeedSequence([spec.seed, _HOLDOUT])).random(int(part.rows.max()) + 1)
    test = np.flatnonzero(aside[part.rows] < spec.holdout) if spec.holdout else np.arange(len(part.rows))
    work.risk.append(np.asarray(risk)[test])
    work.event.append(part.events[test])
    if part.followed.days is not None:
        work.days.append(part.followed.days[test])
    work.held_out += len(test) if spec.holdout else 0


def _expectations(spec: Spec, work: _Work) -> None:
    """Signs and orders that the specification expects, held against what was found."""
    for stratum in work.strata:
        found = {t.id: t for t in work.terms if t.stratum == stratum.name}
        where = f" ({stratum.name})" if stratum.name else ""
        for name, sign in spec.signs.items():
            for term in _matching(name, list(found)):
                if found[term].coefficient * sign < 0:
                    wanted = "above" if sign > 0 else "below"
                    work.warnings.append(f"{term}{where} is {found[term].coefficient:.4g}, and {wanted} 0 was expected")
        for group in spec.monotone:
            ladder = [found[t] for name in group for t in _matching(name, list(found))]
            for a, b in pairwise(ladder):
                if b.coefficient < a.coefficient:
                    work.warnings.append(
                        f"{b.id}{where} is {b.coefficient:.4g}, less than {a.id} with {a.coefficient:.4g}; "
                        "the other order was expected"
                    )


def _periods(spec: Spec, work: _Work) -> str:
    """The outcome's period beside that of the model, in a sentence; a warning where they differ."""
    from popstrat.validation.period import compared, differs

    told_ = []
    for name, days in spec.days.items():
        entry: Mapping[str, Any] = next((h for h in spec.body.get("horizons", ()) if h["id"] == name), {})
        text = str(entry.get("title") or spec.body.get("horizon") or "")
        told_.append(compared(text, days, name))
        work.warnings += [note for note in [differs(text, days)] if note]
    return "; ".join(t for t in told_ if t)


# -- the pack ---------------------------------------------------------------------------------------------------------


def _assemble(
    spec: Spec, design: Design, work: _Work, outcomes: Outcomes, method: str, measured: dict[str, float] | None,
    as_of: dt.date, output: Path,
) -> dict[str, Any]:  # fmt: skip
    raw: dict[str, Any] = {k: v for k, v in spec.own.items() if k != "definition"}
    head = {k: v for k, v in raw["pack"].items() if k != "seal"}
    folder = Path(spec.pack.sources[0].location).parent
    if "extends" in head:
        names = [head["extends"]] if isinstance(head["extends"], str) else head["extends"]
        moved = [extends_from(name, folder, output) for name in names]
        head["extends"] = moved[0] if len(moved) == 1 else moved
    raw["pack"] = head
    own = dict(spec.own.get("definition", {}))
    body = {k: v for k, v in own.get(spec.model, {}).items() if k not in ("reference_patients", "provenance")}
    people, events = sum(s.people for s in work.strata), sum(s.events for s in work.strata)
    source = (
        f"fitted on {_thousands(people)} people, {_thousands(events)} of them with the event, registered on "
        f"{as_of.isoformat()}: see `provenance`"
    )
    body["evidence"], body["source"] = "derived", source
    body.setdefault("disclaimer", "Fitted on local outcomes; not validated anywhere else.")
    body["terms"] = [_weighed(term, work, [p.name for p in design.parts]) for term in spec.body["terms"]]
    single = len(design.parts) == 1 and design.parts[0].name == ""

    def by_stratum(values: list[float]) -> Any:
        return values[0] if single else {s.name: v for s, v in zip(work.strata, values, strict=True)}

    body["intercept"] = by_stratum([s.intercept for s in work.strata])
    if spec.body["link"] == "survival":
        if "horizons" in spec.body:
            body["horizons"] = [
                {**h, "baseline_survival": by_stratum([s.survival[h["id"]] for s in work.strata])}
                for h in spec.body["horizons"]
            ]
        else:
            body["baseline_survival"] = by_stratum([s.survival[""] for s in work.strata])
    merged = spec.pack.raw["definition"][spec.model]
    if "recalibration" in merged:
        body["recalibration"] = {"intercept": 0.0, "slope": 1.0}
    body["provenance"] = _provenance(spec, design, work, outcomes, method, measured, as_of)
    own[spec.model] = body
    raw["definition"] = own
    return raw


def _thousands(count: int) -> str:
    shown = rounded(count)
    return f"{shown:,}" if isinstance(shown, int) else shown


def _weighed(term: Mapping[str, Any], work: _Work, strata: list[str]) -> dict[str, Any]:
    """A term of the specification with its coefficients in place of the stand-ins."""

    def weight(ident: str) -> Any:
        found = {t.stratum: t.coefficient for t in work.terms if t.id == ident}
        return found[""] if strata == [""] else {name: found[name] for name in strata if name in found}

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
    spec: Spec, design: Design, work: _Work, outcomes: Outcomes, method: str, measured: dict[str, float] | None,
    as_of: dt.date,
) -> dict[str, Any]:  # fmt: skip
    first = spec.pack.sources[0]
    made: dict[str, Any] = {
        "fitted": dt.datetime.now(dt.UTC).date(),
        "program": f"popstrat {version('popstrat') or 'of unknown version'}",
        "method": method,
        "as_of": as_of,
        "days": next(iter(spec.days.values())) if len(spec.days) == 1 else dict(spec.days),
        "people": rounded(sum(s.people for s in work.strata)),
        "events": rounded(sum(s.events for s in work.strata)),
        "without_outcome": rounded(design.counts["without_outcome"]) if design.counts["without_outcome"] else 0,
        "opted_out": rounded(design.counts["opted_out"]) if design.counts["opted_out"] else 0,
        "seed": spec.seed,
        "specification": {"name": first.name, HASH: first.sha256},
        "list": [{"name": i["name"], "rows": rounded(i["rows"]), HASH: i[HASH]} for i in design.inputs],
        "outcomes": {
            "name": Path(outcomes.name).name,
            HASH: outcomes.hash,
            **{k: v for k, v in vars(spec.columns).items() if v is not None},
        },
    }
    if len(spec.pack.sources) > 1:
        made["extends"] = [{"name": s.name, HASH: s.sha256} for s in spec.pack.sources[1:]]
    if spec.penalty.kind != "none":
        made["strength"] = {s.name or "all": neat(s.strength or 0.0) for s in work.strata}
    whom = {"people": rounded(work.held_out), "share": spec.holdout} if spec.holdout else {}
    made["held_out" if spec.holdout else "on_the_same_people"] = {**whom, **told(measured)}
    if work.warnings:
        made["warnings"] = list(work.warnings)
    made["terms"] = [
        {
            "id": t.id,
            **({"stratum": t.stratum} if t.stratum else {}),
            **{k: neat(v) for k, v in (("error", t.error), ("low", t.low), ("high", t.high)) if v is not None},
            "events": rounded(t.events),
            **({"note": t.note} if t.note else {}),
        }
        for t in work.terms
    ]
    return made
