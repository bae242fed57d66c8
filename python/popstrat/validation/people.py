"""Everybody assessed: their risks, what happened to them, and the weights that stand for those lost to follow-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from popstrat.core.numbers import span, stated
from popstrat.errors import InputError
from popstrat.validation.kernels import Ints
from popstrat.validation.measures import Bytes, Floats, horizon_weights
from popstrat.validation.results import Band
from popstrat.validation.strata import Bands, Strata, Streams

STRATA = 10
"""Tenths of predicted risk within which censoring is estimated; fewer where there are few events."""
_PER_STRATUM = 50
_FOUND_POINTS = 80


@dataclass(frozen=True)
class People:
    """Everybody assessed: risks, and either outcomes or times."""

    risk: Floats
    risks: Floats
    rank: Ints
    quantile: Floats
    """Where the person's risk stands among all, 0 lowest to 1 highest; the middle of those who share it."""
    neighbours: Bands
    outcome: Bytes
    time: Floats | None
    event: npt.NDArray[np.bool_]
    competing: npt.NDArray[np.bool_] | None
    horizon: float

    @classmethod
    def of(
        cls,
        risk: npt.ArrayLike,
        outcome: npt.ArrayLike | None,
        time: npt.ArrayLike | None,
        event: npt.ArrayLike | None,
        competing: npt.ArrayLike | None,
        horizon: float,
    ) -> People:
        p = np.asarray(risk, dtype=np.float64)
        if p.ndim != 1 or len(p) == 0:
            raise InputError("nobody to assess")
        if not np.all((p >= 0) & (p <= 1)):
            raise InputError("risks must lie between 0 and 1, without nulls")
        if (time is None) != (event is None) or (time is None) == (outcome is None):
            raise InputError("either an outcome, or a time and an event, are needed")
        risks, rank, sizes = np.unique(p, return_inverse=True, return_counts=True)
        quantile = ((np.cumsum(sizes) - sizes / 2) / len(p))[rank]
        t = None
        other = None
        if time is not None:
            t = np.asarray(time, dtype=np.float64)
            if not (np.all(t >= 0) and np.isfinite(t).all()):
                raise InputError("times must be 0 or more, without nulls")
            if not horizon > 0:
                raise InputError("the horizon must be more than 0")
            flags = _flags(event, len(p))
            other = None if competing is None else _flags(competing, len(p)) & ~flags
            y = (flags & (t <= horizon)).astype(np.uint8)
            free = bool(np.any(y == 0) and (np.any((y == 0) & (t >= horizon)) or (other is not None and other.any())))
        else:
            flags = _flags(outcome, len(p))
            y = flags.astype(np.uint8)
            free = not bool(y.all())
        if len(y) != len(p) or (t is not None and len(t) != len(p)):
            raise InputError("arrays of one length are needed")
        if not y.any():
            raise InputError("nobody has the outcome")
        if not free:
            raise InputError("everybody has the outcome, or nobody is followed to the horizon")
        return cls(
            p, risks, rank.astype(np.int64), quantile, Bands.over(risks, sizes), y, t, flags, other, float(horizon)
        )

    def weights(self, where: Ints) -> Floats | None:
        """Weights of some of the people (see `horizon_weights`); None if nobody among them is followed long enough.

        Within as many bands of risk as have events enough to estimate censoring in, at most ten.
        """
        if self.time is None:
            return np.ones(len(where))
        other = None if self.competing is None else self.competing[where]
        strata = int(np.clip(self.outcome[where].sum() // _PER_STRATUM, 1, STRATA))
        for count in {strata: None, 1: None}:
            bands = np.minimum((self.quantile[where] * count).astype(np.int64), count - 1)
            try:
                return horizon_weights(
                    self.time[where], self.event[where], self.horizon, competing=other, strata=bands
                )[1]
            except ValueError:
                continue
        return None

    def measured(
        self, where: Ints, weight: Floats, picks: Sequence[float], thresholds: Sequence[float], streams: Streams
    ) -> tuple[Floats, Floats]:
        """`kernels.measure` of some of the people, and of each of their resamples."""
        outcome = self.outcome[where]
        out = Strata.of(self.risks, self.rank[where], outcome, weight).measure(picks, thresholds)
        if streams.resamples == 0:
            return out, np.zeros((0, len(out)))
        banded = Strata.of(
            self.neighbours.risks, self.neighbours.of_rank[self.rank[where]], outcome, weight, merge=True
        )
        return out, banded.resampled(picks, thresholds, out, streams)

    def status(self, where: Ints, weight: Floats) -> tuple[int, int]:
        """How many are seen to have the outcome, and how many are lost before the horizon."""
        return int(self.outcome[where].sum()), int(np.sum(weight == 0))

    def cut(self, people: float) -> float:
        """The risk at which so many people are chosen, highest first."""
        sizes = np.bincount(self.rank, minlength=len(self.risks))[::-1]
        at = int(np.searchsorted(np.cumsum(sizes), people - 1e-6))
        return float(self.risks[::-1][min(at, len(sizes) - 1)])

    def bands(self, weight: Floats, edges: Sequence[float]) -> list[Band]:
        """The people cut by the quantile of their risk; people of one risk stay together."""
        band = np.digitize(self.quantile, edges[1:-1])
        band = np.where(self.quantile < edges[0], -1, band)
        found = []
        for i, (low, high) in enumerate(pairwise(edges)):
            here = band == i
            if not here.any():
                continue
            w = weight[here]
            share = float(np.sum(w * self.outcome[here]) / w.sum()) if w.sum() > 0 else np.nan
            found.append(
                Band(
                    span(stated(low), stated(high)),
                    int(here.sum()),
                    int(self.outcome[here].sum()),
                    float(self.risk[here].mean()),
                    share,
                    float(w.sum() ** 2 / np.sum(w * w)) if w.sum() > 0 else 0.0,
                )
            )
        return found

    def found_curve(self, weight: Floats) -> tuple[Floats, Floats]:
        """Who is found: shares of the people, and of all events among those of highest risk."""
        sizes = np.bincount(self.rank, minlength=len(self.risks))
        events = np.bincount(self.rank, weight * self.outcome, len(self.risks))
        chosen = np.concatenate([[0.0], np.cumsum(sizes[::-1])]) / len(self.risk)
        found = np.concatenate([[0.0], np.cumsum(events[::-1])]) / events.sum()
        at = np.concatenate([np.linspace(0, 0.05, _FOUND_POINTS // 2), np.linspace(0.05, 1, _FOUND_POINTS // 2)[1:]])
        return at, np.interp(at, chosen, found)


def _flags(values: npt.ArrayLike | None, rows: int) -> npt.NDArray[np.bool_]:
    found = np.asarray(values)
    if found.shape != (rows,):
        raise InputError("arrays of one length are needed")
    if found.dtype != np.bool_ and not np.all((found == 0) | (found == 1)):
        raise InputError("outcomes and events are 0 or 1, without nulls")
    return found.astype(bool)
