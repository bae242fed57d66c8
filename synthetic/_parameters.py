"""The figures of ``london.toml``, made ready for drawing: tables by age, thresholds, loads.

The only arithmetic of note is `_solve_level`: a flag's threshold has a known shape over age, sex, deprivation and
ethnicity, and one unknown, its level, which is solved for so that the flag's expected share is the published one.
"""

from __future__ import annotations

import datetime as dt
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popstrat.synthetic._places import PlaceFigures, draw_places

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

N_DECILES = 10
NEVER = -40.0  # a threshold shift that no standard normal overcomes

_normal = NormalDist()
_GRID = np.linspace(-9.0, 9.0, 18_001)
_CDF = np.array([0.5 * math.erfc(-x / math.sqrt(2.0)) for x in _GRID])


def probit(share: float) -> float:
    """Inverse of the standard normal distribution function; 0 and 1 give finite extremes."""
    return _normal.inv_cdf(share) if 1e-12 < share < 1 - 1e-12 else (NEVER if share <= 0.5 else -NEVER)


def normal_cdf(x: F64) -> F64:
    """Standard normal distribution function, by table (error below 1e-7)."""
    return np.asarray(np.interp(x, _GRID, _CDF))


@dataclass(frozen=True)
class Flag:
    """A yes/no trait: set where ``residual·ε + Σ load·score + by_age_sex + by_ethnic_decile > 0``.

    ``undiagnosed`` is how far below the threshold the disease exists without a code (probit scale; 0 = nowhere).
    ``by_age_sex`` is indexed by ``2·age + female``, ``by_ethnic_decile`` by ``10·ethnic group + decile − 1``.
    """

    name: str
    loads: tuple[tuple[str, np.float32], ...]
    residual: np.float32
    by_age_sex: F32
    by_ethnic_decile: F32
    coding: np.float32
    undiagnosed: np.float32
    is_latent: bool = False


@dataclass(frozen=True)
class Recency:
    """How long ago the latest record of something is: mean days back by age, less for people with a flag.

    ``unnoticed``: so many times longer for people with that disease and no code (that is why it has none).
    """

    by_age: F32
    flags: tuple[tuple[str, np.float32], ...]
    unnoticed: tuple[tuple[str, np.float32], ...]


@dataclass(frozen=True)
class Medicine:
    """Chance of being on a medicine, probit scale: the largest of ``base`` and those of the flags that are set."""

    base: np.float32
    flags: tuple[tuple[str, np.float32], ...]


@dataclass(frozen=True)
class Count:
    """Log mean of a yearly count, as a sum of log ratios; a mean m becomes m·most/(m + most) (see ``[[count]]``)."""

    name: str
    by_age_sex: F32
    deprivation: np.float32
    by_ltc: F32
    flags: tuple[tuple[str, np.float32], ...]
    loads: tuple[tuple[str, np.float32], ...]
    residual: np.float32
    spread: np.float32
    most: np.float32


@dataclass(frozen=True)
class Model:
    """Everything that `generate` draws from. Built once; shared by all threads, never written to."""

    raw: Mapping[str, Any]
    places: PlaceFigures
    factors: tuple[str, ...]
    flags: tuple[Flag, ...]
    columns: frozenset[str]
    female_share: F32
    ethnic_codes: tuple[str, ...]
    ethnic_band: I64
    recency: Mapping[str, Recency]
    medicines: Mapping[str, Medicine]
    counts: tuple[Count, ...]

    @property
    def earliest_as_of(self) -> dt.date:
        day: dt.date = self.raw["list"]["earliest_as_of"]
        return day

    def by_age(self, ages: Sequence[float], values: Sequence[float]) -> F32:
        """A table by single year of age from knots, linear between them."""
        return np.interp(np.arange(self.n_ages), ages, values).astype(np.float32)

    @property
    def n_ages(self) -> int:
        return int(self.places.age_cdf.shape[1])


def f32(values: Mapping[str, float]) -> tuple[tuple[str, np.float32], ...]:
    return tuple((k, np.float32(v)) for k, v in values.items())


def _ages(people: Mapping[str, Any]) -> F64:
    """Share of each single year of age: the bands' shares, with the trend between bands kept inside them."""
    width, percent = people["age_width"], np.asarray(people["age_percent"], dtype=np.float64)
    edges = np.arange(len(percent) + 1) * width
    cumulative = np.concatenate([[0.0], np.cumsum(percent)])
    # Slopes at the edges as harmonic means of the neighbouring bands (so that the curve never falls).
    slope = np.concatenate([percent[:1], 2 * percent[:-1] * percent[1:] / (percent[:-1] + percent[1:]), [0.0]]) / width
    year = np.arange(len(percent) * width + 1)
    band = np.minimum(year // width, len(percent) - 1)
    t = (year - edges[band]) / width
    rise = cumulative[band + 1] - cumulative[band]
    curve = (
        cumulative[band]
        + rise * t * t * (3 - 2 * t)
        + width * (slope[band] * t * (1 - t) ** 2 - slope[band + 1] * t * t * (1 - t))
    )
    share = np.maximum(np.diff(curve), 1e-9)
    return np.asarray(share / share.sum())


def _place_figures(raw: Mapping[str, Any]) -> PlaceFigures:
    people = raw["people"]
    ages = _ages(people)
    tilts = np.linspace(-1.0, 1.0, 21)
    years = np.arange(len(ages))
    tilted = ages * np.exp(tilts[:, None] * (years - 37.0) / 25.0)
    cdf = np.cumsum(tilted / tilted.sum(axis=1, keepdims=True), axis=1)
    cdf[:, -1] = 1.0
    shares = np.asarray(people["ethnic_percent"], dtype=np.float64)
    decile = np.cumsum(np.asarray(people["imd_percent"], dtype=np.float64))
    return PlaceFigures(
        raw=raw["places"],
        age_cdf=cdf,
        tilts=tilts,
        ethnic_log_share=np.log(shares / shares.sum()) + np.asarray(people["ethnic_age_tilt"]),
        ethnic_deprivation=np.asarray(people["ethnic_deprivation_tilt"]),
        decile_cuts=np.array([probit(x) for x in decile[:-1] / decile[-1]]),
    )


def _mix(figures: PlaceFigures, ethnic_band: I64, female_share: F64) -> F64:
    """Expected shares of age × sex × ethnic group × decile over a large list of the places drawn from ``figures``."""
    places = draw_places(figures, patients=12_000_000, practices=None, seed=0)
    size = np.diff(places.start).astype(np.float64)
    ages = np.diff(figures.age_cdf, axis=1, prepend=0.0)[places.tilt] * (size / size.sum())[:, None]
    ethnic = np.diff(places.ethnic_cdf, axis=2, prepend=0.0)
    spread = math.sqrt(1.0 - places.deprivation_variance)
    cuts = np.concatenate([figures.decile_cuts, [np.inf]])
    below = normal_cdf((cuts[None, :] + places.deprivation[:, None]) / spread)
    decile = np.diff(below, axis=1, prepend=0.0)
    mix = np.empty((ages.shape[1], ethnic.shape[2], N_DECILES))
    for band in range(ethnic.shape[1]):
        here = ethnic_band == band
        mix[here] = np.einsum("pa,pe,pd->aed", ages[:, here], ethnic[:, band], decile, optimize=True)
    return np.asarray(np.stack([mix * (1 - female_share)[:, None, None], mix * female_share[:, None, None]], axis=1))


def _solve_level(threshold: F64, weight: F64, share: float, spread: float = 1.0) -> float:
    """The shift that makes the mean of Φ((threshold + shift) / spread) over ``weight`` equal ``share``."""
    total = weight.sum()
    low, high = -12.0, 12.0
    for _ in range(34):
        middle = 0.5 * (low + high)
        if float((normal_cdf((threshold + middle) / spread) * weight).sum()) < share * total:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _ethnic_shift(raw: Mapping[str, Any], shifts: Mapping[str, float]) -> F64:
    codes, groups = raw["people"]["ethnic_codes"], raw["people"]["ethnic_groups"]
    out = np.zeros(len(codes))
    for group, shift in shifts.items():
        for code in groups[group]:
            out[codes.index(code)] = shift
    return out


class _Loads:
    """Keeps every score's make-up in terms of independent normals, so that each new one has variance 1."""

    def __init__(self, factors: Sequence[str], capacity: int) -> None:
        self._parts = dict(zip(factors, np.eye(len(factors), capacity), strict=True))

    def residual(self, name: str, loads: Mapping[str, float], *, keep: bool = True) -> np.float32:
        unknown = set(loads) - set(self._parts)
        if unknown:
            raise ValueError(f"{name}: no factor or earlier flag is called {sorted(unknown)[0]!r}")
        mixed = sum((w * self._parts[k] for k, w in loads.items()), np.zeros_like(next(iter(self._parts.values()))))
        variance = float(mixed @ mixed)
        if variance > 0.97:
            raise ValueError(f"{name}: its loads leave no room for chance (variance {variance:.2f})")
        left = math.sqrt(1.0 - variance)
        if keep:
            mixed[len(self._parts)] = left
            self._parts[name] = mixed
        return np.float32(left)


def _flag(raw: Mapping[str, Any], entry: Mapping[str, Any], mix: F64, residual: np.float32) -> Flag:
    n_ages = mix.shape[0]
    ages = np.arange(n_ages)
    knots = [probit(p / 100.0) for p in entry["shape"]]
    by_age = np.interp(ages, entry["ages"], knots)
    blocked = (ages < entry["from_age"]) | (ages > entry.get("to_age", n_ages))
    by_age_sex = by_age[:, None] + np.array([0.0, entry.get("female", 0.0)])
    by_age_sex[blocked] = NEVER
    if entry.get("sex") == "female":
        by_age_sex[:, 0] = NEVER
    ethnic = _ethnic_shift(raw, entry.get("ethnicity", {}))
    decile = entry.get("deprivation", 0.0) * deprivation_of_decile(np.arange(N_DECILES))

    # Ethnic groups with the same shift are one cell: most flags then need a few thousand cells, not 33,000.
    levels, group = np.unique(ethnic, return_inverse=True)
    cells = np.stack([mix[:, :, group == g].sum(axis=2) for g in range(len(levels))], axis=2)
    threshold = by_age_sex[:, :, None, None] + levels[:, None] + decile
    cells, threshold = cells[entry["of_age"] :], threshold[entry["of_age"] :]
    open_ = threshold > NEVER / 2
    share = entry["percent"] / 100.0 * cells.sum() / cells[open_].sum()
    # Practices that code more and less readily widen the spread by that much; the truth has no part in it.
    coding = entry.get("coding", 0.0)
    level = _solve_level(threshold[open_], cells[open_], share, math.hypot(1.0, coding))
    true_level = level
    if "true_percent" in entry:
        true_level = _solve_level(threshold[open_], cells[open_], share * entry["true_percent"] / entry["percent"])
    return Flag(
        name=entry["name"],
        loads=f32(entry["loads"]),
        residual=residual,
        by_age_sex=(by_age_sex + level).astype(np.float32).reshape(-1),
        by_ethnic_decile=(ethnic[:, None] + decile).astype(np.float32).reshape(-1),
        coding=np.float32(coding),
        undiagnosed=np.float32(true_level - level),
    )


def deprivation_of_decile(index: Any) -> Any:
    """1 for the most deprived decile (index 0) to −1 for the least (index 9)."""
    return (4.5 - index) / 4.5


def _count(entry: Mapping[str, Any], n_ages: int, residual: np.float32) -> Count:
    by_age = np.log(entry["per_person"]) + np.interp(np.arange(n_ages), entry["ages"], np.log(entry["ratio"]))
    return Count(
        name=entry["name"],
        by_age_sex=(by_age[:, None] + np.array([0.0, math.log(entry["female"])])).astype(np.float32).reshape(-1),
        deprivation=np.float32(math.log(entry["deprivation"])),
        by_ltc=np.log(entry["ltc"]).astype(np.float32),
        flags=tuple((k, np.float32(math.log(v))) for k, v in entry["flags"].items()),
        loads=f32(entry["loads"]),
        residual=residual,
        spread=np.float32(entry["spread"]),
        most=np.float32(entry["most"]),
    )


def _recency(entry: Mapping[str, Any], n_ages: int) -> Recency:
    days = np.exp(np.interp(np.arange(n_ages), entry["ages"], np.log(entry["days"])))
    return Recency(days.astype(np.float32), f32(entry["flags"]), f32(entry.get("unnoticed", {})))


@cache
def london() -> Model:
    """The model of ``london.toml``; loading it takes about a quarter of a second."""
    raw = tomllib.loads(resources.files("popstrat.synthetic").joinpath("london.toml").read_text(encoding="utf-8"))
    people = raw["people"]
    figures = _place_figures(raw)
    n_ages = figures.age_cdf.shape[1]
    ages = np.arange(n_ages)
    ethnic_band = np.searchsorted(people["ethnic_band_from"], ages, side="right") - 1
    female_share = np.interp(ages, people["female_ages"], people["female_percent"]) / 100.0
    mix = _mix(figures, ethnic_band, female_share)

    factors = tuple(raw["factors"]["names"])
    loads = _Loads(factors, len(factors) + len(raw["latent"]) + len(raw["flag"]))
    empty = np.zeros(0, dtype=np.float32)
    flags = [
        Flag(
            name=entry["name"],
            loads=f32(entry["loads"]),
            residual=loads.residual(entry["name"], entry["loads"]),
            by_age_sex=empty,
            by_ethnic_decile=empty,
            coding=np.float32(0),
            undiagnosed=np.float32(0),
            is_latent=True,
        )
        for entry in raw["latent"]
    ]
    flags += [_flag(raw, entry, mix, loads.residual(entry["name"], entry["loads"])) for entry in raw["flag"]]
    return Model(
        raw=raw,
        places=figures,
        factors=factors,
        flags=tuple(flags),
        columns=frozenset(entry["name"] for entry in raw["flag"] if entry.get("column", True)),
        female_share=female_share.astype(np.float32),
        ethnic_codes=tuple(people["ethnic_codes"]),
        ethnic_band=ethnic_band,
        recency={k: _recency(v, n_ages) for k, v in raw["records"].items() if isinstance(v, dict) and "days" in v},
        medicines={
            k: Medicine(np.float32(probit(v["base"])), tuple((f, np.float32(probit(p))) for f, p in v["flags"].items()))
            for k, v in raw["medicine"].items()
        },
        counts=tuple(
            _count(entry, n_ages, loads.residual(entry["name"], entry["loads"], keep=False)) for entry in raw["count"]
        ),
    )
