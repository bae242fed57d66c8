"""A validation: all measures with their intervals, over all and by group, from arrays.

`assess` gives a `Validation` with exact figures, for use in memory. What leaves the machine goes through
`popstrat.validation.publish`, which applies disclosure control.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from popstrat.core.cpus import cores
from popstrat.core.numbers import stated
from popstrat.core.progress import Progress
from popstrat.errors import InputError
from popstrat.validation import kernels as k
from popstrat.validation.curve import smooth
from popstrat.validation.kernels import Ints
from popstrat.validation.measures import Floats
from popstrat.validation.people import People
from popstrat.validation.results import (
    MIN_EVENTS,
    Choice,
    Estimate,
    Grouping,
    Part,
    Pick,
    Validation,
    difference,
    estimated,
    ratio,
)
from popstrat.validation.strata import Streams, concordance

SHARES = (0.005, 0.01, 0.015, 0.02, 0.05)
"""Shares of the people with a score at which sensitivity and predictive value are given."""
USUAL_SHARE = 0.015
"""The share at which groups are compared where no capacity is given."""
THRESHOLDS = tuple(round(t / 100, 2) for t in (*range(1, 21), 22, 24, 26, 28, 30, 35, 40, 45, 50))
BANDS = 10
TOP = (0.90, 0.95, 0.98, 0.99, 1.0)
"""The highest tenth once more, in parts, since it is there that teams work."""


def assess(
    risk: npt.ArrayLike,
    outcome: npt.ArrayLike | None = None,
    *,
    time: npt.ArrayLike | None = None,
    event: npt.ArrayLike | None = None,
    competing: npt.ArrayLike | None = None,
    horizon: float = 365,
    groups: Mapping[str, Grouping] | None = None,
    practices: Grouping | None = None,
    capacity: int | None = None,
    bootstrap: int = 200,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Validation:
    """Validate a risk against what happened.

    ``risk`` is a probability for each person. Either ``outcome`` says whether each had the outcome, of people who were
    all followed to the end, or ``time`` and ``event`` (and ``competing``) say when follow-up ended and how, for the
    chance of the event by the ``horizon`` (in the unit of ``time``): people lost before it are handled by inverse
    probability of censoring weights within deciles of risk, in each group on its own (see `horizon_weights`).
    ``capacity`` is the number of people a team can take on. ``bootstrap`` resamples give the intervals (0: none);
    the same ``seed`` gives the same figures for any number of ``threads``. Nulls are the caller's to leave out.
    Raises `InputError` (a ``ValueError``) for arrays that do not fit, nobody to assess, a constant outcome, negative
    times, nobody followed to the horizon, or a capacity larger than the list. ``progress`` is called with the people
    done so far, as a share of the work, and all of them.
    """
    people = People.of(risk, outcome, time, event, competing, horizon)
    n = len(people.risk)
    if capacity is not None and not 0 < capacity <= n:
        raise InputError(f"a capacity of {capacity:,} does not fit a list of {n:,} people with a risk")
    threads = threads or cores()
    groups = groups or {}
    parts = 2 + len(groups)
    done = iter(range(1, parts + 1))

    def tick() -> None:
        if progress is not None:
            progress(n * next(done) // parts, n)

    shares = sorted([(s, stated(s), False) for s in SHARES] + ([(capacity / n, "", True)] if capacity else []))
    everybody = np.arange(n)
    weight = people.weights(everybody)
    if weight is None:
        raise InputError("nobody is followed to the horizon")
    streams = Streams(seed, "all", bootstrap, threads)
    falling = THRESHOLDS[::-1]
    out, drawn = people.measured(everybody, weight, [s for s, _, _ in shares], falling, streams)
    measures = _measures(out, drawn)
    seen = people.status(everybody, weight)
    whole = Part(
        "all", n, *seen, observed=float(out[k.OBSERVED]), expected=float(out[k.EXPECTED]), measures=measures
    )  # fmt: skip
    tick()
    picks = [_pick(i, label or f"capacity of {capacity:,}", is_capacity, out, drawn)
             for i, (_, label, is_capacity) in enumerate(shares)]  # fmt: skip
    choices = [_choice(i, t, len(shares), out, drawn) for i, t in enumerate(falling)][::-1]
    ranked = {}
    if people.time is not None:
        found, resampled = concordance(
            people.risk, people.time, people.event, horizon, competing=people.competing,
            streams=Streams(seed, "concordance", bootstrap, threads),
        )  # fmt: skip
        ranked = {
            name: estimated(found[i], resampled[:, i], "logit")
            for i, name in enumerate(("harrell_c", "uno_c"))
        }  # fmt: skip
    tick()
    main = next((p for p in picks if p.capacity), next(p for p in picks if p.label == stated(USUAL_SHARE)))
    cut = people.cut(main.people)
    assessed = {}
    for name, grouping in groups.items():
        assessed[name] = _groups(people, name, grouping, cut, Streams(seed, name, bootstrap, threads))
        tick()
    return Validation(
        whole=whole,
        bands=people.bands(weight, [i / BANDS for i in range(BANDS + 1)]),
        top=people.bands(weight, TOP),
        curve=smooth(people, weight),
        picks=picks,
        choices=choices,
        found=people.found_curve(weight),
        groups=assessed,
        titles={name: grouping.title or name for name, grouping in groups.items()},
        practices=[] if practices is None else _practices(people, practices),
        concordance=ranked,
        settings={
            "survival": people.time is not None,
            "competing": people.competing is not None,
            "horizon": horizon if people.time is not None else None,
            "capacity": capacity,
            "group_cut": main.label,
            "bootstrap": bootstrap,
            "seed": seed,
        },
    )


def _groups(people: People, name: str, grouping: Grouping, cut: float, streams: Streams) -> list[Part]:
    """Each group with at least one person, and how it differs from the largest."""
    order = np.argsort(grouping.codes, kind="stable")
    edges = np.searchsorted(grouping.codes[order], np.arange(len(grouping.labels) + 1))
    sizes = np.diff(edges)
    found: list[tuple[Part, Mapping[str, Estimate]]] = []
    for code, label in enumerate(grouping.labels):
        where = order[edges[code] : edges[code + 1]]
        if len(where):
            part = _part(people, label, where, cut, Streams(streams.seed, f"{name}/{label}", streams.resamples,
                                                            streams.threads))  # fmt: skip
            found.append((part, part.measures or {}))
    with_measures = [(p.people, i) for i, (p, m) in enumerate(found) if m]
    if not with_measures or not sizes.any():
        return [p for p, _ in found]
    reference = max(with_measures, key=lambda pair: (pair[0], -pair[1]))[1]
    base = found[reference][1]
    parts = []
    for i, (part, measures) in enumerate(found):
        against = {}
        if measures and i != reference:
            against = {"auroc": difference(measures["auroc"], base["auroc"]), "oe": ratio(measures["oe"], base["oe"])}
        parts.append(replace(part, against=against, reference=i == reference))
    return parts


def _part(people: People, label: str, where: Ints, cut: float, streams: Streams) -> Part:
    """One group, on its own."""
    risk, outcome = people.risk[where], people.outcome[where]
    weight = people.weights(where)
    expected = float(risk.sum())
    if weight is None:
        return Part(
            label, len(where), int(outcome.sum()), len(where), np.nan, expected, None,
            reason="nobody followed to the horizon",
        )  # fmt: skip
    events, lost = people.status(where, weight)
    observed = float(np.sum(weight * outcome))
    above = risk >= cut
    chosen, found = float(above.sum()), float(np.sum(weight * outcome * above))
    if min(events, len(where) - lost - events) < MIN_EVENTS:
        return Part(
            label, len(where), events, lost, observed, expected, None,
            chosen=chosen, found=found, reason="too few events",
        )  # fmt: skip
    measures = _measures(*people.measured(where, weight, [], [], streams))
    return Part(label, len(where), events, lost, observed, expected, measures, chosen=chosen, found=found)


def _practices(people: People, grouping: Grouping) -> list[Part]:
    """Observed and expected events of each practice; no measures."""
    order = np.argsort(grouping.codes, kind="stable")
    edges = np.searchsorted(grouping.codes[order], np.arange(len(grouping.labels) + 1))
    found = []
    for code, label in enumerate(grouping.labels):
        where = order[edges[code] : edges[code + 1]]
        if not len(where):
            continue
        weight = people.weights(where)
        events, lost = people.status(where, np.zeros(len(where)) if weight is None else weight)
        observed = np.nan if weight is None else float(np.sum(weight * people.outcome[where]))
        found.append(Part(label, len(where), events, lost, observed, float(people.risk[where].sum()), None))
    return found


_SCALES = {
    "auroc": (k.AUROC, "logit"),
    "average_precision": (k.PRECISION, "logit"),
    "oe": (k.OE, "log"),
    "in_the_large": (k.LARGE, "plain"),
    "intercept": (k.INTERCEPT, "plain"),
    "slope": (k.SLOPE, "plain"),
    "brier": (k.BRIER, "log"),
    "scaled_brier": (k.SCALED, "plain"),
}


def _measures(out: Floats, drawn: Floats) -> dict[str, Estimate]:
    return {name: estimated(out[i], drawn[:, i], scale) for name, (i, scale) in _SCALES.items()}


def _pick(i: int, label: str, capacity: bool, out: Floats, drawn: Floats) -> Pick:
    at = k.FIRST + 3 * i
    chosen, found, events = out[at], out[at + 1], out[k.OBSERVED]
    return Pick(
        label,
        float(chosen),
        float(found),
        float(events),
        estimated(found / events, drawn[:, at + 1] / drawn[:, k.OBSERVED], "logit"),
        estimated(found / chosen, drawn[:, at + 1] / drawn[:, at], "logit"),
        capacity,
    )


def _choice(i: int, threshold: float, picks: int, out: Floats, drawn: Floats) -> Choice:
    at = k.FIRST + 3 * (picks + i)
    odds = threshold / (1 - threshold)
    benefit = (out[at + 1] - odds * out[at + 2]) / out[k.KNOWN]
    resampled = (drawn[:, at + 1] - odds * drawn[:, at + 2]) / drawn[:, k.KNOWN]
    return Choice(
        threshold, float(out[at]), float(out[at + 1]), float(out[at + 2]), estimated(benefit, resampled, "plain")
    )
