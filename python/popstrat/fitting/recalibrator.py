"""``popstrat recalibrate``: an existing model's intercept, slope or baseline fitted anew, as a new pack."""

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

from popstrat.core.hashing import HASH
from popstrat.core.progress import Progress, enter
from popstrat.core.rerun import Making
from popstrat.core.text import suggest
from popstrat.errors import InputError, PackError
from popstrat.fitting.counts import rounded
from popstrat.fitting.design import Part
from popstrat.fitting.estimate import Sample, estimate, one_thread
from popstrat.fitting.outcomes import Columns, Outcomes, constant, followed_to
from popstrat.fitting.pack_writer import (
    baseline,
    by_stratum,
    claimed,
    extends_from,
    neat,
    tomlkit_module,
    write_pack,
)
from popstrat.fitting.performance import performance, told
from popstrat.fitting.prepare import Source, prepare
from popstrat.fitting.provenance import described, periods, provenance
from popstrat.fitting.spec import Penalty
from popstrat.packs.column_map import NO_MAP, ColumnMap
from popstrat.packs.load import load_pack
from popstrat.packs.model.parts import Model
from popstrat.packs.pack import Pack

F64 = NDArray[np.float64]
METHODS = ("intercept", "intercept-slope", "baseline")
_AGAIN = ", recalibrated"
_BANDS = 10
_FEWEST = 100  # people with and without the event for each number that is fitted


@dataclass(frozen=True)
class Again:
    """One stratum: the predictor becomes intercept + slope × predictor; new baseline survival by horizon, if fitted."""

    name: str
    people: int
    events: int
    intercept: float
    slope: float
    survival: Mapping[str, float]


@dataclass(frozen=True)
class Recalibrated:
    """What `recalibrate` found and wrote; figures on the same people, before and after."""

    pack: Pack
    output: Path
    model: str
    method: str
    strata: tuple[Again, ...]
    before: dict[str, float] | None
    after: dict[str, float] | None
    counts: Mapping[str, int]
    notices: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    period: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``: counts rounded as in the pack."""
        return {
            **described(self),
            "before": told(self.before),
            "after": told(self.after),
        }


@one_thread
def recalibrate(
    pack: str | Path,
    model: str,
    inputs: Sequence[str | Path],
    outcome_file: str | Path,
    output: str | Path,
    *,
    method: str,
    as_of: dt.date,
    columns: Columns,
    days: int | Mapping[str, int] | None = None,
    ident: str | None = None,
    new_version: str = "1",
    mapping: ColumnMap = NO_MAP,
    threads: int | None = None,
    encoding: str = "utf-8",
    allow_unknown: bool = False,
    allow_missing: bool = False,
    profile: str = "direct-care",
    progress: Progress | None = None,
    force: bool = False,
) -> Recalibrated:
    """Recalibrate a model and write a pack that extends the one it came from.

    ``method``: ``intercept`` shifts the linear predictor so that as many events are predicted as were observed;
    ``intercept-slope`` also stretches it (maximum likelihood of a regression of the outcome on the predictor with the
    model's own link); ``baseline`` replaces the baseline survival of a survival model at each horizon, so that as many
    events are predicted by then as were observed. ``days`` is the length of the horizon (365 unless given), or
    of each by its id. Where a model has several, intercept and slope are fitted at the one that is named.
    Strata are recalibrated each on its own. With days and events, people lost before the horizon count by inverse
    probability of censoring weights, so that observed is Kaplan-Meier's.

    Raises `PackError`, `InputError` as `popstrat.fitting.fit` does.
    """
    tomlkit_module()
    if method not in METHODS:
        raise InputError(f"there is no method {method!r}; it is one of {', '.join(METHODS)}")
    base = load_pack(pack)
    output = Path(output)
    ident = ident or f"{base.id.removesuffix('-recalibrated')}-recalibrated"
    making = Making("recalibrate", as_of.isoformat(), f"{ident} {new_version}")
    with claimed(output, base, making, force) as (outputs, partial):
        body = base.raw.get("definition", {}).get(model, {})
        models = [k for k, v in base.raw.get("definition", {}).items() if v.get("kind") == "model"]
        if model not in models:
            raise PackError.at(base.sources[0].name, None, f"there is no model {model!r}{suggest(model, models)}")
        if body.get("versions"):
            raise base.error(f"definition.{model}", "has dated versions, which cannot be recalibrated at once")
        if "of" in body.get("recalibration", {}):
            what = "is recalibrated with its baseline (`of`), which recalibrating again does not know"
            raise base.error(f"definition.{model}", what, "recalibration", 0, len("recalibration"))
        resolved = base.at(as_of).models[model]
        if resolved.link == "identity":
            raise base.error(f"definition.{model}", "its link is the identity: it gives no probability to recalibrate")
        if method == "baseline" and resolved.link != "survival":
            raise base.error(f"definition.{model}", "only a survival model has a baseline: use the method intercept")
        lengths = _lengths(days, resolved, method, base)
        if len(lengths) > 1 and columns.time is None:
            raise InputError("several horizons need --time-column and --event-column")
        source = Source(
            inputs,
            outcome_file,
            columns,
            as_of,
            mapping,
            threads,
            encoding,
            allow_unknown,
            allow_missing,
            profile,
            progress,
        )
        ident_of, horizon = next(iter(lengths.items()))
        prepared = prepare(source, base, model, horizon=horizon, terms=False)
        outcomes, design = prepared.outcomes, prepared.design
        enter(progress, "Recalibrating")
        found = [_stratum(part, i, resolved, method, lengths, outcomes) for i, part in enumerate(design.parts)]
        period, off = periods(_stated_periods(lengths, resolved, body))
        warnings = (*design.warnings, *off)
        before, after = (_measured(design.parts, resolved, ident_of, horizon, again) for again in (None, found))
        raw = _assemble(base, pack, body, model, found, method, ident, new_version, output)
        raw["definition"][model]["provenance"] = {
            **provenance(
                "recalibrated", f"recalibration, {method}", as_of, horizon if set(lengths) == {""} else lengths, found,
                prepared,
                {"of": {"name": base.sources[0].name, "id": base.id, "version": base.version, HASH: base.sha256}},
            ),
            "before": told(before),
            "after_on_the_same_people": told(after),
            **({"warnings": list(warnings)} if warnings else {}),
        }  # fmt: skip
        written = write_pack(output, raw, model, design.typical, as_of, outputs, partial)
        return Recalibrated(
            written, output, model, method, tuple(found), before, after, design.counts, design.notices, warnings, period
        )  # fmt: skip


def _lengths(days: int | Mapping[str, int] | None, model: Model, method: str, base: Pack) -> dict[str, int]:
    """Days of each horizon that is needed: for a new baseline all of them, else the one that is named."""
    idents = [h.id for h in model.horizons] or [""]
    table = {"": 365 if len(idents) == 1 else 0} if days is None else {"": days} if isinstance(days, int) else {**days}
    if len(idents) == 1 and set(table) == {""}:
        table = {idents[0]: table[""]}
    if len(idents) > 1 and "" in table:
        several = " ".join(f"--days {name}=N" for name in (idents if method == "baseline" else idents[:1]))
        raise InputError(f"the model has the horizons {', '.join(idents)}: say which the outcome is for, as {several}")
    for name, length in table.items():
        if name not in idents:
            raise InputError(f"there is no horizon {name!r}{suggest(name, idents)}")
        if not 0 < length <= 36_525:
            raise InputError("a horizon is a number of days over 0")
    if method != "baseline":
        if len(table) > 1:
            raise InputError(f"the method {method} fits at one horizon: give --days for one of {', '.join(table)}")
        return table
    missing = [name for name in idents if name not in table]
    if missing:
        raise InputError(f"how many days is the horizon {missing[0]!r}? Say --days {missing[0]}=730")
    for a, b in pairwise(idents):
        if table[a] >= table[b]:
            raise InputError(
                f"the horizon {b!r} comes after {a!r} in the model, and cannot be {table[b]:,} days where {a!r} is "
                f"{table[a]:,}"
            )
    return {name: table[name] for name in idents}


def _stated_periods(lengths: Mapping[str, int], model: Model, body: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    """Each horizon with its days and the period that the model states for it."""
    found = []
    for name, length in lengths.items():
        entry: Mapping[str, Any] = next((h for h in body.get("horizons", ()) if h["id"] == name), {})
        first = not model.horizons or name == model.horizons[0].id
        found.append((name, length, str(entry.get("title") or (body.get("horizon") if first else "") or name)))
    return found


def _stratum(
    part: Part, stratum: int, model: Model, method: str, lengths: Mapping[str, int], outcomes: Outcomes
) -> Again:
    from scipy import sparse

    file = outcomes.name
    within = f" in the stratum {part.name!r}" if part.name else ""
    lp = part.predictor
    if np.ptp(lp) == 0:
        raise InputError(f"everybody{within} has the same risk, so there is nothing to recalibrate")
    link = "cloglog" if model.link == "survival" else "logistic"
    # A survival model: P = 1 - exp(-H0 exp(lp)), whose complementary log-log is ln H0 + lp.
    hazards = model.strata[stratum].survival
    shifts = {h.id: math.log(-math.log(s)) for h, s in zip(model.horizons, hazards, strict=True)} or {"": 0.0}
    slope, intercept = 1.0, 0.0
    survival: dict[str, float] = {}
    seen = 0
    for number, (name, length) in enumerate(lengths.items()):
        event, weight = _outcome(part, length, file, within)
        used = weight > 0
        people, events = int(used.sum()), int(event[used].sum())
        if events in (0, people):
            raise constant(outcomes, events > 0, within, length)
        fewest = _FEWEST * (2 if method == "intercept-slope" else 1)
        if min(events, people - events) < fewest:
            raise InputError(
                f"{rounded(min(events, people - events))} people{within} with the rarer outcome are too few: {fewest} "
                "are needed for this method", file=file,
            )  # fmt: skip
        if number == 0:
            seen = events
        if method == "intercept-slope":
            sample = Sample(("lp",), sparse.csc_matrix(lp[used][:, None]), event[used], None, weight[used])
            slope = neat(float(estimate(sample, link, Penalty(), 0).coefficients[0]))
            if slope <= 0:
                raise InputError(
                    f"the slope{within} is {slope:.3g}: a higher risk does not go with more events, so this model does "
                    "not fit these people at all", file=file,
                )  # fmt: skip
        found = _intercept(slope * lp + shifts[name], float((weight * event).sum()), link)
        if method == "baseline":
            survival[name] = math.exp(-math.exp(shifts[name] + found))
        else:
            intercept = neat(found)
    for (a, early), (b, late) in pairwise(survival.items()):
        if late > early:
            raise InputError(f"the risk{within} by the horizon {b!r} would be lower than by {a!r}", file=file)
    return Again(part.name, part.people, seen, intercept, slope, survival)


def _outcome(part: Part, horizon: int, file: str, within: str) -> tuple[F64, F64]:
    """The outcome by a horizon, and weights that make good for people lost before it, within tenths of risk."""
    days = part.followed.days
    if days is None:
        return part.events, np.ones(part.people)
    if horizon > int(days.max()):
        raise InputError(f"nobody{within} is followed for {horizon:,} days", file=file)
    cuts = np.quantile(part.predictor, np.arange(1, _BANDS) / _BANDS)
    bands = np.searchsorted(cuts, part.predictor).astype(np.int64)
    return followed_to(days, part.events, horizon, within, file, bands)


def _intercept(offset: F64, observed: float, link: str) -> float:
    """The intercept with which as many events are expected as observed; for logistic models maximum likelihood, too."""
    from scipy.optimize import brentq
    from scipy.special import expit

    def over(a: float) -> float:
        eta = a + offset
        risk = expit(eta) if link == "logistic" else -np.expm1(-np.exp(np.minimum(eta, 700)))
        return float(risk.sum()) - observed

    return float(brentq(over, -30, 30, xtol=1e-12))


def _measured(
    parts: Sequence[Part], model: Model, ident: str, horizon: int, again: Sequence[Again] | None
) -> dict[str, float] | None:
    risks, events, days = [], [], []
    at = next((i for i, h in enumerate(model.horizons) if h.id == ident), 0)
    for i, part in enumerate(parts):
        new = again[i] if again else None
        lp = part.predictor if new is None else new.intercept + new.slope * part.predictor
        if model.link == "survival":
            survival = model.strata[i].survival[at]
            if new is not None and new.survival:
                survival = new.survival[ident]
            risks.append(-np.expm1(math.log(survival) * np.exp(lp)))
        else:
            risks.append(1 / (1 + np.exp(-lp)))
        events.append(part.events)
        if part.followed.days is not None:
            days.append(part.followed.days)
    return performance(risks, events, days=days, horizon=horizon)


def _assemble(
    base: Pack, name: str | Path, body: Mapping[str, Any], model: str, found: Sequence[Again], method: str, ident: str,
    new_version: str, output: Path,
) -> dict[str, Any]:  # fmt: skip
    names = [s.name for s in found]

    def old(key: str, default: float) -> list[float]:
        value = body.get("recalibration", {}).get(key, default)
        return [float(value[s.name] if isinstance(value, dict) else value) for s in found]

    changed: dict[str, Any] = {"version": f"{body['version'].removesuffix(_AGAIN)}{_AGAIN}"}
    if method == "baseline":
        changed.update(baseline(body, names, [s.survival for s in found]))
    else:
        # What was recalibrated before is recalibrated again: a + b (a' + b' lp) = (a + b a') + b b' lp.
        before = list(zip(old("intercept", 0.0), old("slope", 1.0), strict=True))
        changed["recalibration"] = {
            "intercept": by_stratum(
                names, [neat(s.intercept + s.slope * a) for s, (a, _) in zip(found, before, strict=True)]
            ),
            "slope": by_stratum(names, [neat(s.slope * b) for s, (_, b) in zip(found, before, strict=True)]),
        }
    return {
        "pack": {
            "id": ident,
            "version": new_version,
            "title": f"{base.title.removesuffix(_AGAIN)}{_AGAIN}",
            "extends": extends_from(str(name), Path(), output),
        },
        "definition": {model: changed},
    }
