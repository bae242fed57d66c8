"""Compiled loops (numba): every measure from one pass over the distinct risks, and concordance by a Fenwick tree.

`measures` says the same in plain NumPy, one measure at a time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from popstrat.core.compiled import compiled
from popstrat.validation.measures import LOGIT_BOUND, Floats

Ints = npt.NDArray[np.int64]

# What `measure` writes, in this order; then three values for each pick and three for each threshold.
PEOPLE, OBSERVED, EXPECTED, KNOWN = 0, 1, 2, 3
OE, AUROC, PRECISION, BRIER, SCALED, LARGE, INTERCEPT, SLOPE = 4, 5, 6, 7, 8, 9, 10, 11
FIRST = 12

SMALL = 16
"""Up to this many people who are alike, a resample is drawn by looking up a table; above by numba's generator."""


def poisson_tables() -> Floats:
    """Row ``m`` is the cumulative distribution of a Poisson count with mean ``m``, for ``m`` up to `SMALL`."""
    counts = np.arange(64)
    tables = np.ones((SMALL + 1, len(counts)))
    logs = np.concatenate([[0.0], np.cumsum(np.log(counts[1:]))])
    for mean in range(1, SMALL + 1):
        tables[mean] = np.cumsum(np.exp(counts * np.log(mean) - mean - logs))
    tables[:, -1] = 1.0
    return tables


@compiled
def draw(
    rng: np.random.Generator, rows: Ints, weights: Floats, counts: Ints, tables: Floats, people: Floats, mass: Floats
) -> None:
    """Draw how often each stratum of ``counts`` like people comes up in a resample; add to ``people`` and ``mass``."""
    for i in range(len(rows)):
        n = counts[i]
        k = 0
        if n <= SMALL:
            u = rng.random()
            while u >= tables[n, k]:
                k += 1
        else:
            k = rng.poisson(n)
        people[rows[i]] += k
        mass[rows[i]] += k * weights[i]


@compiled
def count(rows: Ints, weights: Floats, counts: Ints, people: Floats, mass: Floats) -> None:
    """As `draw`, with everybody once."""
    for i in range(len(rows)):
        people[rows[i]] += counts[i]
        mass[rows[i]] += counts[i] * weights[i]


@compiled
def measure(
    risk: Floats,
    people: Floats,
    events: Floats,
    others: Floats,
    picks: Floats,
    thresholds: Floats,
    start: Floats,
    out: Floats,
) -> None:
    """Every measure into ``out``.

    ``risk`` holds the distinct risks, ascending; ``people`` how many have each, ``events`` and ``others`` the
    weight of those with and without the outcome. ``picks`` are shares of the people, ascending; ``thresholds`` risks,
    descending. ``start`` is where the two fits begin: the intercept in the large, the intercept and the slope.
    After the named measures ``out`` has (chosen, found, 0) for each pick and (chosen, found, wrong) for each
    threshold: people, weight of events, weight of others.
    """
    everybody = 0.0
    all_events = 0.0
    all_others = 0.0
    expected = 0.0
    squares = 0.0
    for d in range(len(risk)):
        p = risk[d]
        everybody += people[d]
        all_events += events[d]
        all_others += others[d]
        expected += people[d] * p
        squares += events[d] * (1 - p) * (1 - p) + others[d] * p * p
    known = all_events + all_others
    out[:] = np.nan
    out[PEOPLE] = everybody
    out[OBSERVED] = all_events
    out[EXPECTED] = expected
    out[KNOWN] = known
    if known > 0:
        rate = all_events / known
        out[BRIER] = squares / known
        if 0 < rate < 1:
            out[SCALED] = 1 - squares / known / (rate * (1 - rate))
    if expected > 0:
        out[OE] = all_events / expected

    seen = 0.0
    found = 0.0
    wrong = 0.0
    pairs = 0.0
    precision = 0.0
    pick = 0
    at = 0
    cut = FIRST + 3 * len(picks)
    for back in range(len(risk)):
        d = len(risk) - 1 - back
        while at < len(thresholds) and risk[d] < thresholds[at]:
            out[cut + 3 * at] = seen
            out[cut + 3 * at + 1] = found
            out[cut + 3 * at + 2] = wrong
            at += 1
        while pick < len(picks) and people[d] > 0 and seen + people[d] >= picks[pick] * everybody:
            wanted = picks[pick] * everybody
            out[FIRST + 3 * pick] = wanted
            out[FIRST + 3 * pick + 1] = found + events[d] * (wanted - seen) / people[d]
            out[FIRST + 3 * pick + 2] = 0.0
            pick += 1
        pairs += others[d] * (found + events[d] / 2)
        seen += people[d]
        found += events[d]
        wrong += others[d]
        if events[d] > 0:
            precision += events[d] * found / (found + wrong)
    while at < len(thresholds):
        out[cut + 3 * at] = seen
        out[cut + 3 * at + 1] = found
        out[cut + 3 * at + 2] = wrong
        at += 1
    if all_events > 0 and all_others > 0:
        out[AUROC] = pairs / (all_events * all_others)
    if all_events > 0:
        out[PRECISION] = precision / all_events
    _fit(risk, people, events, others, start, out)


@compiled
def _fit(risk: Floats, people: Floats, events: Floats, others: Floats, start: Floats, out: Floats) -> None:
    """Newton's method for calibration in the large and for the calibration line; NaN where it does not settle."""
    n = len(risk)
    x = np.empty(n)
    odds = np.empty(n)
    for d in range(n):
        p = min(max(risk[d], LOGIT_BOUND), 1 - LOGIT_BOUND)
        odds[d] = p / (1 - p)
        x[d] = np.log(odds[d])
    target = out[OBSERVED]
    if 0 < target < out[PEOPLE]:
        a = start[0]
        for _ in range(50):
            factor = np.exp(a)
            fitted = 0.0
            slack = 0.0
            for d in range(n):
                q = factor * odds[d] / (1 + factor * odds[d])
                fitted += people[d] * q
                slack += people[d] * q * (1 - q)
            step = min(max((target - fitted) / slack, -2.0), 2.0)
            a += step
            if abs(step) < 1e-9:
                out[LARGE] = a
                break
    b0, b1 = start[1], start[2]
    for _ in range(50):
        g0 = g1 = h00 = h01 = h11 = 0.0
        for d in range(n):
            w = events[d] + others[d]
            if w > 0:
                q = 1 / (1 + np.exp(-(b0 + b1 * x[d])))
                r = events[d] - w * q
                v = w * q * (1 - q)
                g0 += r
                g1 += r * x[d]
                h00 += v
                h01 += v * x[d]
                h11 += v * x[d] * x[d]
        det = h00 * h11 - h01 * h01
        if not det > 1e-12 * h00 * h11:
            return
        s0 = min(max((h11 * g0 - h01 * g1) / det, -2.0), 2.0)
        s1 = min(max((h00 * g1 - h01 * g0) / det, -2.0), 2.0)
        b0 += s0
        b1 += s1
        if abs(s0) < 1e-8 and abs(s1) < 1e-8:
            out[INTERCEPT] = b0
            out[SLOPE] = b1
            return


@compiled
def concordance(
    rank: Ints, block: Ints, event: npt.NDArray[np.bool_], weight: Floats, counts: Floats, ranks: int, out: Floats
) -> None:
    """Harrell's C into ``out[0]`` and the weighted one into ``out[1]``.

    People come from the latest time to the earliest, those without an event before those with one at the same time;
    ``block`` numbers the times in that order. ``rank`` is that of the risk among the ``ranks`` distinct ones,
    ``weight`` counts for events in the weighted C, ``counts`` says how many people a row stands for.
    """
    tree = np.zeros(ranks + 1)
    equal = np.zeros(ranks)
    later = 0.0
    right = pairs = right_w = pairs_w = 0.0
    start = 0
    while start < len(rank):
        end = start
        while end < len(rank) and block[end] == block[start]:
            end += 1
        middle = start
        while middle < end and not event[middle]:
            middle += 1
        later += _enter(rank, counts, start, middle, tree, equal)
        for i in range(middle, end):
            if counts[i] > 0:
                below = 0.0
                j = rank[i]
                while j > 0:
                    below += tree[j]
                    j -= j & -j
                good = counts[i] * (below + equal[rank[i]] / 2)
                right += good
                pairs += counts[i] * later
                right_w += weight[i] * good
                pairs_w += weight[i] * counts[i] * later
        later += _enter(rank, counts, middle, end, tree, equal)
        start = end
    out[0] = right / pairs if pairs > 0 else np.nan
    out[1] = right_w / pairs_w if pairs_w > 0 else np.nan


@compiled
def _enter(rank: Ints, counts: Floats, start: int, end: int, tree: Floats, equal: Floats) -> float:
    """Put rows into the tree, one by one or, if they are many, by building it anew; returns how many people."""
    total = 0.0
    ranks = len(equal)
    if 8 * (end - start) > ranks:
        for i in range(start, end):
            equal[rank[i]] += counts[i]
            total += counts[i]
        tree[:] = 0
        for r in range(1, ranks + 1):
            tree[r] += equal[r - 1]
            above = r + (r & -r)
            if above <= ranks:
                tree[above] += tree[r]
        return total
    for i in range(start, end):
        equal[rank[i]] += counts[i]
        total += counts[i]
        r = rank[i] + 1
        while r <= ranks:
            tree[r] += counts[i]
            r += r & -r
    return total
