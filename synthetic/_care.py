"""What the columns added since release 0.1 hold: dates of measurements, care planned and given, diabetes in detail,
lipid treatment, the last admission, the score of the GP system.

Each column is drawn from a random stream of its own, numbered by its place among the added ones, so a new column never
changes what the others of a seed hold.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popstrat.core.dates import months_before
from popstrat.packs.patient_table import patient_schema
from popstrat.synthetic._parameters import F32, Model, Recency, f32, probit
from popstrat.synthetic._people import BLOCK, Bools, Cells, Draw, People, Values, days
from popstrat.synthetic._records import Records, chance, taken

_FIRST_STREAM = 256
_STREAMS = {name: _FIRST_STREAM + i for i, name in enumerate(patient_schema().added)}
_YEAR = 365.25


class Care:
    """Draws the added columns of one block of people, whose records are drawn."""

    def __init__(
        self, model: Model, seed: int, block: int, people: People, records: Records, as_of: dt.date, cells: Cells
    ) -> None:
        self._model, self._seed, self._block = model, seed, block
        self._people, self._records, self._cells = people, records, cells
        self._as_of = days(as_of)
        self._months_12 = self._as_of - days(months_before(as_of, 12))  # days in the last 12 months, both ends apart
        self._horizon: int = model.raw["records"]["horizon"]
        flag = people.flag
        self._ascvd = flag["chd"] | flag["stroke_tia"] | flag["pad"]

    def draw_all(self) -> None:
        self._extra_care_housing()
        self._measured()
        self._planned()
        for name, register in (("ld_check_date", "learning_disability"), ("smi_check_date", "smi")):
            self._checked(name, register)
        self._prevention_programme()
        self._last_admission()
        self._diabetes()
        self._lipid_treatment()
        self._system_score()

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _draw(self, column: str) -> Draw:
        return Draw(self._seed, self._block, _STREAMS[column])

    def _figures(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._model.raw["care"][name]
        return found

    def _curve(self, ages: Any, values: Any) -> F32:
        return self._model.by_age(ages, values)[self._people.age]

    def _days_since(self, years: int) -> NDArray[np.int32]:
        """How many days ago somebody was surely that old (negative: not yet)."""
        return self._people.age_days - np.int32(np.ceil(_YEAR * years))

    def _put_date(self, name: str, back: Values, present: Bools) -> None:
        self._cells.put(name, (self._as_of - np.where(present, back, 0)).astype(np.int32), present)

    def _date_of(self, name: str, present: Bools, back: Values, draw: Draw, from_age: int = 0) -> None:
        """The date of every value that there is, but for the few that lost theirs. Where ``back`` lies further back
        than records are kept, or before the person was old enough, it is some day since."""
        limit = np.clip(self._days_since(from_age), 0, self._horizon).astype(np.float32)
        back = np.where(back <= limit, back, draw.uniform() * limit)
        dated = present & (draw.uniform() >= self._model.raw["records"]["undated"])
        self._put_date(name, np.floor(back), dated)

    def _back(self, recency: Recency, draw: Draw) -> F32:
        mean = recency.by_age[self._people.age]
        for name, least in recency.flags:
            np.minimum(mean, least, out=mean, where=self._people.flag[name])
        return draw.exponential() * mean * self._records.pace

    def _likely(self, level: Values | np.float32, draw: Draw) -> Bools:
        """True with the probability whose probit is ``level``, more often in the engaged."""
        score = np.float32(0.25) * self._people.score["engagement"] + np.float32(0.968) * draw.normal()
        return np.asarray(score + level > 0)

    # -- columns ------------------------------------------------------------------------------------------------------

    def _extra_care_housing(self) -> None:
        people, raw = self._people, self._figures("extra_care_housing")
        draw, load = self._draw("extra_care_housing"), np.float32(raw["frail"])
        level = self._model.by_age(raw["ages"], [probit(p / 100) for p in raw["percent"]])[people.age]
        need = load * people.score["frail"] + np.float32((1 - raw["frail"] ** 2) ** 0.5) * draw.normal()
        lives_there = (need + level > 0) & (people.age >= raw["from_age"]) & ~people.flag["care_home"]
        self._cells.put("extra_care_housing", lives_there)

    def _measured(self) -> None:
        """When the values were found that had no date in release 0.1."""
        cells, recency = self._cells, self._model.recency
        for name, value, from_age in (
            ("acr_date", "acr", 12), ("smoking_date", "smoking", 12), ("cvd_risk_date", "cvd_risk_10y", 25),
        ):  # fmt: skip
            draw = self._draw(name)
            self._date_of(name, ~cells.nulls[value], self._back(recency[name], draw), draw, from_age)
        self._date_of("bmi_date", ~cells.nulls["bmi"], self._records.bmi.back, self._draw("bmi_date"))

    def _planned(self) -> None:
        people = self._people
        for name in ("care_plan_date", "cga_date"):
            raw, draw = self._figures(name), self._draw(name)
            level = np.full(BLOCK, probit(raw["base"]), dtype=np.float32)
            groups = {**people.flag, "frail": people.frail & (people.age >= 65)}
            for group, share in raw["groups"].items():
                np.maximum(level, np.float32(probit(share)), out=level, where=groups[group])
            back = np.floor(draw.exponential() * np.float32(raw["days"]) * self._records.pace)
            old_enough = back <= np.minimum(self._days_since(raw["from_age"]), self._horizon)
            self._put_date(name, back, self._likely(level, draw) & old_enough)

    def _checked(self, name: str, register: str) -> None:
        """A yearly check for the people of a register: in the last 12 months, longer ago, or never."""
        raw, draw = self._figures(name), self._draw(name)
        this_year = self._likely(np.float32(probit(raw["in_12_months"])), draw)
        ever = this_year | (draw.uniform() < raw["else_earlier"])
        within = np.floor(draw.uniform() * (self._months_12 + 1))
        earlier = self._months_12 + 1 + np.floor(draw.exponential() * np.float32(raw["days_earlier"]))
        back = np.where(this_year, within, earlier)
        old_enough = back <= np.minimum(self._days_since(raw["from_age"]), self._horizon)
        self._put_date(name, back, self._people.flag[register] & ever & old_enough)

    def _prevention_programme(self) -> None:
        """Referral after an HbA1c of 42 to 47, mostly the latest, without diabetes; and the end of the programme."""
        people, cells, raw = self._people, self._cells, self._figures("ndpp")
        draw = self._draw("ndpp_referred_date")
        hba1c, tested = cells.values["hba1c"], ~cells.nulls["hba1c"]
        eligible = tested & (hba1c >= 42) & (hba1c < 48) & ~people.flag["diabetes"] & (people.age >= 18)
        referred = eligible & self._likely(np.float32(probit(raw["referred"])), draw)
        test = self._records.hba1c.back
        soon = np.maximum(test - draw.uniform() * np.float32(raw["days_to_referral"]), 0)
        before = test + draw.uniform() * np.float32(raw["days_before"])
        back = np.floor(np.where(draw.uniform() < raw["after_the_latest"], soon, before)).astype(np.int32)
        limit = min(self._horizon, self._as_of - days(raw["programme_from"]))
        referred &= back <= np.minimum(self._days_since(18), limit)
        self._put_date("ndpp_referred_date", back, referred)

        draw = self._draw("ndpp_completed_date")
        done = back - raw["programme_days"] - np.floor(draw.exponential() * np.float32(raw["more_days"]))
        completed = referred & (done >= 0) & self._likely(np.float32(probit(raw["completed"])), draw)
        self._put_date("ndpp_completed_date", done, completed)

    def _last_admission(self) -> None:
        """Within 12 months where there was an emergency admission in these, else longer ago or never."""
        people, raw = self._people, self._figures("last_admission_date")
        draw = self._draw("last_admission_date")
        admissions = self._cells.values["emergency_admissions_12m"].astype(np.float32)
        lived = np.minimum(people.age_days, self._months_12).astype(np.float32)
        # The least of n uniform numbers: the last of n admissions.
        least = 1 - draw.uniform64() ** (1 / np.maximum(admissions, 1))
        within = np.minimum(np.floor(least * (lived + 1)), lived)
        per_year = self._curve(raw["ages"], raw["per_year"])
        per_year *= 1 + np.float32(raw["per_condition"]) * people.ltc
        earlier = self._months_12 + 1 + np.floor(draw.exponential() / per_year * np.float32(_YEAR))
        back = np.where(admissions > 0, within, earlier)
        old_enough = back <= np.minimum(people.age_days, self._horizon)
        self._put_date("last_admission_date", back, (admissions > 0) | old_enough)

    def _diabetes(self) -> None:
        people, cells = self._people, self._cells
        raw, draw = self._figures("diabetes_type"), self._draw("diabetes_type")
        diabetes = people.flag["diabetes"]
        type1 = self._curve(raw["ages"], raw["type1_percent"]) / 100
        for name, ratio in f32(raw["type1_ratio"]):
            np.multiply(type1, ratio, out=type1, where=people.flag[name])
        u = draw.uniform()
        is_1, is_other = u < type1, u >= 1 - raw["other"]
        kind = np.where(is_1, 0, np.where(is_other, 2, 1)).astype(np.int8)
        cells.put("diabetes_type", kind, diabetes & (draw.uniform() < raw["recorded"]))

        raw, draw = self._figures("diabetes_onset_age"), self._draw("diabetes_onset_age")
        age = people.age.astype(np.float32)
        young = np.float32(raw["type1_mean"]) + np.float32(raw["type1_sd"]) * draw.normal()
        young = np.where((young >= 1) & (young <= age), young, draw.uniform() * age)
        years = draw.exponential() * np.float32(raw["years"])
        late = age - np.minimum(years, np.maximum(age - np.float32(raw["type2_from"]), 0) * np.float32(raw["most"]))
        onset = np.floor(np.clip(np.where(is_1, young, late), 0, age)).astype(np.int16)
        cells.put("diabetes_onset_age", onset, diabetes & (draw.uniform() < raw["recorded"]))

    def _lipid_treatment(self) -> None:
        people, cells = self._people, self._cells
        statin = people.flag["statin"]
        level = chance(self._model, people, "high_intensity_statin")
        intense = statin & taken(people, self._draw("high_intensity_statin"), level)
        cells.put("high_intensity_statin", intense)
        raw = self._model.raw["medicine"]["ezetimibe"]
        level = chance(self._model, people, "ezetimibe")
        np.maximum(level, np.float32(probit(raw["statin"])), out=level, where=statin)
        level[self._ascvd & ~statin] = probit(raw["ascvd_without_statin"])
        cells.put("ezetimibe", taken(people, self._draw("ezetimibe"), level))

        raw, draw = self._figures("non_hdl_baseline"), self._draw("non_hdl_baseline")
        now, known = cells.values["non_hdl"], ~cells.nulls["non_hdl"]
        mean = np.where(intense, np.float32(raw["fall_high_intensity"]), np.float32(raw["fall"]))
        mean = mean + np.where(cells.values["ezetimibe"], np.float32(raw["fall_ezetimibe"]), np.float32(0))
        fall = np.clip(mean + np.float32(raw["fall_sd"]) * draw.normal(), 0.03, 0.7)
        unknown = np.float32(raw["mean"]) + np.float32(raw["sd"]) * draw.normal()
        before = np.where(known, np.maximum(np.minimum(now / (1 - fall), 14), now + np.float32(0.1)), unknown)
        recorded = draw.uniform() < np.where(known, np.float32(raw["recorded"]), np.float32(raw["recorded_alone"]))
        rounded = np.round(np.clip(before, 1, 15), 1).astype(np.float32)
        cells.put("non_hdl_baseline", rounded, statin & recorded)

    def _system_score(self) -> None:
        """A chance of admission as somebody else's model sees it: like the truth, not like any model here."""
        people, raw, draw = self._people, self._figures("sq_score"), self._draw("sq_score")
        admissions = np.minimum(self._cells.values["emergency_admissions_12m"], 3).astype(np.float32)
        logit = self._curve(raw["ages"], raw["logit"])
        logit += np.float32(raw["per_condition"]) * np.minimum(people.ltc, 8)
        logit += np.float32(raw["per_deficit"]) * np.minimum(people.deficits, 20)
        logit += np.float32(raw["per_admission"]) * admissions + np.float32(raw["deprivation"]) * people.deprivation
        for name, more in f32(raw["flags"]):
            np.add(logit, more, out=logit, where=people.flag[name])
        logit += np.float32(raw["sd"]) * draw.normal()
        score = np.round(np.clip(100 / (1 + np.exp(-logit)), 0.1, 95), 1).astype(np.float32)
        self._cells.put("sq_score", score, (people.age >= 18) & (draw.uniform() < raw["recorded"]))
