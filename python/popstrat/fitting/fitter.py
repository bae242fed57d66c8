"""``popstrat fit``: a specification, a list and its outcomes in, a fitted pack out."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popstrat.core.progress import Progress, enter
from popstrat.core.rerun import Making
from popstrat.core.text import suggest
from popstrat.errors import InputError, PackError
from popstrat.fitting.counts import rounded
from popstrat.fitting.design import Design, Part
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
from popstrat.fitting.fitted import Fitted, StratumFit, TermFit
from popstrat.fitting.fitted_pack import Found, fitted_pack
from popstrat.fitting.outcomes import Outcomes, constant, followed_to
from popstrat.fitting.pack_writer import claimed, neat, tomlkit_module, write_pack
from popstrat.fitting.performance import performance
from popstrat.fitting.prepare import Source, prepare
from popstrat.fitting.provenance import periods
from popstrat.fitting.spec import Spec, read_spec
from popstrat.packs.column_map import NO_MAP, ColumnMap

F64 = NDArray[np.float64]
Z = 1.959963984540054
_HOLDOUT = 11  # number of the random stream that divides the people


@dataclass(frozen=True)
class _Fit:
    """A stratum's fit, and the people it is measured on: those kept aside (``held_out`` of them), or else all."""

    stratum: StratumFit
    terms: tuple[TermFit, ...]
    risk: F64
    event: F64
    days: NDArray[np.int64] | None
    held_out: int


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
    outcome_id: str | None = None,
    mapping: ColumnMap = NO_MAP,
    threads: int | None = None,
    encoding: str = "utf-8",
    allow_unknown: bool = False,
    allow_missing: bool = False,
    profile: str = "direct-care",
    progress: Progress | None = None,
    force: bool = False,
) -> Fitted:
    """Fit the model of a specification to outcomes and write it as a new pack.

    A logistic model takes a yes or no, or days and events up to the horizon (people lost before it then count by
    inverse probability of censoring weights). A survival model takes days and events (Cox regression) or, of people
    all followed to the horizon, a yes or no (complementary log-log regression). Strata are fitted each on its own.

    Raises `PackError` for the specification, `InputError` for the list, the outcomes, terms that cannot be estimated
    (by name) and an output that may not be written. Nothing is written unless all went well.
    """
    tomlkit_module()
    given = {"column": column, "time_column": time_column, "event_column": event_column, "outcome_id": outcome_id}
    spec = read_spec(specification, given)
    output = Path(output)
    making = Making("fit", as_of.isoformat(), f"{spec.pack.id} {spec.pack.version}")
    with claimed(output, spec.pack, making, force) as (outputs, partial):
        _check_texts(spec)
        _check_terms(spec, as_of)
        source = Source(
            inputs, outcome_file, spec.columns, as_of, mapping, threads, encoding, allow_unknown, allow_missing,
            profile, progress,
        )  # fmt: skip
        horizon = next(iter(spec.days.values()))
        prepared = prepare(source, spec.unit_pack, spec.model, horizon=horizon, terms=True)
        outcomes, design = prepared.outcomes, prepared.design
        enter(progress, "Fitting")
        link = _regression(spec, outcomes)
        fits = [_fit_stratum(spec, part, link, design, outcomes) for part in design.parts]
        unexpected = _unexpected(spec, fits)
        if spec.strict and unexpected:
            raise InputError("; ".join(unexpected) + " (and the specification is strict)")
        period, off = periods(_stated_periods(spec))
        found = Found(
            tuple(term for one in fits for term in one.terms),
            tuple(one.stratum for one in fits),
            sum(one.held_out for one in fits),
            (*design.warnings, *unexpected, *off),
        )
        enter(progress, "Measuring")
        measured = performance(
            [one.risk for one in fits],
            [one.event for one in fits],
            days=[one.days for one in fits if one.days is not None],
            horizon=horizon,
        )
        method = _method(spec, link)
        raw = fitted_pack(spec, prepared, found, method, measured, as_of, output)
        pack = write_pack(output, raw, spec.model, design.typical, as_of, outputs, partial)
        return Fitted(
            pack, output, spec.model, method, found.terms, found.strata, measured, found.held_out, design.counts,
            found.warnings, design.notices, period,
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
        raise PackError.at(
            spec.pack.sources[0].name, None, "a model with several horizons needs --time-column and --event-column"
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


def _fit_stratum(spec: Spec, part: Part, link: str, design: Design, outcomes: Outcomes) -> _Fit:
    file = outcomes.name
    horizon = next(iter(spec.days.values()))
    days = part.followed.days
    event, weight = part.events, None
    within = f" in the stratum {part.name!r}" if part.name else ""
    if days is not None and max(spec.days.values()) > int(days.max()):
        raise InputError(
            f"nobody{within} is followed for {max(spec.days.values()):,} days: a shorter horizon is needed", file=file
        )
    if link == "logistic" and days is not None:
        event, weight = followed_to(days, event, horizon, within, file)
    drawn = np.random.default_rng(np.random.SeedSequence([spec.seed, _HOLDOUT])).random(int(part.rows.max()) + 1)
    aside = drawn[part.rows] < spec.holdout  # by row of the list, so that strata and columns change nothing
    rows = np.flatnonzero(~aside if weight is None else ~aside & (weight > 0))
    sample = Sample(
        part.terms, part.matrix, event, days if link == "cox" else None, weight
    ).only(rows)  # fmt: skip
    events = int(sample.event.sum())
    if events == 0 or events == len(sample.event):
        raise constant(outcomes, events > 0, within, horizon if link == "logistic" else None)
    named = spec.pack.sources[0].name
    notes = unusable(sample, spec.min_events)
    if notes and spec.too_few == "refuse":
        told_terms = "; ".join(f"term {term!r}{within} {why}" for term, why in list(notes.items())[:6])
        more = f"; and {len(notes) - 6} more" if len(notes) > 6 else ""
        raise InputError(f'{told_terms}{more}. Drop or join them, or say too_few = "drop" in [fit]', file=named)
    usable = [j for j, term in enumerate(part.terms) if term not in notes]
    if not usable:
        raise InputError(f"no term{within} can be fitted", file=named)
    sample = Sample(
        tuple(part.terms[j] for j in usable), sample.matrix[:, usable].tocsc(), sample.event, sample.days, sample.weight
    )
    rarer = min(events, len(sample.event) - events)
    if rarer < spec.min_events_per_term * len(usable):
        raise InputError(
            f"{rounded(rarer)} people with the event{within} for {len(usable)} terms are "
            f"{rarer / len(usable):.1f} a term; [fit] asks for {spec.min_events_per_term:g} (min_events_per_term)",
            file=file,
        )
    if spec.penalty.kind == "none" and (tied := dependent(sample)):
        raise InputError(
            f"the terms {', '.join(map(repr, tied[:8]))}{within} determine each other: drop one of them", file=named
        )
    found = estimate(sample, link, spec.penalty, spec.seed)
    titles = {term.id: term.title for term in design.model.terms}
    return _rounded_fit(spec, part, sample, found, notes, link, titles, aside)


def _rounded_fit(
    spec: Spec, part: Part, sample: Sample, found: Estimates, notes: Mapping[str, str], link: str,
    titles: Mapping[str, str], aside: NDArray[np.bool_],
) -> _Fit:  # fmt: skip
    """The coefficients as a pack states them, the baseline that goes with these, and the risks that follow.

    ``notes`` says of terms why they were not fitted; ``aside`` which of the part's people were not fitted to.
    """
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
    index = {term: j for j, term in enumerate(sample.terms)}
    terms = []
    for term in part.terms:
        j = index.get(term)
        if j is None:
            terms.append(TermFit(term, titles[term], part.name, 0.0, None, None, None, 0, notes[term]))
            continue
        around = [None if x is None else float(x[j]) for x in (errors, low, high)]
        terms.append(
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
    stratum = StratumFit(part.name, len(sample.event), events, intercept, survival, found.strength)
    test = np.flatnonzero(aside) if spec.holdout else np.arange(len(part.rows))
    days = part.followed.days
    return _Fit(
        stratum, tuple(terms), np.asarray(risk)[test], part.events[test], None if days is None else days[test],
        len(test) if spec.holdout else 0,
    )  # fmt: skip


def _unexpected(spec: Spec, fits: Sequence[_Fit]) -> list[str]:
    """Signs and orders that the specification expects, held against what was found."""
    notes = []
    for one in fits:
        found = {t.id: t for t in one.terms}
        within = f" ({one.stratum.name})" if one.stratum.name else ""
        for name, sign in spec.signs.items():
            for term in _matching(name, list(found)):
                if found[term].coefficient * sign < 0:
                    wanted = "above" if sign > 0 else "below"
                    notes.append(f"{term}{within} is {found[term].coefficient:.4g}, and {wanted} 0 was expected")
        for group in spec.monotone:
            ladder = [found[t] for name in group for t in _matching(name, list(found))]
            for a, b in pairwise(ladder):
                if b.coefficient < a.coefficient:
                    notes.append(
                        f"{b.id}{within} is {b.coefficient:.4g}, less than {a.id} with {a.coefficient:.4g}; "
                        "the other order was expected"
                    )
    return notes


def _stated_periods(spec: Spec) -> list[tuple[str, int, str]]:
    """Each horizon with its days and the period that the model states for it."""
    found = []
    for name, days in spec.days.items():
        entry: Mapping[str, Any] = next((h for h in spec.body.get("horizons", ()) if h["id"] == name), {})
        found.append((name, days, str(entry.get("title") or spec.body.get("horizon") or "")))
    return found
