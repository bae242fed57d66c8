"""Who is on the list: age, sex, deprivation, ethnicity, hidden traits, conditions, frailty.

Everything is drawn for a whole block at a time, so that a person's values depend on the seed and their position
alone, however the list is cut.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popstrat.synthetic._parameters import F32, Model, deprivation_of_decile, probit
from popstrat.synthetic._places import Places, stream

BLOCK = 65_536
_EPOCH = dt.date(1970, 1, 1)

Bools = NDArray[np.bool_]
Values = NDArray[Any]

_PEOPLE, _POISSON = 0, 16  # stream numbers; Poisson draws have theirs each, see `Draw.poisson`


class Draw:
    """Random arrays for one block: float32, one value per person."""

    def __init__(self, seed: int, block: int, purpose: int = _PEOPLE) -> None:
        self._seed, self._block = seed, block
        self._rng = self._stream(purpose)
        self._poissons = 0

    def _stream(self, purpose: int) -> np.random.Generator:
        return stream(self._seed, purpose << 40 | self._block)

    def normal(self) -> F32:
        return self._rng.standard_normal(BLOCK, dtype=np.float32)

    def uniform(self) -> F32:
        """In [0, 1)."""
        return self._rng.random(BLOCK, dtype=np.float32)

    def uniform64(self) -> NDArray[np.float64]:
        return self._rng.random(BLOCK)

    def exponential(self) -> F32:
        return self._rng.standard_exponential(BLOCK, dtype=np.float32)

    def integers(self, high: int) -> NDArray[np.int64]:
        return self._rng.integers(0, high, BLOCK)

    def gamma(self, shape: float) -> NDArray[np.float64]:
        """Gamma variates of scale 1. They are found by trial and error, so use a `Draw` for nothing else."""
        return self._rng.standard_gamma(shape, BLOCK)

    def poisson(self, mean: F32) -> NDArray[np.int64]:
        """Poisson counts. They use up a number of random bits that depends on ``mean``, so each call has a
        stream of its own: what comes later in the list then never reaches back into what is drawn next."""
        self._poissons += 1
        return self._stream(_POISSON + self._poissons).poisson(mean)


@dataclass
class People:
    """One block of people. All arrays have `BLOCK` rows; rows past the end of the list are drawn and dropped.

    ``age`` in completed years; ``age_days`` since birth; ``female`` is biological, ``sex`` the recorded label's code;
    ``decile`` 0–9, most deprived first, ``deprivation`` 1 to −1; ``ethnic`` the true group; ``score`` the standard
    normal behind each trait; ``flag`` what is coded; ``undiagnosed`` disease without a code; ``above`` how far
    past the threshold (probit scale) for the few flags whose severity matters.
    """

    practice: NDArray[np.int64]
    age: NDArray[np.int64]
    age_days: NDArray[np.int32]
    female: Bools
    decile: NDArray[np.int64]
    deprivation: F32
    ethnic: NDArray[np.int64]
    coding: F32
    quality: F32
    score: dict[str, F32] = field(default_factory=dict)
    flag: dict[str, Bools] = field(default_factory=dict)
    undiagnosed: dict[str, Bools] = field(default_factory=dict)
    above: dict[str, F32] = field(default_factory=dict)
    ltc: NDArray[np.int8] = field(default_factory=lambda: np.zeros(BLOCK, dtype=np.int8))
    deficits: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BLOCK, dtype=np.int64))
    frail: Bools = field(default_factory=lambda: np.zeros(BLOCK, dtype=np.bool_))


@dataclass
class Cells:
    """The columns of a block as NumPy arrays: values (category columns: label codes; dates: days since 1970), nulls."""

    values: dict[str, Values] = field(default_factory=dict)
    nulls: dict[str, Bools] = field(default_factory=dict)

    def put(self, name: str, values: Values, present: Bools | None = None) -> None:
        self.values[name] = values
        if present is not None:
            self.nulls[name] = ~present


def days(day: dt.date) -> int:
    return (day - _EPOCH).days


def _years_before(as_of: dt.date, years: int) -> int:
    """The last date of birth (days since 1970) with which ``years`` are completed on ``as_of``."""
    try:
        return days(as_of.replace(year=as_of.year - years))
    except ValueError:  # 29 February in a year without one
        return days(as_of.replace(year=as_of.year - years, day=28))


def draw_people(model: Model, places: Places, draw: Draw, block: int, as_of: dt.date, cells: Cells) -> People:
    """Identity, place and governance columns, and the people that everything else is drawn for."""
    people = _demography(model, places, draw, block, as_of, cells)
    _traits(model, draw, people, cells)
    _frailty(model, draw, people, cells)
    return people


def _demography(model: Model, places: Places, draw: Draw, block: int, as_of: dt.date, cells: Cells) -> People:
    raw, figures = model.raw["people"], model.places
    row = block * BLOCK + np.arange(BLOCK)
    practice = np.minimum(np.searchsorted(places.start, row, side="right") - 1, len(places.practice_codes) - 1)
    n_ages = model.n_ages

    # Inverse distribution functions: the rows of a cumulative table laid end to end, each raised by its row number.
    lifted = (figures.age_cdf + np.arange(len(figures.age_cdf))[:, None]).reshape(-1)
    tilt = places.tilt[practice]
    age = np.clip(np.searchsorted(lifted, tilt + draw.uniform64(), side="right") - tilt * n_ages, 0, n_ages - 1)
    born_by = np.array([_years_before(as_of, years) for years in range(n_ages + 1)])
    u = draw.uniform64()
    birth = (born_by[age] - np.floor(u * (born_by[age] - born_by[age + 1]))).astype(np.int32)
    female = draw.uniform() < model.female_share[age]

    groups = places.ethnic_cdf.shape[2]
    lifted = (places.ethnic_cdf.reshape(-1, groups) + np.arange(len(practice_bands(places)))[:, None]).reshape(-1)
    mix = practice * places.ethnic_cdf.shape[1] + model.ethnic_band[age]
    ethnic = np.clip(np.searchsorted(lifted, mix + draw.uniform64(), side="right") - mix * groups, 0, groups - 1)

    spread = (1.0 - places.deprivation_variance) ** 0.5
    need = places.deprivation[practice] + spread * draw.normal()
    decile = np.searchsorted(figures.decile_cuts, -need, side="right")

    people = People(
        practice=practice,
        age=age,
        age_days=(days(as_of) - birth).astype(np.int32),
        female=female,
        decile=decile,
        deprivation=deprivation_of_decile(decile).astype(np.float32),
        ethnic=ethnic,
        coding=places.coding[practice],
        quality=places.quality[practice],
    )
    people.score.update((name, draw.normal()) for name in model.factors)

    id_stride = model.raw["list"]["id_stride"]
    cells.put("patient_id", model.raw["list"]["id_base"] + row * id_stride + draw.integers(id_stride))
    cells.put("practice_code", practice.astype(np.int32))
    cells.put("pcn_code", places.pcn[practice])
    cells.put("neighbourhood", places.neighbourhood[practice])
    cells.put("place", places.place[practice])
    cells.put("date_of_birth", birth)

    # Labels in the order of the patient table: female, male, intersex, unknown.
    sex = np.where(female, 0, 1).astype(np.int8)
    rare = draw.uniform()
    intersex, unknown = raw["sex_intersex_percent"] / 100, raw["sex_unknown_percent"] / 100
    sex[rare < intersex + unknown] = 3
    sex[rare < intersex] = 2
    cells.put("sex", sex)
    cells.put("imd_decile", (decile + 1).astype(np.int8), draw.uniform() >= raw["imd_missing_percent"] / 100)

    # Recording differs between practices: a practice's shift moves the share without a category.
    shift = np.float32(raw["ethnicity_recording_spread"]) * places.ethnicity_recording[practice]
    scale = np.float32((1 + raw["ethnicity_recording_spread"] ** 2) ** 0.5)
    gap = draw.normal() + shift
    none = raw["ethnicity_null_percent"] / 100
    unstated = none + raw["ethnicity_not_stated_percent"] / 100
    unknown = unstated + raw["ethnicity_unknown_percent"] / 100
    code = ethnic.astype(np.int8)
    code[gap < probit(unknown) * scale] = groups + 1
    code[gap < probit(unstated) * scale] = groups
    cells.put("ethnicity", code, gap >= probit(none) * scale)
    return people


def practice_bands(places: Places) -> range:
    """Rows of the ethnic tables: one per practice and age band."""
    return range(places.ethnic_cdf.shape[0] * places.ethnic_cdf.shape[1])


_SEVERITY = ("obesity", "ckd")


def _traits(model: Model, draw: Draw, people: People, cells: Cells) -> None:
    age_sex = people.age * 2 + people.female
    ethnic_decile = people.ethnic * 10 + people.decile
    for flag in model.flags:
        z = draw.normal()
        z *= flag.residual
        for source, load in flag.loads:
            z += load * people.score[source]
        people.score[flag.name] = z
        if flag.is_latent:
            continue
        margin = z + flag.by_age_sex[age_sex]
        margin += flag.by_ethnic_decile[ethnic_decile]
        coded = margin + flag.coding * people.coding > 0 if flag.coding else margin > 0
        people.flag[flag.name] = coded
        if flag.undiagnosed:
            people.undiagnosed[flag.name] = (margin > -flag.undiagnosed) & ~coded
        if flag.name in _SEVERITY:
            people.above[flag.name] = margin

    # BMI over 30 is a trait; the register holds those of them who were coded of late.
    share = probit(model.raw["obesity"]["coded_percent"] / 100)
    inclined = 0.35 * people.score["engagement"] + 0.25 * people.score["general"] + 0.90 * draw.normal()
    people.flag["obesity"] &= inclined + np.float32(share) > 0
    people.flag["af_suspected"] = people.undiagnosed["atrial_fibrillation"] & ~people.flag["venous_thromboembolism"]
    for name in (*model.columns, "af_suspected"):
        cells.put(name, people.flag[name])
    for name in model.raw["list"]["long_term_conditions"]:
        people.ltc += people.flag[name]


def _frailty(model: Model, draw: Draw, people: People, cells: Cells) -> None:
    """eFI, frailty code and Clinical Frailty Scale: three accounts of one state, mostly agreeing."""
    raw = model.raw["frailty"]
    known = np.zeros(BLOCK, dtype=np.int64)
    for name in raw["deficit_flags"]:
        known += people.flag[name]
    decades = (people.age.astype(np.float32) - 65) / 10
    log_mean = np.log(raw["other_at_65"]) + np.log(raw["per_decade"]) * decades
    log_mean += np.log(raw["per_sd"]) * people.score["frail"]
    people.deficits = np.minimum(known + draw.poisson(np.exp(log_mean.astype(np.float32))), 36)
    state = np.searchsorted([4, 8, 12], people.deficits)  # fit up to 4, mild to 8, moderate to 12

    old = people.age >= 65
    recorded = raw["efi_recorded"]
    share = np.where(old, recorded["from_65"], np.where(people.age >= 50, recorded["under_65"], 0.0))
    has_efi = draw.uniform() < share
    cells.put("efi", people.deficits.astype(np.float32) / np.float32(36), has_efi)

    coded = _account(draw, state, raw["disagree"])
    has_code = draw.uniform() < _share(raw["coded"], state, old, raw["under_65"] * (people.age >= 18))
    cells.put("frailty", coded.astype(np.int8), has_code)

    told = _account(draw, state, raw["disagree"])
    within = draw.uniform()
    scale = np.array([1, 4, 6, 7])[told] + np.floor(within * np.array([3, 2, 1, 2])[told]).astype(np.int64)
    dying = people.flag["end_of_life"] & (draw.uniform() < 0.35) & (people.age >= 18)
    has_cfs = dying | (draw.uniform() < _share(raw["cfs_recorded"], state, old, raw["under_65"] * (people.age >= 18)))
    scale[dying] = 9
    cells.put("cfs", scale.astype(np.int8), has_cfs)

    # What the record says: CFS first, then the code, then the eFI.
    people.frail = np.where(has_cfs, scale >= 6, np.where(has_code, coded >= 2, has_efi & (state >= 2)))


def _account(draw: Draw, state: NDArray[np.int64], disagree: float) -> NDArray[np.int64]:
    """The category as somebody else saw it: mostly the same, now and then one up or down."""
    u = draw.uniform()
    step = (u < disagree / 2).astype(np.int64) - (u > 1 - disagree / 2)
    return np.asarray(np.clip(state + step, 0, 3))


def _share(table: Mapping[str, float], state: NDArray[np.int64], old: Bools, young: Values) -> Values:
    shares = np.array([table["fit"], table["mild"], table["moderate"], table["severe"]])[state]
    return np.where(old, shares, young)
