"""People who are alike, counted: what a resample is drawn from, so that it costs by distinct risk and not by person.

A bootstrap resample draws for every person how often they come up: a Poisson count with mean 1 (the Poisson
bootstrap, which for many people is the multinomial one without its fixed total). People of one risk, outcome and
weight are one stratum, whose count in a resample is Poisson with the stratum's size for its mean. Every resample has a
random stream of its own, from the seed, the name of what is assessed and the resample's number: threads change nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from popstrat.validation import kernels
from popstrat.validation.kernels import Ints
from popstrat.validation.measures import Bytes, Floats, cut_at, uno_weights

_T = TypeVar("_T")
_START = np.array([0.0, 0.0, 1.0])


LOW, HIGH, TOP = 8192, 8192, 0.9
"""Bands of neighbouring risks that resamples are drawn over: so many below this quantile of risk, so many above."""


@dataclass(frozen=True)
class Bands:
    """Distinct risks put together in at most `LOW` + `HIGH` bands of about equally many people.

    Resamples serve for standard errors alone, which a band of a hundred people out of a million does not change (the
    tests compare); estimates always come from the risks as they are. With no more distinct risks than bands each is
    its own.
    """

    of_rank: Ints
    risks: Floats

    @classmethod
    def over(cls, risks: Floats, sizes: Ints) -> Bands:
        """Bands for distinct risks, ascending, that so many people have."""
        if len(risks) <= LOW + HIGH:
            return cls(np.arange(len(risks)), risks)
        quantile = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
        low = np.floor(quantile / TOP * LOW)
        high = LOW + np.floor((quantile - TOP) / (1 - TOP) * HIGH)
        _, band = np.unique(np.where(quantile < TOP, low, high), return_inverse=True)
        return cls(band, np.bincount(band, sizes * risks) / np.bincount(band, sizes))


@dataclass(frozen=True)
class Strata:
    """Groups of like people over the distinct risks of some of a list.

    ``sets`` holds (rows, weights, counts, kind) with rows into ``risk``; kind 1 has the outcome, 0 has not, -1 is not
    known (weight 0, but the risk counts).
    """

    risk: Floats
    sets: tuple[tuple[Ints, Floats, Ints, int], ...]

    @classmethod
    def of(cls, risks: Floats, rank: Ints, outcome: Bytes, weight: Floats, *, merge: bool = False) -> Strata:
        """Strata of people whose risk is ``risks[rank]``; a weight of 0 means that the outcome is not known.

        To ``merge`` people of one risk and outcome but different weights gives all of them their mean weight.
        """
        present = np.bincount(rank, minlength=len(risks)) > 0
        row = (np.cumsum(present) - 1)[rank]
        distinct = int(present.sum())
        sets = []
        for kind, chosen in ((1, (outcome == 1) & (weight > 0)), (0, (outcome == 0) & (weight > 0)), (-1, weight == 0)):
            if not chosen.any():
                continue
            r, w = row[chosen], weight[chosen]
            if merge or np.ptp(w) == 0:
                sizes = np.bincount(r, minlength=distinct)
                rows = np.flatnonzero(sizes)
                mean = np.bincount(r, w, distinct)[rows] / sizes[rows] if merge else np.full(len(rows), w[0])
                sets.append((rows, mean, sizes[rows], kind))
                continue
            order = np.lexsort((w, r))
            r, w = r[order], w[order]
            first = np.flatnonzero(np.concatenate([[True], (np.diff(r) != 0) | (np.diff(w) != 0)]))
            sets.append((r[first], w[first], np.diff(np.concatenate([first, [len(r)]])), kind))
        return cls(risks[present], tuple(sets))

    def totals(self, rng: np.random.Generator | None = None) -> tuple[Floats, Floats, Floats]:
        """People, weight of events and weight of others at each risk: as they are, or in a resample by ``rng``."""
        people, events, others, nothing = np.zeros((4, len(self.risk)))
        for rows, weights, counts, kind in self.sets:
            mass = {1: events, 0: others, -1: nothing}[kind]
            if rng is None:
                kernels.count(rows, weights, counts, people, mass)
            else:
                kernels.draw(rng, rows, weights, counts, _TABLES, people, mass)
        return people, events, others

    def measure(
        self, picks: Sequence[float], thresholds: Sequence[float], rng: np.random.Generator | None = None,
        start: Floats = _START,
    ) -> Floats:  # fmt: skip
        """`kernels.measure` of these people, or of a resample."""
        out = np.empty(kernels.FIRST + 3 * (len(picks) + len(thresholds)))
        kernels.measure(
            self.risk, *self.totals(rng), np.asarray(picks, np.float64), np.asarray(thresholds, np.float64), start, out
        )
        return out

    def resampled(
        self, picks: Sequence[float], thresholds: Sequence[float], estimate: Floats, streams: Streams
    ) -> Floats:
        """`measure` of every resample, a row each; fits begin at the ``estimate``."""
        fits = estimate[[kernels.LARGE, kernels.INTERCEPT, kernels.SLOPE]]
        start = np.where(np.isfinite(fits), fits, _START)
        return np.array(streams.each(lambda rng: self.measure(picks, thresholds, rng, start)))


@dataclass(frozen=True)
class Streams:
    """Random streams for the resamples of what is called ``name``, run on ``threads``."""

    seed: int
    name: str
    resamples: int
    threads: int

    def each(self, task: Callable[[np.random.Generator], _T]) -> list[_T]:
        """The task's result for every resample, in order."""
        key = zlib.crc32(self.name.encode())
        seeds = [np.random.SeedSequence(self.seed, spawn_key=(key, i)) for i in range(self.resamples)]

        def run(seed: np.random.SeedSequence) -> _T:
            return task(np.random.Generator(np.random.PCG64(seed)))

        if self.threads == 1 or self.resamples < 2:
            return [run(seed) for seed in seeds]
        with ThreadPoolExecutor(self.threads, thread_name_prefix="popstrat-bootstrap") as pool:
            return list(pool.map(run, seeds))


def concordance(
    risk: npt.ArrayLike,
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    horizon: float,
    *,
    competing: npt.ArrayLike | None = None,
    streams: Streams | None = None,
) -> tuple[Floats, Floats]:
    """Harrell's and Uno's C up to the horizon, and both for every resample (one row each; none without ``streams``).

    People with a ``competing`` event cannot have the other any more: they count as free of it for good (Wolbers 2009).
    Uno's weights are those of the whole table in every resample. Time grows as n log n.
    """
    p = np.asarray(risk, dtype=np.float64)
    t, e = cut_at(time, event, horizon)
    gone = np.zeros(len(t), bool)
    if competing is not None:
        gone = np.asarray(competing, dtype=bool) & ~np.asarray(event, dtype=bool) & (np.asarray(time) <= horizon)
    weight = np.where(gone, 0.0, uno_weights(t, e | gone))
    t = np.where(gone, np.inf, t)
    risks, rank, sizes = np.unique(p, return_inverse=True, return_counts=True)
    found = _order(rank.astype(np.int64), t, e, weight, len(risks)).measure()
    if streams is None or streams.resamples == 0:
        return found, np.zeros((0, 2))
    bands = Bands.over(risks, sizes)
    banded = _order(bands.of_rank[rank], t, e, weight, len(bands.risks))
    return found, np.array(streams.each(banded.measure))


@dataclass(frozen=True)
class _Order:
    """People from the latest time to the earliest, as `kernels.concordance` takes them; alike ones are one row."""

    rank: Ints
    block: Ints
    event: npt.NDArray[np.bool_]
    weight: Floats
    sizes: Ints
    ranks: int

    def measure(self, rng: np.random.Generator | None = None) -> Floats:
        """Both Cs, of everybody or of a resample."""
        counts = self.sizes.astype(np.float64)
        if rng is not None:
            counts, spare = np.zeros((2, len(self.sizes)))
            kernels.draw(rng, np.arange(len(counts)), np.ones(len(counts)), self.sizes, _TABLES, counts, spare)
        out = np.empty(2)
        kernels.concordance(self.rank, self.block, self.event, self.weight, counts, self.ranks, out)
        return out


def _order(rank: Ints, time: Floats, event: npt.NDArray[np.bool_], weight: Floats, ranks: int) -> _Order:
    times, when = np.unique(time, return_inverse=True)
    key = ((len(times) - when.astype(np.int64)) * 2 + event) * ranks + rank
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.concatenate([[True], np.diff(key[order]) != 0]))
    sizes = np.diff(np.concatenate([first, [len(rank)]])).astype(np.int64)
    chosen = order[first]
    # People of one time share their weight: it depends on the time alone.
    return _Order(rank[chosen], len(times) - when[chosen], event[chosen], weight[chosen], sizes, ranks)


_TABLES = kernels.poisson_tables()
